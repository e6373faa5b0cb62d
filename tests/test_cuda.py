"""Networks on a GPU.  Without one: when they are recorded, and what buffers hold, on a GPU that is played."""

from contextlib import nullcontext
from threading import Thread
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

import darkparse
from conftest import ROOT
from darkparse.classify import crop
from darkparse.dataset.reader import Reader
from darkparse.deployment import cuda, deploy
from darkparse.deployment.cuda import MOST, Buffer, Recording, Replayed, Sender, cut, exact, places
from darkparse.detect import detect_files
from darkparse.errors import ImageError
from darkparse.feed import FEEDS, CudaFeed, Feed
from darkparse.graph import read_graph
from darkparse.images import letterbox, resize
from darkparse.loading import Result
from darkparse.network import Network
from darkparse.sources import open_files

CPU = torch.device("cpu")
SHAPES = ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights"
PICTURE = ROOT / "tests/data/shapes.png"
STATEFUL = "[net]\nwidth=1\nheight=1\nchannels=4\ninputs=4\n[gru]\noutput=3\n"
NEAR = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}


class Counted:
    """A recording that computes, and counts."""

    def __init__(self, forward, shape) -> None:
        self.forward, self.shape, self.replays = forward, shape, 0

    def replay(self, images: Tensor) -> list[Tensor]:
        assert images.shape == self.shape
        self.replays += 1
        return self.forward(images)


@pytest.fixture
def made(monkeypatch) -> list[Counted]:
    """A GPU is played; the recordings that are made."""
    made = []

    def record(forward, images, stream, pool):
        assert pool == 7
        made.append(Counted(forward, images.shape))
        return made[-1]

    event = {"record": lambda stream: None, "synchronize": lambda: None}
    stream = {"wait_event": lambda event: None, "record_event": lambda: SimpleNamespace(**event)}
    empty = torch.empty

    def unpinned(*size, pin_memory=False, **more):
        return empty(*size, **more)

    monkeypatch.setattr(torch.cuda, "Event", lambda: SimpleNamespace(**event))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace(**stream))
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(**stream))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: 7)
    monkeypatch.setattr(torch, "empty", unpinned)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    monkeypatch.setattr(cuda, "record", record)
    return made


def network(device: str = "cpu", precision: str = "fp32") -> Network:
    return deploy(open_files(*SHAPES).build().network, device, precision)


def plain() -> Network:
    return open_files(*SHAPES).build().network.eval().requires_grad_(False)


def batch(count: int, seed: int = 0) -> Tensor:
    shape = read_graph(SHAPES[0]).net.shape
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def replayed() -> Replayed:
    return Replayed(plain(), CPU, torch.float32)


def test_recorded_the_second_time_and_replayed_from_then_on(made) -> None:
    net, expected = replayed(), plain()
    for seed in range(4):
        for count in (1, 2):
            images = batch(count, seed)
            for a, b in zip(net(images), expected(images), strict=True):
                assert torch.equal(a, b)
    assert [(one.shape[0], one.replays) for one in made] == [(1, 3), (2, 3)]


def test_not_more_than_a_few_shapes_are_recorded(made) -> None:
    net = replayed()
    for _ in range(3):
        for number in range(1, MOST + 3):
            assert net(torch.zeros(1, 3, 32, 32 * number))[0].shape[3] == number
    assert len(made) == MOST


def test_with_hooks_it_runs_layer_by_layer(made) -> None:
    net, seen = replayed(), []
    for _ in range(2):
        net(batch(1))
    inner = next(module for module in net.layers[0].modules() if isinstance(module, torch.nn.Conv2d))
    for module in (net.layers[1], inner):
        hook = module.register_forward_hook(lambda module, given, result: seen.append(module))
        net(batch(1))
        hook.remove()
    assert seen == [net.layers[1], inner]
    net(batch(1))
    assert [one.replays for one in made] == [2]


def test_a_network_with_a_memory_runs_layer_by_layer(made, cfg) -> None:
    net = Replayed(Network(read_graph(cfg(STATEFUL))).eval(), CPU, torch.float32)
    results = [net(torch.ones(1, 4, 1, 1))[0] for _ in range(4)]
    assert not torch.equal(results[0], results[1])
    assert made == []


def test_what_cannot_be_recorded_is_tried_once(made, monkeypatch) -> None:
    tries = []
    monkeypatch.setattr(cuda, "record", lambda *given: tries.append(given))
    net, images = replayed(), batch(1)
    assert all(torch.equal(net(images)[0], plain()(images)[0]) for _ in range(4))
    assert len(tries) == 1


