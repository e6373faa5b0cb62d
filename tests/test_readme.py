"""The README says of sections what the registry says, and its tutorial works as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, SHARED
from darkparse.zoo import support_table

BCCD = SHARED / "datasets" / "bccd"
TUTORIAL = "\n## From a folder of pictures to a measured model\n"

BEGIN, END = "<!-- sections -->\n", "<!-- /sections -->\n"


def test_the_table_of_sections_is_up_to_date() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    before, _, rest = text.partition(BEGIN)
    table, _, _ = rest.partition(END)
    assert before.rpartition("\n## ")[2].startswith("What runs\n")
    wanted = "\n".join(support_table())
    assert table.strip() == wanted, (
        "README.md, 'What runs': the table is not that of the registry; put what `darkparse zoo --sections` prints "
        f"between {BEGIN.strip()} and {END.strip()}"
    )


def commands() -> list[str]:
    """Those of the tutorial."""
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition(TUTORIAL)
    return re.findall(r"^\$ (darkparse .*)$", rest.partition("\n## ")[0], re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(not BCCD.is_dir(), reason=f"no {BCCD}; set DARKPARSE_SHARED")
def test_the_tutorial_works(tmp_path: Path) -> None:
    """Its commands as they stand, but that they train for three iterations."""
    (tmp_path / "BCCD").symlink_to(BCCD)
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    said = []
    for command in commands():
        arguments = shlex.split(command.replace("--max-batches 1500", "--max-batches 3"))[1:]
        done = subprocess.run(
            [sys.executable, "-m", "darkparse", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        said.append(done.stdout + done.stderr)
    assert len(said) <= 6
    assert "292 images for train, 72 images for valid, 4886 objects, 3 classes" in said[0]
    assert "these 6 anchors        85.83 %    99.62 %" in said[1]
    assert "max_batches: 3: few iterations for classes=3 and 292 images" in said[2]
    assert "mean average precision (mAP@0.50) = " in said[4]
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert (tmp_path / "predictions.jpg").exists()
