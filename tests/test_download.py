"""download(), against a server on this machine that misbehaves on demand."""

import contextlib
import json
import math
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from darkparse.download import OFFICIAL, WeightsFile, download
from darkparse.errors import DownloadError

ROOT = Path(__file__).parents[1]
KIT = Path(os.environ.get("DARKPARSE_SHARED", ROOT.parent / "shared")) / "conformance"
BODY = struct.pack("<iiiq", 0, 2, 5, 32000) + np.random.default_rng(0).bytes(300_000)
SIZE = len(BODY)
FILE = "toy.weights"
PAGE = b"\n<!DOCTYPE html><title>Survival Strategies for the Robot Rebellion</title>"

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """What the server does next: the answers are used up in order, the last one for good."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        self.closing = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append({"path": handler.path, **handler.headers})
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(handler)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ThreadingHTTPServer, str]]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            self.server.site.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def site(server: tuple[ThreadingHTTPServer, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    httpd, url = server
    httpd.site = Site(url)
    monkeypatch.setitem(OFFICIAL, "toy", WeightsFile(FILE, SIZE, url + FILE, "toy.cfg"))
    monkeypatch.setitem(OFFICIAL, "odd", WeightsFile("odd.weights", None, url + "odd.weights", "odd.cfg"))
    yield httpd.site
    httpd.site.closing.set()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: object) -> None:
    """Header names are given with `_` for `-`; one that is None is left out."""
    handler.send_response(status)
    for name, value in {"Content_Length": len(body), "Content_Type": "application/octet-stream", **headers}.items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


def plain(status: int = 200, body: bytes = BODY, **headers: object) -> Answer:
    return lambda handler: send(handler, status, body, **headers)


def ranged(handler: BaseHTTPRequestHandler) -> None:
    """A server that knows Range."""
    start = int(re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "bytes=0-"))[1])
    if start >= SIZE:
        send(handler, 416, b"", Content_Range=f"bytes */{SIZE}")
    elif start:
        send(handler, 206, BODY[start:], Content_Range=f"bytes {start}-{SIZE - 1}/{SIZE}")
    else:
        send(handler, 200, BODY)


def chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> Answer:
    text = b"%x\r\n%b\r\n" % (len(body), body) + end
    return plain(body=text, Content_Length=None, Transfer_Encoding="chunked")


def part(folder: Path, content: bytes, name: str = FILE) -> Path:
    path = folder / f"{name}.part"
    path.write_bytes(content)
    return path


def complaint(name: str, folder: Path, **options: object) -> str:
    with pytest.raises(DownloadError) as caught:
        download(name, folder, **options)
    return str(caught.value)


def test_whole_file(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    seen: list[tuple[int, int | None]] = []
    path = download("toy", tmp_path / "new" / "folder", progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "new" / "folder" / FILE
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    assert seen[0] == (0, SIZE)
    assert seen[-1] == (SIZE, SIZE)
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert "Python" not in site.requests[0]["User-Agent"]
    assert "Range" not in site.requests[0]


@pytest.mark.parametrize("name", ["toy", "toy.weights", "TOY"])
def test_whole_file_is_left_alone(site: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / FILE).write_bytes(BODY)
    assert download(name, tmp_path).read_bytes() == BODY
    assert site.requests == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("toy", BODY[:5000], "has 5,000 bytes; expected 300,020"),
        ("toy", PAGE, "is an HTML page"),
        ("odd", PAGE, "is an HTML page"),
        ("odd", b"short", "has only 5 bytes"),
    ],
)
def test_another_file_in_its_place_is_left_alone(
    site: Site, tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / f"{name}.weights"
    path.write_bytes(content)
    assert complaint(name, tmp_path) == (
        f"{path}: is there already, but {problem}; move or delete it to download it anew"
    )
    assert path.read_bytes() == content
    assert site.requests == []


def test_resumes(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    part(tmp_path, BODY[:100_000])
    seen: list[int] = []
    assert download("toy", tmp_path, progress=lambda done, _: seen.append(done)).read_bytes() == BODY
    assert [request["Range"] for request in site.requests] == ["bytes=100000-"]
    assert seen[0] == 100_000
    assert not (tmp_path / f"{FILE}.part").exists()


def test_resumes_where_the_rest_looks_like_a_web_page(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    part(tmp_path, BODY[: BODY.index(b"<")])
    assert download("toy", tmp_path).read_bytes() == BODY


def test_resumes_with_unknown_size(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(206, BODY[100_000:], Content_Range=f"bytes 100000-{SIZE - 1}/*")]
    part(tmp_path, BODY[:100_000], "odd.weights")
    assert download("odd", tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([plain()], id="Range is ignored"),
        pytest.param([plain(206, BODY[7:], Content_Range=f"bytes 7-{SIZE - 1}/{SIZE}"), plain()], id="another range"),
        pytest.param([plain(206, BODY[7:]), plain()], id="no Content-Range"),
        pytest.param([plain(416, b""), plain()], id="416 without a length"),
    ],
)
def test_starts_over(site: Site, tmp_path: Path, answers: list[Answer]) -> None:
    site.answers = answers[:]
    part(tmp_path, b"\0" * 100_000)
    assert download("toy", tmp_path).read_bytes() == BODY
    assert len(site.requests) == len(answers)
    assert "Range" not in site.requests[-1] or len(answers) == 1


def test_asks_twice_at_most(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(416, b"")]
    part(tmp_path, b"\0" * 100_000)
    assert "the server said no (HTTP 416)" in complaint("toy", tmp_path)
    assert len(site.requests) == 2


def test_part_that_is_whole_needs_no_server(site: Site, tmp_path: Path) -> None:
    part(tmp_path, BODY)
    assert download("toy", tmp_path).read_bytes() == BODY
    assert site.requests == []


def test_part_that_is_too_long_is_dropped(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    part(tmp_path, BODY + b"more")
    assert download("toy", tmp_path).read_bytes() == BODY
    assert "Range" not in site.requests[0]


def test_416_finishes_a_whole_part_of_unknown_size(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    part(tmp_path, BODY, "odd.weights")
    assert download("odd", tmp_path).read_bytes() == BODY
    assert [request["Range"] for request in site.requests] == [f"bytes={SIZE}-"]


def test_416_starts_over_with_a_part_that_is_too_long(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    part(tmp_path, BODY + b"more", "odd.weights")
    assert download("odd", tmp_path).read_bytes() == BODY
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (plain(body=PAGE, Content_Type="text/html; charset=utf-8"), "an HTML page"),
        (plain(body=PAGE), "an HTML page"),
        (plain(body=b"\xef\xbb\xbf<html>"), "an HTML page"),
        (plain(body=BODY, Content_Type="text/html"), "an HTML page"),
        (plain(body=PAGE, Content_Length=None), "an HTML page"),
        (plain(206, PAGE, Content_Type="text/html"), "an HTML page"),
        (
            plain(body=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 300020\n"),
            "a Git LFS pointer, a note in place of the file",
        ),
        (plain(body=b"PK\x03\x04" + bytes(50)), "a zip archive or a PyTorch checkpoint (.pt)"),
        (plain(body=b"\x1f\x8b\x08" + bytes(50)), "a gzip archive"),
        (plain(body=b'{"message": "Not Found"}'), "a JSON text"),
    ],
)
@pytest.mark.parametrize("name", ["toy", "odd"])
def test_something_else(site: Site, tmp_path: Path, answer: Answer, kind: str, name: str) -> None:
    site.answers = [answer]
    assert complaint(name, tmp_path) == (
        f"{site.url}{name}.weights: the server answered with {kind}, not {name}.weights; "
        "another address can be given (--url)"
    )
    assert list(tmp_path.iterdir()) == []


def test_web_page_does_not_cost_what_is_there(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(body=PAGE), ranged]
    path = part(tmp_path, BODY[:100_000])
    complaint("toy", tmp_path)
    assert path.read_bytes() == BODY[:100_000]
    assert download("toy", tmp_path).read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (400, "the server said no"),
        (403, "the server refuses to hand it out"),
        (404, "the server has no such file"),
        (410, "the server has no such file any more"),
        (429, "the server wants fewer requests; try again later"),
        (503, "the server is in trouble; try again later"),
        (520, "the server is in trouble; try again later"),
    ],
)
def test_http_errors(site: Site, tmp_path: Path, status: int, what: str) -> None:
    site.answers = [plain(status, PAGE, Content_Type="text/html")]
    assert complaint("toy", tmp_path) == (
        f"{site.url}{FILE}: {what} (HTTP {status}); another address can be given (--url)"
    )
    assert list(tmp_path.iterdir()) == []
    assert len(site.requests) == 1


def test_redirect(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(302, b"", Location="/elsewhere"), ranged]
    part(tmp_path, BODY[:100_000])
    assert download("toy", tmp_path).read_bytes() == BODY
    assert site.requests[1]["path"] == "/elsewhere"
    assert site.requests[1]["Range"] == "bytes=100000-"


def test_connection_refused(site: Site, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    assert complaint("toy", tmp_path, url=url) == f"{url}: Connection refused"


def test_connection_closed_without_an_answer(site: Site, tmp_path: Path) -> None:
    site.answers = [lambda handler: None]
    assert complaint("toy", tmp_path) == f"{site.url}{FILE}: Remote end closed connection without response"


def test_silent_server(site: Site, tmp_path: Path) -> None:
    site.answers = [lambda handler: site.closing.wait(5)]
    assert complaint("toy", tmp_path, timeout=0.05) == f"{site.url}{FILE}: no answer for 0.05 seconds"


def test_server_that_falls_silent(site: Site, tmp_path: Path) -> None:
    def falls_silent(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, BODY[:200_000], Content_Length=SIZE)
        site.closing.wait(5)

    site.answers = [falls_silent]
    message = complaint("toy", tmp_path, timeout=0.1)
    kept = (tmp_path / f"{FILE}.part").read_bytes()
    assert message == (
        f"{site.url}{FILE}: the connection broke off after {len(kept):,} of 300,020 bytes "
        "(no answer for 0.1 seconds); the same command goes on from there"
    )
    assert kept
    assert BODY.startswith(kept)


@pytest.mark.parametrize("length", [SIZE, None])
def test_broken_connection_resumes(site: Site, tmp_path: Path, length: int | None) -> None:
    site.answers = [plain(body=BODY[:200_000], Content_Length=length), ranged]
    assert complaint("toy", tmp_path) == (
        f"{site.url}{FILE}: the connection broke off after 200,000 of 300,020 bytes; "
        "the same command goes on from there"
    )
    assert (tmp_path / f"{FILE}.part").read_bytes() == BODY[:200_000]
    assert not (tmp_path / FILE).exists()
    assert download("toy", tmp_path).read_bytes() == BODY
    assert site.requests[1]["Range"] == "bytes=200000-"


def test_broken_connection_with_unknown_size(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(body=BODY[:200_000], Content_Length=SIZE), ranged]
    assert "broke off after 200,000 of 300,020 bytes;" in complaint("odd", tmp_path)
    assert download("odd", tmp_path).read_bytes() == BODY


def test_chunks(site: Site, tmp_path: Path) -> None:
    site.answers = [chunked(BODY)]
    assert download("odd", tmp_path).read_bytes() == BODY


def test_broken_chunks(site: Site, tmp_path: Path) -> None:
    site.answers = [chunked(BODY[:200_000], end=b"")]
    message = complaint("odd", tmp_path)
    kept = (tmp_path / "odd.weights.part").read_bytes()
    assert f"the connection broke off after {len(kept):,} bytes (" in message
    assert BODY.startswith(kept)
    assert not (tmp_path / "odd.weights").exists()


@pytest.mark.parametrize("body", [BODY[:5000], BODY + b"more"])
def test_another_size(site: Site, tmp_path: Path, body: bytes) -> None:
    site.answers = [plain(body=body)]
    assert complaint("toy", tmp_path) == (
        f"{site.url}{FILE}: this is another {FILE}: expected 300,020 bytes, got {len(body):,}"
    )
    assert list(tmp_path.iterdir()) == []


def test_too_long_without_a_length(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(body=BODY + b"more", Content_Length=None)]
    assert complaint("toy", tmp_path) == (
        f"{site.url}{FILE}: what came has 300,024 bytes; expected 300,020; it was not kept"
    )
    assert list(tmp_path.iterdir()) == []


def test_endless_file_is_not_read_on(site: Site, tmp_path: Path) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            send(handler, 200, BODY * 20, Content_Length=None)

    site.answers = [endless]
    seen: list[int] = []
    complaint("toy", tmp_path, progress=lambda done, _: seen.append(done))
    assert seen[-1] < SIZE + 100_000
    assert list(tmp_path.iterdir()) == []


def test_size_that_nobody_knows(site: Site, tmp_path: Path) -> None:
    site.answers = [plain(Content_Length=None)]
    assert "the server does not say how many bytes odd.weights has" in complaint("odd", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"short"])
def test_too_short_to_be_weights(site: Site, tmp_path: Path, body: bytes) -> None:
    site.answers = [plain(body=body)]
    assert f"what came has only {len(body)} bytes; it was not kept" in complaint("odd", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(site: Site, tmp_path: Path) -> None:
    site.answers = [ranged]
    path = tmp_path / f"{FILE}.part"
    path.symlink_to("/dev/full")
    assert complaint("toy", tmp_path) == f"{path}: No space left on device"
    assert not (tmp_path / FILE).exists()


def test_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert complaint("toy", tmp_path / "file" / "folder") == f"{tmp_path / 'file' / 'folder'}: Not a directory"


def test_folder_in_its_place(site: Site, tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert complaint("toy", tmp_path) == f"{tmp_path / FILE}: Is a directory"


@pytest.mark.parametrize(("tail", "path"), [("mirror/a?raw=1", "/mirror/a?raw=1"), ("mirror/", f"/mirror/{FILE}")])
def test_another_address(site: Site, tmp_path: Path, tail: str, path: str) -> None:
    site.answers = [ranged]
    assert download("toy", tmp_path, url=site.url + tail).name == FILE
    assert site.requests[0]["path"] == path


@pytest.mark.parametrize("url", ["file:///etc/passwd", "toy.weights", ""])
def test_address_that_is_none(site: Site, tmp_path: Path, url: str) -> None:
    assert complaint("toy", tmp_path, url=url).endswith("not an address that starts with http:// or https://")


@pytest.mark.parametrize("url", ["http://127.0.0.1:many/", "http://a..b/", "http://127.0.0.1/\u00fc", "http://"])
def test_address_that_does_not_read(site: Site, tmp_path: Path, url: str) -> None:
    assert complaint("toy", tmp_path, url=url).startswith(url)


def test_unknown_name(tmp_path: Path) -> None:
    message = complaint("yolo4-tiny", tmp_path)
    assert message.startswith("no published weights are known as 'yolo4-tiny'; did you mean yolov4-tiny or ")
    assert message.endswith("known are " + ", ".join(OFFICIAL))
    assert "did you mean" not in complaint("zebra", tmp_path)


def test_official_files() -> None:
    for name, entry in OFFICIAL.items():
        assert name == entry.name == name.lower()
        assert entry.url.startswith("https://")
        assert entry.url.endswith(f"/{entry.file}")
        assert entry.file == f"{name}.weights" or re.search(r"\.conv\.\d+$", entry.file)


def test_readme_shows_the_table() -> None:
    row = re.compile(
        r"\| `(?P<name>[^`]+)` \| (?P<size>[\d,]+|\?) \| `(?P<cfg>[^`]+)` \| \[[^]]+\]\((?P<url>[^)]+)\) \|"
    )
    rows = [found.groupdict() for found in row.finditer((ROOT / "weights" / "README.md").read_text("utf-8"))]
    assert rows == [
        {"name": name, "size": f"{entry.size:,}" if entry.size else "?", "cfg": entry.cfg, "url": entry.url}
        for name, entry in OFFICIAL.items()
    ]


@pytest.mark.kit
@pytest.mark.parametrize("entry", OFFICIAL.values(), ids=list(OFFICIAL))
def test_sizes_are_those_of_the_networks(entry: WeightsFile) -> None:
    stem = entry.cfg.removesuffix(".cfg")
    case = next(path for fork in ("", "ab__", "pj__") if (path := KIT / "cases" / f"{fork}{stem}.npz").exists())
    with np.load(case) as arrays:
        layout = json.loads(str(arrays["meta"]))["layout"]
    upto = re.search(r"\.conv\.(\d+)$", entry.file)
    layers = int(upto[1]) if upto else math.inf
    floats = sum(math.prod(tensor["shape"]) for tensor in layout if tensor["layer"] < layers)
    assert entry.size in (None, 4 * floats + 16, 4 * floats + 20)
