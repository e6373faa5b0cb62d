"""Images through a network, read ahead by processes."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from bccd import tree
from darkparse.dataset.reader import Reader
from darkparse.detect import load
from darkparse.errors import DarkparseError
from darkparse.evaluation import running
from darkparse.evaluation.evaluate import evaluate
from darkparse.evaluation.running import AtOnce, enough, executor_for, run
from darkparse.evaluation.samples import Sample
from darkparse.images import letterbox, resize
from discs import CFG, SCENES, WEIGHTS, make


@pytest.fixture
def samples(tmp_path):
    make(tmp_path)
    return [
        Sample(tmp_path / f"disc_{i + 11}.png", np.array([[0.5, 0.5, 0.2, 0.2, i % 3]], np.float32))
        for i in range(len(SCENES))
    ]


@pytest.fixture(scope="module")
def model():
    return load(CFG, WEIGHTS, device="cpu")


def seen(samples, model, batch=2, workers=0):
    """Of each image its file, and the size and the number that it is interpreted with."""
    batches = []

    def interpret(sizes, raw):
        assert raw[0].shape[0] == len(sizes) if sizes else not raw
        batches.append(len(sizes))
        return [(size, float(one.sum())) for size, one in zip(sizes, raw[0] if raw else [], strict=True)]

    rows = [(sample.path, result.found) for sample, result in run(model, samples, interpret, batch, workers)]
    return rows, batches


@pytest.mark.parametrize("batch", [1, 4, 6, 10])
def test_each_image_is_interpreted_once_and_in_order(samples, model, batch):
    rows, batches = seen(samples, model, batch)
    assert [path for path, _ in rows] == [sample.path for sample in samples]
    assert [found[0] for _, found in rows] == [scene[:2] for scene in SCENES]
    assert sum(batches) == len(SCENES)
    alone = [seen([sample], model, 1)[0][0] for sample in samples]
    assert [found[1] for _, found in rows] == pytest.approx([found[1] for _, found in alone], rel=1e-5)


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_read_the_same(samples, model, workers):
    assert seen(samples, model, 2, workers) == seen(samples, model, 2, 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_that_cannot_be_read_have_no_result(samples, model, workers):
    gone = [0, 2, 3]
    for number in gone:
        samples[number].path.unlink()
    rows, batches = seen(samples, model, 2, workers)
    assert [number for number, (_, found) in enumerate(rows) if found is None] == gone
    assert batches == [1, 0, 2]


def test_beside_a_gpu_a_thread_interprets(samples, model, monkeypatch):
    expected = evaluate(model.network, samples, batch=2)
    threads = set()
    monkeypatch.setattr(running, "executor_for", lambda _: ThreadPoolExecutor(1))
    decode = type(model).decode
    monkeypatch.setattr(
        type(model), "decode", lambda *given: threads.add(threading.current_thread().name) or decode(*given)
    )
    assert evaluate(model.network, samples, batch=2) == expected
    assert threads
    assert threading.current_thread().name not in threads


def test_where_it_is_interpreted():
    import torch

    assert isinstance(executor_for(torch.device("cpu")), AtOnce)
    with executor_for(torch.device("cuda")) as executor:
        assert isinstance(executor, ThreadPoolExecutor)


def test_how_many_processes():
    assert enough([None] * 10, None) == 0
    assert enough([None] * 1000, None) == enough(iter([]), None) == len(os.sched_getaffinity(0))
    assert enough([None] * 10, 3) == 3


def test_samples_are_taken_as_they_are_needed(samples, model):
    taken = []

    def some():
        for _ in range(100):
            for sample in samples:
                taken.append(sample)
                yield sample

    for number, _ in enumerate(run(model, some(), lambda sizes, raw: sizes, 2, 0)):
        if number == 20:
            break
    assert 21 <= len(taken) <= 26


def test_an_error_ends_the_processes(samples, model):
    def interpret(sizes, raw):
        raise DarkparseError("no")

    before = set(tree(os.getpid()))
    with pytest.raises(DarkparseError, match="no"):
        list(run(model, samples * 10, interpret, 2, 2))
    deadline = time.monotonic() + 10
    while len(set(tree(os.getpid())) - before) > 2 and time.monotonic() < deadline:  # forkserver, resource tracker
        time.sleep(0.05)
    assert len(set(tree(os.getpid())) - before) <= 2


@pytest.mark.parametrize(("fitting", "channels"), [(resize, 3), (letterbox, 3), (resize, 1)])
def test_the_reader_gives_what_the_network_reads(fitting, channels, samples):
    reader = Reader((channels, 24, 32), fitting)
    read = reader.read(str(samples[1].path))
    assert read.pixels.shape == (channels, 24, 32)
    assert read.pixels.numpy().tolist() == reader.ready(samples[1].path).pixels.tolist()
    assert (read.size, read.error) == ((320, 240), "")
    assert reader.ready(cv2.imread(str(samples[1].path))).pixels.tolist() == read.pixels.tolist()


def test_the_reader_says_why_not(tmp_path):
    read = Reader((3, 8, 8), resize).read(str(tmp_path / "gone.png"))
    assert read.pixels is None
    assert "gone.png: no such file" in read.error
    cv2.imwrite(str(tmp_path / "thin.png"), np.zeros((1, 1000, 3), np.uint8))
    assert "thin.png: 1000 x 1 px is too thin" in Reader((3, 8, 8), letterbox).read(str(tmp_path / "thin.png")).error


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_ctrl_c_leaves_no_process(tmp_path):
    data = make(tmp_path)
    (tmp_path / "list.txt").write_text((tmp_path / "list.txt").read_text() * 5000)
    command = [sys.executable, "-m", "darkparse", "map", data, CFG, WEIGHTS, "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(family := list(tree(process.pid))) < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(family) >= 5  # the process, forkserver, resource tracker, two that read
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1
    assert output == ""
    assert errors.rstrip().endswith("Aborted!")
    assert "Traceback" not in errors
    while any(map(alive, family)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(alive, family))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_memory_does_not_grow_with_the_images(samples, model):
    """What Python holds; benchmarks/map.py looks at the processes."""
    import tracemalloc

    def most(times):
        tracemalloc.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluate(model.network, (one for _ in range(times) for one in samples[1:2]), batch=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(4)
    assert most(60) < most(12) + 48 * 2000  # an image alone has 3.7 MB, as the network reads it
