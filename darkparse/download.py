"""Fetches published Darknet weights: can be broken off and gone on with, and only a whole, checked file gets its name.

A file arrives as `NAME.part` beside its place. `OFFICIAL` is the table of what is known; weights/README.md shows it.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from itertools import chain
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from .errors import DownloadError
from .kinds import recognise

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there so far, and how many they will be (None: the server does not say)."""


@dataclass(frozen=True)
class WeightsFile:
    """One published file: its name, its size in bytes (None: not known for certain), its address, and its cfg."""

    file: str
    size: int | None
    url: str
    cfg: str

    @property
    def name(self) -> str:
        """What to call it on the command line: the file name without `.weights`."""
        return self.file.removesuffix(".weights")


_REDMON = "https://data.pjreddie.com/files/"
_REDMON_OLD = "https://pjreddie.com/media/files/"  # leads to the one above
_V4 = "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v3_optimal/"
_V4_PRE = "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v4_pre/"
_V7 = "https://github.com/AlexeyAB/darknet/releases/download/yolov4/"

# Where the bytes are None, two lengths are possible: the header of a file has 16 bytes until June 2017, then 20.
_FILES: tuple[tuple[str, str, int | None, str], ...] = (
    (_V7, "yolov7.weights", 147_898_248, "yolov7.cfg"),
    (_V7, "yolov7-tiny.weights", 24_967_560, "yolov7-tiny.cfg"),
    (_V7, "yolov7x.weights", 285_638_760, "yolov7x.cfg"),
    (_V4, "yolov4.weights", 257_717_640, "yolov4.cfg"),
    (_V4_PRE, "yolov4-tiny.weights", 24_251_276, "yolov4-tiny.cfg"),
    (_V4_PRE, "yolov4-csp.weights", 211_944_840, "yolov4-csp.cfg"),
    (_V4_PRE, "yolov4-csp-swish.weights", 211_944_840, "yolov4-csp-swish.cfg"),
    (_V4_PRE, "yolov4-csp-x-swish.weights", 399_388_168, "yolov4-csp-x-swish.cfg"),
    (_V4_PRE, "yolov4x-mish.weights", 399_388_168, "yolov4x-mish.cfg"),
    (_V4_PRE, "yolov4-p5.weights", 283_669_892, "yolov4-p5.cfg"),
    (_V4_PRE, "yolov4-p6.weights", 510_868_180, "yolov4-p6.cfg"),
    (_REDMON, "yolov3.weights", 248_007_048, "yolov3.cfg"),
    (_REDMON, "yolov3-tiny.weights", 35_434_956, "yolov3-tiny.cfg"),
    (_REDMON, "yolov3-spp.weights", 252_209_544, "yolov3-spp.cfg"),
    (_REDMON, "yolov3-openimages.weights", 259_229_388, "yolov3-openimages.cfg"),
    (_REDMON, "yolov2.weights", 203_934_260, "yolov2.cfg"),
    (_REDMON, "yolov2-tiny.weights", 44_948_600, "yolov2-tiny.cfg"),
    (_REDMON, "yolov2-voc.weights", None, "yolov2-voc.cfg"),
    (_REDMON_OLD, "yolov2-tiny-voc.weights", 63_471_556, "yolov2-tiny-voc.cfg"),
    (_REDMON_OLD, "yolo9000.weights", None, "yolo9000.cfg"),
    (_REDMON, "darknet19.weights", None, "darknet19.cfg"),
    (_REDMON, "darknet19_448.weights", None, "darknet19_448.cfg"),
    (_REDMON, "darknet53.weights", 166_582_580, "darknet53.cfg"),
    (_REDMON, "darknet53_448.weights", 166_582_580, "darknet53_448.cfg"),
    (_V7, "yolov7.conv.132", 121_266_068, "yolov7.cfg"),
    (_V4, "yolov4.conv.137", 170_038_676, "yolov4.cfg"),
    (_V4_PRE, "yolov4-tiny.conv.29", 19_789_716, "yolov4-tiny.cfg"),
    (_V4_PRE, "yolov4-csp.conv.142", 146_548_116, "yolov4-csp.cfg"),
    (_V4_PRE, "yolov4-csp-swish.conv.164", 185_312_660, "yolov4-csp-swish.cfg"),
    (_V4_PRE, "yolov4-csp-x-swish.conv.192", 358_357_268, "yolov4-csp-x-swish.cfg"),
    (_V4_PRE, "yolov4x-mish.conv.166", 277_307_668, "yolov4x-mish.cfg"),
    (_V4_PRE, "yolov4-p5.conv.232", 256_427_412, "yolov4-p5.cfg"),
    (_V4_PRE, "yolov4-p6.conv.289", 463_340_948, "yolov4-p6.cfg"),
    (_REDMON, "darknet53.conv.74", 162_482_580, "yolov3.cfg"),
    (_REDMON_OLD, "darknet19_448.conv.23", 79_327_120, "yolov2.cfg"),
)

