"""What several test modules need."""

import os
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("DARKPARSE_SHARED", ROOT.parent / "shared"))

sys.path.insert(0, str(ROOT / "benchmarks"))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background; what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need the shared data are skipped, and say so, where it is not; CUDA tests where there is none."""
    for item in items:
        for mark, folder in (("kit", "conformance"), ("real", "real")):
            if item.get_closest_marker(mark) and not (SHARED / folder).is_dir():
                item.add_marker(pytest.mark.skip(reason=f"no {SHARED / folder}; set DARKPARSE_SHARED"), append=False)
        if item.get_closest_marker("cuda"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the conformance kit and the real models."""
    return SHARED


@pytest.fixture(scope="session")
def opencv4() -> Path:
    """A folder with OpenCV 4 alone; see benchmarks/opencv4.py."""
    from opencv4 import VERSION, CannotInstall, opencv4

    try:
        return opencv4()
    except (CannotInstall, OSError) as reason:
        pytest.skip(f"opencv-python {VERSION} cannot be installed: {reason}")


@pytest.fixture
def cfg(tmp_path: Path):
    """Writes a cfg file and gives its path."""

    def write(text: str, name: str = "net.cfg") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