def test_float32_has_all_its_digits() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def pictures(seed: int) -> list[Tensor]:
    """Of every type and size, some of them views."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 60, (random.integers(1, 6), 2))
    of_bytes = [torch.from_numpy(random.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]
    return [*of_bytes, torch.rand(3, 5, 7).permute(1, 2, 0), torch.arange(6).to(torch.uint16)[None, ::2, None]]


def test_a_buffer_holds_images_of_any_type_and_size() -> None:
    images = pictures(0)
    memory = torch.empty(places(images)[-1], dtype=torch.uint8)
    for image, part in zip(images, cut(memory, images), strict=True):
        part.copy_(image)
    assert all(torch.equal(part, image) for image, part in zip(images, cut(memory, images), strict=True))


def test_buffers_grow_and_are_used_in_turns(made) -> None:
    sender = Sender(CPU, torch.float32)
    first, second = sender._buffers
    sizes = []
    for count in (1, 2, 3, 1):
        images = [torch.full((2, 2, 3), float(n)) for n in range(count)]
        assert torch.equal(sender.send(images, torch.stack).take(), torch.stack(images))
        sizes.append((len(first.memory), len(second.memory)))
    assert sizes == [(48, 0), (48, 96), (144, 96), (144, 96)]


@pytest.mark.parametrize("fitting", [resize, letterbox], ids=lambda fitting: fitting.__name__)
def test_images_are_fitted_where_the_network_is(made, fitting) -> None:
    reader = Reader((3, 40, 60), fitting)
    here, there = Feed(CPU, torch.float32, reader), CudaFeed(CPU, torch.float32, reader)
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, size, np.uint8) for size in ((9, 7, 3), (50, 90, 3), (300, 200, 3), (30, 20))]
    batches = []
    for feed in (here, there):
        ready = [feed.reader.ready(image[:, ::-1]) for image in images]
        batches.append(feed.batch([torch.from_numpy(one.pixels) for one in ready], feed.fit))
        assert [one.size for one in ready] == [(7, 9), (90, 50), (200, 300), (20, 30)]
    assert torch.equal(*batches)
    assert there.reader.ready(images[1]).pixels.shape == (50, 90, 3)


def test_what_is_sent_is_never_more_than_the_networks_input(made) -> None:
    reader = CudaFeed(CPU, torch.float32, Reader((3, 40, 60), resize)).reader
    sizes = [reader.ready(np.zeros((rows, 120, 3), np.uint8)).pixels.nbytes for rows in (79, 80, 81, 8000)]
    assert sizes == [79 * 120 * 3, 4 * 40 * 60 * 3, 4 * 40 * 60 * 3, 4 * 40 * 60 * 3]


def test_an_image_too_thin_is_told_of_when_it_is_read(made) -> None:
    reader = CudaFeed(CPU, torch.float32, Reader((3, 40, 60), letterbox)).reader
    with pytest.raises(ImageError, match="100 x 1 px is too thin to letterbox to 60 x 40 px"):
        reader.ready(np.zeros((1, 100, 3), np.uint8))


def test_a_fitting_that_it_does_not_know_stays_where_images_are_read(made) -> None:
    reader = Reader((3, 40, 60), crop)
    feed = CudaFeed(CPU, torch.float32, reader)
    assert feed.reader == reader
    pixels = torch.from_numpy(feed.reader.ready(np.zeros((50, 90, 3), np.uint8)).pixels)
    assert feed.batch([pixels], feed.fit).shape == (1, 3, 40, 60)


def test_a_gpu_gets_such_a_network(made, monkeypatch) -> None:
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *place, **more: module)
    assert isinstance(deploy(open_files(*SHAPES).build().network, "cuda"), Replayed)
    assert not isinstance(network(), Replayed)


def gpu(precision: str = "fp32") -> Replayed:
    net = network("cuda", precision)
    assert isinstance(net, Replayed)
    return net


@pytest.mark.cuda
@pytest.mark.parametrize("precision", NEAR)
def test_the_same_as_on_the_processor(precision: str) -> None:
    net, expected = gpu(precision), plain()
    for seed in range(4):
        for count in (1, 3):
            images = batch(count, seed)
            there = images.to("cuda", net.dtype).contiguous(memory_format=torch.channels_last)
            for a, b in zip(net(there), expected(images), strict=True):
                assert (a.float().cpu() - b).abs().max() <= NEAR[precision] * b.abs().max()
    assert sorted(key[0][0] for key, one in net._recordings.items() if isinstance(one, Recording)) == [1, 3]


@pytest.mark.cuda
def test_results_stay_when_the_next_ones_come() -> None:
    net, images = gpu(), [batch(1, seed).cuda() for seed in range(4)]
    first = [net(one)[0] for one in images]
    assert all(torch.equal(a, net(one)[0]) for a, one in zip(first[2:], images[2:], strict=True))
    assert not torch.equal(first[2], first[3])


@pytest.mark.cuda
def test_recordings_of_two_shapes_do_not_disturb_each_other() -> None:
    net, one, two = gpu(), batch(1, 1).cuda(), batch(2, 2).cuda()
    expected = [[net(images)[0] for images in (one, two)] for _ in range(3)][-1]
    for _ in range(5):
        for images, before in zip((two, one), expected[::-1], strict=True):
            assert torch.equal(net(images)[0], before)


@pytest.mark.cuda
def test_outside_of_inference_mode_and_in_it() -> None:
    net, images = gpu(), batch(1).cuda()
    with torch.inference_mode():
        expected = [net(images)[0] for _ in range(3)][-1].cpu()
    assert torch.equal(net(images)[0].cpu(), expected)


@pytest.mark.cuda
def test_a_layer_that_waits_for_the_gpu_runs_all_the_same() -> None:
    net, images = gpu(), batch(1).cuda()
    expected = net(images)[0]
    forward = net.layers[0].forward

    def waiting(x: Tensor) -> Tensor:
        assert x.sum().item() > 0
        return forward(x)

    net.layers[0].forward = waiting
    for _ in range(3):
        assert (net(images)[0] - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert list(net._recordings.values()) == [None]
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


@pytest.mark.cuda
def test_threads_on_streams_of_their_own() -> None:
    net = gpu()
    images = [batch(1, seed).cuda() for seed in range(4)]
    expected = [[net(one)[0] for one in images] for _ in range(2)][-1]
    torch.cuda.synchronize()
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(50):
                if not torch.equal(net(images[number])[0], expected[number]):
                    wrong.append(number)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.cuda
def test_what_is_sent_arrives() -> None:
    sender = Sender(torch.device("cuda"), torch.float16)
    sent = []
    for seed in range(20):
        images = [torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(seed + n)) for n in range(seed % 4 + 1)]
        sent.append((images, sender.send(images, torch.stack)))
    for images, one in sent:
        batch = one.take()
        assert batch.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.cpu(), torch.stack(images).half())


@pytest.mark.cuda
def test_a_buffer_on_a_gpu_holds_images_of_any_type_and_size() -> None:
    buffer = Buffer()
    for seed in range(5):
        images = pictures(seed)
        there = buffer.send(images, torch.device("cuda"))
        assert all(torch.equal(a.cpu(), b) for a, b in zip(there, images, strict=True))
        assert buffer.memory.is_pinned()


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Images of many sizes; one is missing."""
    picture = cv2.imread(str(PICTURE))
    for number in range(40):
        part, scale = picture[number:, 2 * number :], 1 + number % 3
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), cv2.resize(part, None, fx=scale, fy=scale))
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    return [*paths[:7], str(tmp_path / "missing.png"), *paths[7:]]


def found(files: list[str], device: str, fit: str) -> list[Result]:
    return list(detect_files(darkparse.load(*SHAPES, device=device, resize=fit), files, batch=4))


def assert_agree(here: list[Result], there: list[Result], files: list[str]) -> None:
    assert [one.path for one in there] == files
    assert [one.error for one in there] == [one.error for one in here]
    assert there[7].error.endswith("no such file")
    for a, b in zip(here, there, strict=True):
        if a.found is not None:
            assert a.found.labels.tolist() == b.found.labels.tolist()
            assert np.abs(a.found.boxes - b.found.boxes).max(initial=0) < 0.05
            assert np.abs(a.found.scores - b.found.scores).max(initial=0) < 1e-3
    assert sum(len(one.found) for one in here if one.found is not None) > 40


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_files_give_the_same_boxes_however_they_are_fed(made, files, fit: str, monkeypatch) -> None:
    here = found(files, "cpu", fit)
    monkeypatch.setitem(FEEDS, "cpu", CudaFeed)
    assert_agree(here, found(files, "cpu", fit), files)


@pytest.mark.cuda
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_files_give_the_same_boxes_in_the_same_order(files, fit: str) -> None:
    assert_agree(found(files, "cpu", fit), found(files, "cuda", fit), files)