OFFICIAL: dict[str, WeightsFile] = {
    entry.name: entry for entry in (WeightsFile(file, size, base + file, cfg) for base, file, size, cfg in _FILES)
}
"""Every file that `download` knows, by name."""

_USER_AGENT = "darkparse"  # pjreddie.com turns Python-urllib away
_CHUNK = 1 << 16  # bytes
_HEADER = 16  # bytes; no weights file is shorter
_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)")
_STATUS = {
    403: "the server refuses to hand it out",
    404: "the server has no such file",
    410: "the server has no such file any more",
    429: "the server wants fewer requests; try again later",
}
_ELSEWHERE = "another address can be given (--url)"


def download(
    name: str, folder: Path, *, url: str | None = None, progress: Progress | None = None, timeout: float = 30.0
) -> Path:
    """The path of a published weights file in `folder`, fetched unless it is there and whole.

    What arrives is kept in `FILE.part`; after a failure the same call goes on from there.

    Args:
        name: a key of `OFFICIAL`, such as `yolov4-tiny`, or its file name
        folder: where the file goes; made if it does not exist
        url: another http(s) address of the same file; the file name is added if it ends with a slash
        progress: called with (bytes so far, bytes in all or None) at the start and after every piece
        timeout: how long the server may be silent, in seconds
    Raises:
        DownloadError: unknown name, no or a wrong answer, a broken connection, a full disk, another file in its place
    """
    entry = _find(name)
    target = folder / entry.file
    part = folder / f"{entry.file}.part"
    try:
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _Transfer(entry, _address(entry, url), part, progress or (lambda done, total: None), timeout).run()
            os.replace(part, target)
        elif problem := _problem(target, entry):
            raise DownloadError(f"{target}: is there already, but {problem}; move or delete it to download it anew")
    except OSError as error:
        raise DownloadError(f"{error.filename or part}: {error.strerror or error}") from error
    return target


def _find(name: str) -> WeightsFile:
    key = name.lower().removesuffix(".weights")
    if key in OFFICIAL:
        return OFFICIAL[key]
    near = get_close_matches(key, OFFICIAL)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise DownloadError(f"no published weights are known as {name!r}; {hint}known are {', '.join(OFFICIAL)}")


def _address(entry: WeightsFile, url: str | None) -> str:
    if url is None:
        return entry.url
    if not url.lower().startswith(("http://", "https://")):
        raise DownloadError(f"{url}: not an address that starts with http:// or https://")
    return url + entry.file if url.endswith("/") else url


def _problem(path: Path, entry: WeightsFile) -> str:
    """What keeps the file at `path` from being `entry`; empty if nothing does."""
    with path.open("rb") as file:
        kind = recognise(file.read(512))
    size = path.stat().st_size
    if kind:
        return f"is {kind}"
    if entry.size is None:
        return "" if size >= _HEADER else f"has only {size} bytes"
    return "" if size == entry.size else f"has {size:,} bytes; expected {entry.size:,}"


class _StaleError(Exception):
    """What lies in the .part file does not belong to what the server has."""


