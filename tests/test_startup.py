"""The command line as a process of its own: what it imports, how it ends, and what it does before torch is there."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import ROOT
from darkparse.files import read_ahead
from darkparse.garbage import uncollected

FILES = [str(ROOT / name) for name in ("cfg/shapes.cfg", "weights/shapes.weights", "tests/data/shapes.png")]
LARGE = ("torch._dynamo", "torch._inductor", "sympy", "scipy", "matplotlib", "pycocotools", "onnx", "onnxruntime")
OTHERS = ("darkparse.training", "darkparse.evaluation", "darkparse.onnx", "darkparse.cv2dnn", "darkparse.cli.train")


def python(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_detecting_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    script = f"import sys; from darkparse.cli import main; main({['detect', *FILES]}, standalone_mode=False)"
    done = python("-c", f"{script}; print(*sys.modules)", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.splitlines()[-1].split())
    assert {"torch", "cv2", "darkparse.detect", "darkparse.cli.detect"} <= found
    wrong = [name for name in found for other in LARGE + OTHERS if name == other or name.startswith(f"{other}.")]
    assert not wrong


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--version"], 0), (["summary", FILES[0]], 0), (["summary", "nowhere.cfg"], 1), (["detect"], 2), ([], 2)],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_exit_status_is_that_of_the_command(arguments: list[str], status: int, tmp_path: Path) -> None:
    assert python("-m", "darkparse", *arguments, folder=tmp_path).returncode == status


def test_what_is_to_be_done_at_the_end_is_done_and_all_output_is_written(tmp_path: Path) -> None:
    script = (
        "import atexit, sys, threading, time\n"
        f"sys.argv = ['darkparse', 'summary', {FILES[0]!r}]\n"
        "def late():\n"
        "    time.sleep(0.2)\n"
        "    print('a thread')\n"
        "from darkparse.cli import main, run\n"
        "invoke = main.invoke\n"
        "def invoked(context):\n"
        "    atexit.register(print, 'registered')\n"
        "    threading.Thread(target=late).start()\n"
        "    return invoke(context)\n"
        "main.invoke = invoked\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        print('taken apart')\n"
        "last = Last()\n"
        "run()\n"
    )
    done = python("-c", script, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    *table, thread, registered = done.stdout.splitlines()
    assert (thread, registered) == ("a thread", "registered")  # and then Python's own end of a process is left out
    assert len(table) > 5


@pytest.mark.skipif(os.name == "nt", reason="a shell's redirection")
def test_a_closed_pipe_is_told_of(tmp_path: Path) -> None:
    line = f"{sys.executable} -m darkparse summary {FILES[0]}; echo $? >&2"
    reading, writing = os.pipe()
    os.close(reading)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        line, shell=True, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment, check=False
    )
    os.close(writing)
    assert int(done.stderr.splitlines()[-1]) != 0


def test_a_pipe_is_not_read_ahead_and_a_missing_file_is_no_matter(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"once")
    os.close(writing)
    before = set(threading.enumerate())
    read_ahead([f"/dev/fd/{reading}", tmp_path / "nowhere", tmp_path, FILES[1]])
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert os.read(reading, 9) == b"once"
    os.close(reading)


def test_no_garbage_is_collected_meanwhile() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()  # the outer one decides
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_what_there_is_at_the_start_is_not_looked_through_again(tmp_path: Path) -> None:
    script = (
        "import gc\n"
        "from darkparse.garbage import uncollected\n"
        "with uncollected(frozen=True):\n"
        "    import json\n"
        "print(gc.get_freeze_count() > 1000, gc.isenabled())\n"
    )
    assert python("-c", script, folder=tmp_path).stdout.split() == ["True", "True"]
