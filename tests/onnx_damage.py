"""Damages an .onnx file in many ways and loads each; run as a process of its own, as ONNX Runtime might crash.

Usage: python onnx_damage.py MODEL FIRST LAST.  Writes a line of JSON for each number from FIRST to LAST.
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from darkparse.errors import DarkparseError
from darkparse.onnx import metadata
from darkparse.onnx.session import Session

Bytes = bytearray
SEAL = 48  # bytes of the last two entries of the metadata
HUGE = (2**40, 2**62, -1, -(2**40), 0)


def truncated(data: Bytes, rng: random.Random) -> Bytes:
    return data[: rng.randrange(len(data))]


def flipped(data: Bytes, rng: random.Random) -> Bytes:
    for _ in range(rng.choice((1, 1, 1, 8, 64))):
        data[rng.randrange(len(data) - SEAL)] ^= 1 << rng.randrange(8)
    return data


def flipped_at_the_ends(data: Bytes, rng: random.Random) -> Bytes:
    """Where structure is, and not weights."""
    for _ in range(rng.choice((1, 2, 4))):
        data[rng.choice((rng.randrange(1500), -1 - SEAL - rng.randrange(1500)))] ^= 1 << rng.randrange(8)
    return data


def swapped(data: Bytes, rng: random.Random) -> Bytes:
    size = rng.randrange(1, 200)
    a, b = (rng.randrange(len(data) - size - SEAL) for _ in range(2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return data


def cut_out(data: Bytes, rng: random.Random) -> Bytes:
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 300)]
    return data


def inserted(data: Bytes, rng: random.Random) -> Bytes:
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.randrange(1, 300))
    return data


def text_inside(data: Bytes, rng: random.Random) -> Bytes:
    start = rng.randrange(len(data) - 100 - SEAL)
    data[start : start + 100] = b"<html>404 not found</html>"[:100].ljust(100)
    return data


def seal_flipped(data: Bytes, rng: random.Random) -> Bytes:
    """One bit of the length and the checksum."""
    data[-1 - rng.randrange(SEAL)] ^= 1 << rng.randrange(8)
    return data


def noise(data: Bytes, rng: random.Random) -> Bytes:
    return bytearray(rng.randbytes(rng.randrange(1, 5000)))


def huge(data: Bytes, rng: random.Random) -> Bytes:
    """Sizes that no file can have."""
    model = onnx.ModelProto.FromString(bytes(data))
    if rng.random() < 0.5:
        one = rng.choice(model.graph.initializer)
        one.dims[:] = [rng.choice(HUGE) for _ in one.dims] or [rng.choice(HUGE)]
    else:
        value = rng.choice([*model.graph.input, *model.graph.output])
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_value = rng.choice(HUGE)
    return bytearray(model.SerializeToString())


def rewired(data: Bytes, rng: random.Random) -> Bytes:
    """A node that reads itself, nothing, or something else."""
    model = onnx.ModelProto.FromString(bytes(data))
    node = rng.choice(model.graph.node)
    node.input[0] = rng.choice((node.output[0], "", "nowhere", rng.choice(model.graph.node).output[0]))
    return bytearray(model.SerializeToString())


WAYS: list[Callable[[Bytes, random.Random], Bytes]] = [
    *(truncated, flipped, flipped_at_the_ends, swapped, cut_out, inserted),
    *(text_inside, seal_flipped, noise, huge, rewired),
]


def outcome(path: Path, inner: bool, images: np.ndarray) -> dict[str, object]:
    """What became of a file: the error, or how many outputs, and their sum."""
    try:
        session = Session(path, inner=inner)
        metadata.read(session.metadata, path)
        found = session.run(images)
    except DarkparseError as why:
        return {"error": str(why)}
    return {"sum": float(sum(np.abs(array).sum(dtype=np.float64) for array in found.values())), "of": sorted(found)}


def main(model: str, first: str, last: str) -> None:
    data, path = Path(model).read_bytes(), Path(f"{model}.damaged.onnx")
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    for number in range(int(first), int(last) + 1):
        way = WAYS[number % len(WAYS)]
        path.write_bytes(way(bytearray(data), random.Random(number)))
        sys.stdout.write(json.dumps({"way": way.__name__, **outcome(path, number % 4 == 0, images)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
