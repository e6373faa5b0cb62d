"""The table of a folder's cfgs, and that of the sections."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import SHARED
from darkparse.cfg import parse
from darkparse.cli import main
from darkparse.data import shipped
from darkparse.errors import DarkparseError
from darkparse.graph import resolve
from darkparse.options import option, unsupported
from darkparse.registry import LayerDef, registered
from darkparse.zoo import Entry, answers, as_json, examine, options, support_table, survey, table, whose

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
HEADS = "[convolutional]\nfilters={}\n[yolo]\nclasses={}\nmask=0\nnum=1\nanchors=1,2\n"
KIT = SHARED / "conformance"


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["zoo", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def folder(cfg) -> Path:
    cfg(NET + HEADS.format(7, 2) + "[route]\nlayers=-2\n" + HEADS.format(8, 3), "two.cfg")
    cfg("[net]\ninputs=256\n[gru]\noutput=4\n[softmax]\n[cost]\n", "memory.cfg")
    cfg(NET + "[maxpol]\n", "broken name.cfg")
    cfg(NET + "[maxpool]\nsize=2\nstride=2\n", "features.cfg")
    return cfg(NET, "x.txt").parent


def test_rows_by_name(folder: Path) -> None:
    broken, features, memory, two = survey(folder)
    assert broken == Entry(
        "broken name", f"{folder}/broken name.cfg:5: [maxpol]: no such section; did you mean [maxpool]?"
    )
    assert features == Entry("features", "", (), (), 1, 3072 / 1e9, 0, 20)
    assert (memory.heads, memory.classes) == ((("softmax", 1),), (4,))
    assert (two.heads, two.classes, two.layers) == ((("yolo", 2),), (2, 3), 5)
    assert (two.parameters, two.bytes) == (4 * 7 + 8 * 8, 20 + 4 * (4 * 7 + 8 * 8))


def test_columns_are_aligned(folder: Path) -> None:
    lines = run(str(folder)).stdout.splitlines()
    assert lines[0] == "name         runs  heads    classes  layers  BFLOPs  parameters   bytes"
    assert lines[1].startswith("broken name  no    ")
    assert lines[2] == "features     yes   -              -       1   0.000           0      20"
    assert lines[4] == "two          yes   yolo x2      2/3       5   0.000          92     388"
    assert lines[-1] == "3 of 4 run"
    assert len({len(line) for line in lines if "broken" not in line} - {len(lines[-1])}) == 1


def test_what_does_not_run_is_no_failure(folder: Path) -> None:
    assert run(str(folder)).exit_code == 0
    assert list(table([Entry("a" * 50, "why")]))[1:] == [f"{'a' * 50}  no    why", "0 of 1 run"]


def test_json(folder: Path) -> None:
    rows = json.loads(run(str(folder), "--json").stdout)
    assert rows[0]["runs"] is False
    assert "did you mean" in rows[0]["error"]
    assert rows[3] == {
        "name": "two", "runs": True, "heads": {"yolo": 2}, "classes": [2, 3], "layers": 5,
        "bflops": pytest.approx(2 * 32 * 32 * 3 * 7 / 1e9 + 2 * 32 * 32 * 7 * 8 / 1e9), "parameters": 92, "bytes": 388,
    }  # fmt: skip


def test_a_reason_is_one_line(cfg) -> None:
    assert "\n" not in examine(cfg("[net]\nwidth=8\nheight=8\nchannels=3\n")).error


def test_without_a_folder_those_that_come_with_darkparse() -> None:
    lines = run().stdout.splitlines()
    assert len(lines) == 2 + len(list(shipped().glob("*.cfg")))
    assert next(line for line in lines if line.startswith("yolov3 ")).split()[-1] == "248,007,048"


def test_no_cfg(tmp_path: Path) -> None:
    with pytest.raises(DarkparseError, match=r"no \.cfg in it"):
        survey(tmp_path)
    assert run(str(tmp_path / "missing")).exit_code == 1


@pytest.mark.parametrize("more", [[], ["--json"], ["--sections"]], ids=str)
def test_starts_without_torch_or_opencv(more: list[str]) -> None:
    code = f"""
import sys
from darkparse.cli import main
main(["zoo", *{more!r}], standalone_mode=False)
print(*sorted({{'torch', 'cv2'}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


@pytest.mark.kit
def test_every_cfg_of_both_darknets_runs_with_the_kits_numbers() -> None:
    """All that the kit holds; what its README says Darknet cannot run is there in the fork that can."""
    import numpy as np

    entries = survey(KIT / "cfg")
    assert [entry.name for entry in entries if entry.error] == []
    assert len(entries) == 126
    for entry in entries:
        meta = json.loads(str(np.load(KIT / "cases" / f"{entry.name}.npz")["meta"]))
        assert (entry.layers, entry.parameters) == (len(meta["layers"]), meta["parameters"])
        old = 4 * (meta["version"][0] * 10 + meta["version"][1] < 2)
        assert entry.bytes - old == meta["weights_bytes"]


def test_every_section_stands_in_the_table_once() -> None:
    rows = list(support_table())[2:]
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert {len(row) for row in cells} == {4}
    names = [name for row in cells[:-1] for name in row[0].split()]
    assert sorted(names) == sorted(f"`[{name}]`" for name in [*registered(), "net", "network"])
    assert all(row[1] and row[3] for row in cells)
    assert run("--sections").stdout.splitlines()[2:] == rows


def test_options_of_a_section() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Example(LayerDef):
        """Source: src/x.c (pjreddie f6afaab)."""

        size: int = 1
        from_: int = option(0, name="from")
        binary: bool = unsupported(False)

    assert options(Example, list(LayerDef.__dataclass_fields__)) == "`size` `from` `binary` (only 0)"
    assert whose(Example) == "pjreddie"


def test_heads_count_before_a_softmax() -> None:
    row = as_json(examine(shipped() / "darknet19.cfg"))
    assert (row["heads"], row["classes"]) == ({"softmax": 1}, (1000,))
    text = NET + HEADS.format(7, 2) + "[softmax]\n"
    assert answers(resolve(list(parse(text)))) == ((("yolo", 1),), (2,))
