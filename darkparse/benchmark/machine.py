"""What the machine is, and what it can do at most."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .clock import stopped

SIDE, LARGE_SIDE = 2048, 8192  # of the matrices, on a CPU and elsewhere
CALLS = 5  # the fastest counts
CHANNELS, CELLS, KERNEL = 256, 64, 3  # of the convolution
WIDE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # features that speed depends on


class Peak(NamedTuple):
    """GFLOP/s that were reached."""

    product: float  # of two large matrices
    convolution: float  # 3x3, of 256 channels

    @property
    def best(self) -> float:
        """The larger one."""
        return max(self)


@torch.inference_mode()
def measure_peak(device: torch.device, kind: torch.dtype) -> Peak:
    """What PyTorch reaches at work that suits the machine best."""
    side = SIDE if device.type == "cpu" else LARGE_SIDE
    a, b = (torch.rand(side, side, device=device).to(kind) for _ in range(2))
    images = 1 if device.type == "cpu" else 64
    x = torch.rand(images, CHANNELS, CELLS, CELLS, device=device).to(kind, memory_format=torch.channels_last)
    weight = torch.rand(CHANNELS, CHANNELS, KERNEL, KERNEL, device=device).to(kind, memory_format=torch.channels_last)
    product = min(stopped(lambda: a @ b, device) for _ in range(CALLS))
    convolution = min(stopped(lambda: F.conv2d(x, weight, padding=1), device) for _ in range(CALLS))
    work = 2 * KERNEL**2 * CHANNELS**2 * CELLS**2 * images
    return Peak(2 * side**3 / product / 1e6, work / convolution / 1e6)


def higher(one: Peak, other: Peak) -> Peak:
    """The best of two measurements."""
    return Peak(max(one.product, other.product), max(one.convolution, other.convolution))


def describe(device: torch.device) -> str:
    """The processor, or the card."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{processor()}, {threads} thread{'s' if threads > 1 else ''}"


def processor() -> str:
    """Its name, as far as the system tells, and which wide instructions it has."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        text = ""
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    features = (facts.get("flags") or facts.get("Features") or "").split()
    number = f"family {facts['cpu family']} model {facts['model']}" if "cpu family" in facts else ""
    inside = ", ".join(filter(None, [number, *(one for one in WIDE if one in features)]))
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name} ({inside})" if inside else name
