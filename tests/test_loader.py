"""Mini-batches: the same ones, whoever makes them; and processes that leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from darkparse.dataset.augment import Augmentation
from darkparse.dataset.detection import BoxSamples
from darkparse.dataset.index import Index, index_boxes
from darkparse.dataset.loader import Loader, gathered
from darkparse.dataset.samples import Sample
from darkparse.errors import DarkparseError

STOP = 4
OPTIONS = Augmentation(hue=0.1, saturation=1.5, exposure=1.5, mosaic=True, blur=2, gaussian_noise=5)


def write_set(folder):
    for i in range(5):
        image = folder / f"{i}.png"
        assert cv2.imwrite(str(image), np.random.default_rng(i).integers(0, 256, (24, 32, 3), np.uint8))
        image.with_suffix(".txt").write_text("0 .5 .5 .4 .3\n" * i)
    return [str(path) for path in sorted(folder.glob("*.png"))]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return BoxSamples(index_boxes(write_set(tmp_path_factory.mktemp("set")), 3, 1), OPTIONS)


def size(iteration):
    """Of the network: larger in every other iteration."""
    return (32, 16) if iteration % 2 else (48, 32)


def load(samples, **options):
    with Loader(
        samples, **{"batch": 8, "subdivisions": 2, "size": size, "stop": STOP, "workers": 0, **options}
    ) as loader:
        return list(loader)


@pytest.fixture(scope="module")
def expected(samples):
    """All mini-batches, made by this process."""
    return load(samples)


def check_equal(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.truth, b.truth)
        assert a.paths == b.paths


def test_mini_batches(expected):
    assert len(expected) == 2 * STOP
    assert [tuple(batch.images.shape) for batch in expected[:4]] == [(4, 3, 16, 32)] * 2 + [(4, 3, 32, 48)] * 2
    for batch in expected:
        assert batch.images.dtype == batch.truth.dtype == torch.float32
        assert len(batch.paths) == 4
        assert not batch.notes
        rows = (batch.truth[:, :, 0] > 0).sum(dim=1)  # reading stops at the first row with x = 0
        assert batch.truth.shape[1] == max(1, int(rows.max()))
        assert all(
            (truth[:count, 2:4] > 0).all() and (truth[count:] == 0).all()
            for truth, count in zip(batch.truth, rows, strict=True)
        )
    assert all((a.images[0] != b.images[0]).any() for a, b in pairwise(expected) if a.images.shape == b.images.shape)


@pytest.mark.parametrize("workers", [1, 3])
def test_processes_make_the_same(workers, samples, expected):
    check_equal(load(samples, workers=workers), expected)


def test_a_resumed_run_goes_on_with_the_same(samples, expected):
    check_equal(load(samples, start=2, workers=1), expected[4:])


def test_another_seed_is_another_run(samples, expected):
    assert (load(samples, seed=1)[0].images != expected[0].images).any()


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_each_mini_batch(world, samples, expected):
    """Image i of a mini-batch goes to i % world."""
    shares = [load(samples, rank=rank, world=world) for rank in range(world)]
    for whole, *parts in zip(expected, *shares, strict=True):
        for rank, part in enumerate(parts):
            assert part.paths == whole.paths[rank::world]
            assert torch.equal(part.images, whole.images[rank::world])
            rows = part.truth.shape[1]
            assert torch.equal(part.truth, whole.truth[rank::world, :rows])
            assert not whole.truth[rank::world, rows:].any()


def test_too_many_ranks(samples):
    message = "batch=8 subdivisions=4 make mini-batches of 2; expected at least an image for each of 3 processes"
    with pytest.raises(DarkparseError, match=message):
        Loader(samples, batch=8, subdivisions=4, size=size, stop=1, world=3)


def test_nothing_left_to_do(samples):
    assert load(samples, start=STOP, workers=2) == []


def test_an_image_that_is_gone_is_noted(tmp_path):
    images = write_set(tmp_path)
    some = BoxSamples(index_boxes(images, 3, 1), Augmentation())
    os.unlink(images[1])
    batches = load(some, workers=1)
    assert all(len(batch.images) == 4 and images[1] not in batch.paths for batch in batches)
    assert {note for batch in batches for note in batch.notes} == {f"{images[1]}: no such file"}


@pytest.mark.parametrize("workers", [0, 1])
def test_no_image_is_left(workers, tmp_path):
    images = write_set(tmp_path)
    some = BoxSamples(index_boxes(images, 3, 1), Augmentation())
    for image in images:
        os.unlink(image)
    with pytest.raises(DarkparseError, match=r"^100 images in a row cannot be read any more; .*\.png: no such file$"):
        load(some, workers=workers)


@dataclass
class Deadly:
    """Samples that end their process."""

    index: Index

    def sample(self, _):
        os._exit(3)


@pytest.mark.slow
def test_a_process_that_dies_is_told_of(samples):
    with pytest.raises(DarkparseError, match=r"^a process that loads images has died"):
        load(Deadly(samples.index), workers=1)


def test_classes_are_stacked():
    image = np.zeros((3, 4, 4), np.float32)
    batch = gathered([Sample(image, np.eye(3, dtype=np.float32)[i], [f"{i}"], []) for i in range(2)])
    assert torch.equal(batch.truth, torch.eye(3)[:2])


ENDLESS = """
import sys
from darkparse.dataset.loader import Loader
from darkparse.dataset.augment import Augmentation
from darkparse.dataset.detection import BoxSamples
from darkparse.dataset.index import index_boxes
if __name__ == "__main__":
    samples = BoxSamples(index_boxes(sys.argv[1:], 3, 1), Augmentation())
    try:
        with Loader(samples, batch=2, subdivisions=1, size=lambda _: (32, 32), stop=10**9, workers=2) as loader:
            for number, _ in enumerate(loader):
                if number == 9:
                    print("running", flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_no_process_is_left(how, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(ENDLESS)
    command = [sys.executable, str(script), *write_set(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert run.stdout.readline() == "running\n"
        assert len(session(run.pid)) >= 3  # it, and two that load
        os.killpg(run.pid, signal.SIGINT) if how == "SIGINT" else run.kill()
        until = time.monotonic() + 20
        while session(run.pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert session(run.pid) == []
        out, err = run.communicate(timeout=5)
        assert (out, err) == ("interrupted\n", "") if how == "SIGINT" else "Traceback" not in err
    finally:
        if session(run.pid):
            os.killpg(run.pid, signal.SIGKILL)


def session(leader):
    """Processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, _, of = (
                (entry / "stat").read_text().rpartition(")")[2].split()[:4] if entry.name.isdigit() else "    "
            )
        except (OSError, ValueError):
            continue
        if of == str(leader) and state != "Z":
            found.append(int(entry.name))
    return found