@dataclass(frozen=True)
class _Transfer:
    entry: WeightsFile
    url: str
    part: Path
    progress: Progress
    timeout: float  # seconds

    def run(self) -> None:
        """Makes the .part file whole; asks the server twice at most."""
        have = self.part.stat().st_size if self.part.is_file() else 0  # bytes
        if have == self.entry.size:
            return self.check()
        if self.entry.size is not None and have > self.entry.size:
            have = 0
        try:
            self.request(have)
        except _StaleError:
            self.request(0)
        self.check()

    def check(self) -> None:
        if problem := _problem(self.part, self.entry):
            self.part.unlink()
            raise DownloadError(f"{self.url}: what came {problem}; it was not kept")

    def request(self, have: int) -> None:
        """Asks for the file from byte `have` on."""
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            response = urlopen(Request(self.url, headers=headers), timeout=self.timeout)
        except HTTPError as error:
            with error:
                self.refused(error, have)
        except (OSError, HTTPException, ValueError) as error:
            raise DownloadError(f"{self.url}: {self.why(error)}") from error
        else:
            with response:
                self.receive(response, have)

    def refused(self, error: HTTPError, have: int) -> None:
        """Returns if all bytes turn out to be there."""
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if _total(error.headers, 0) == have:
                return
            raise _StaleError from None
        other = "the server is in trouble; try again later" if error.code >= 500 else "the server said no"
        what = _STATUS.get(error.code, other)
        raise DownloadError(f"{self.url}: {what} (HTTP {error.code}); {_ELSEWHERE}") from error

    def receive(self, response: HTTPResponse, have: int) -> None:
        """Writes what the server sends after the `have` bytes that are there, or over them if it starts anew."""
        resumed = have > 0 and response.status == HTTPStatus.PARTIAL_CONTENT
        if resumed and _start(response.headers) != have:
            raise _StaleError
        done = have if resumed else 0
        total = _total(response.headers, done)
        pieces = self.pieces(response, done, total)
        first = next(pieces, b"")
        self.inspect(response, b"" if resumed else first, total)
        expected = self.entry.size or total
        self.progress(done, expected)
        with self.part.open("ab" if resumed else "wb") as file:
            for piece in chain((first,), pieces):
                done += file.write(piece)
                self.progress(done, expected)
                if expected is not None and done > expected:
                    break
        if expected is not None and done < expected:
            raise self.cut(done, expected)

    def pieces(self, response: HTTPResponse, done: int, total: int | None) -> Iterator[bytes]:
        try:
            while piece := response.read(_CHUNK):
                done += len(piece)
                yield piece
        except (OSError, HTTPException) as error:
            raise self.cut(done, self.entry.size or total, f" ({self.why(error)})") from error

    def inspect(self, response: HTTPResponse, first: bytes, total: int | None) -> None:
        """Refuses what cannot be the file, before the .part file is touched."""
        is_page = response.headers.get_content_type() == "text/html"
        kind = "an HTML page" if is_page else recognise(first)
        file, size = self.entry.file, self.entry.size
        if kind:
            raise DownloadError(f"{self.url}: the server answered with {kind}, not {file}; {_ELSEWHERE}")
        if total is not None and size is not None and total != size:
            raise DownloadError(f"{self.url}: this is another {file}: expected {size:,} bytes, got {total:,}")
        if total is None and size is None and not response.chunked:
            raise DownloadError(f"{self.url}: the server does not say how many bytes {file} has; {_ELSEWHERE}")

    def cut(self, done: int, total: int | None, why: str = "") -> DownloadError:
        of = "" if total is None else f" of {total:,}"
        what = f"the connection broke off after {done:,}{of} bytes{why}"
        return DownloadError(f"{self.url}: {what}; the same command goes on from there")

    def why(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return f"no answer for {self.timeout:g} seconds"
        return str(getattr(reason, "strerror", None) or reason or type(reason).__name__)


def _start(headers: Message) -> int | None:
    """First byte of what a 206 answer holds."""
    found = _RANGE.match(headers.get("Content-Range", ""))
    return int(found["start"]) if found and found["start"] else None


def _total(headers: Message, done: int) -> int | None:
    """Bytes of the whole file, by an answer that holds them from byte `done` on; None if it does not say."""
    found = _RANGE.match(headers.get("Content-Range", ""))
    if found and found["total"] != "*":
        return int(found["total"])
    length = headers.get("Content-Length", "")
    return done + int(length) if length.isdecimal() else None
