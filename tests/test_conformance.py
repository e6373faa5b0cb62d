"""Every case of the conformance kit with a detection head: layer by layer and box for box, at the kit's tolerance."""

from pathlib import Path

import pytest

from conformance import HEADS, Comparison, Kit
from conftest import SHARED

FOLDER = SHARED / "conformance"
SMALL = 70_000_000  # bytes of weights up to which a case without a head runs here, too; the script runs all


def names() -> list[str]:
    if not FOLDER.is_dir():
        return ["absent"]
    cases = Kit(FOLDER).cases([])
    heads = set(HEADS.split(","))
    return [
        case.meta["name"]
        for case in cases
        if case.meta["weights_bytes"] < SMALL or heads & {layer["section"] for layer in case.meta["layers"]}
    ]


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit(FOLDER)


@pytest.mark.kit
@pytest.mark.parametrize("name", names())
def test_agrees_with_darknet(kit: Kit, name: str, tmp_path: Path) -> None:
    case = kit.check.Case.load(FOLDER / "cases" / f"{name}.npz")
    comparison = Comparison(kit, case, tmp_path)
    assert comparison.report.first is None, str(comparison.report)
    assert comparison.missing == 0


@pytest.mark.kit
def test_the_comparison_can_fail(kit: Kit, tmp_path: Path) -> None:
    """A bias that is off by a hundredth is found, at the layer it is in."""
    case = kit.check.Case.load(FOLDER / "cases" / "yolov3-tiny.npz")

    class Off(Comparison):
        def load(self, path: Path):
            network = super().load(path)
            network.layers[4].norm.bias.data += 0.01
            return network

    assert Off(kit, case, tmp_path).report.first.index == 4
