"""A run survives what can happen to it: kills, a full disk, damaged checkpoints, NaN, too little memory."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import runs
from darkparse.errors import CheckpointError
from darkparse.training import checkpoint
from darkparse.training.records import TIMING

KILLS = 30
KILLER = """
import os, random, signal, sys, time
import torch
torch.set_num_threads(1)
from darkparse.training.train import train
data, cfg, backup, kills = *sys.argv[1:4], int(sys.argv[4])
random.seed(5)
for kill in range(kills):
    told, tells = os.pipe()
    if not (child := os.fork()):
        os.close(told)
        for event in train(data, cfg, backup=backup, seed=3, device="cpu", workers=0):
            os.write(tells, b"." if not isinstance(event, str) else b"")
        os._exit(0)
    os.close(tells)
    for _ in range(random.randint(0, 15)):
        assert os.read(told, 1), "ended by itself"
    time.sleep(random.uniform(0, .03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(told)
print("killed", kills, "times")
"""

FILES = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from darkparse.training.train import train
data, cfg, backup = sys.argv[1:]
kill = 0
while True:
    if child := os.fork():
        if (status := os.waitpid(child, 0)[1]) != signal.SIGKILL:
            break
        kill += 1
        continue
    done = 0
    def watch(event, arguments):
        global done
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in ("os.rename", "os.remove", "os.chmod")) and str(arguments[0]).startswith(backup):
            done += 1
            if done > kill:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    for event in train(data, cfg, backup=backup, seed=3, device="cpu", workers=0):
        pass
    os._exit(0)
print("killed", kill, "times, then", status)
"""


def rows(backup: Path) -> list[dict[str, str]]:
    """results.csv without what a clock has measured."""
    with open(backup / "results.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name not in TIMING} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of 400 iterations: its arguments and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = runs.write(folder / "set", max_batches=400, data="savelast=10\nsaveweights=50")
    done = runs.run(arguments, folder / "backup")
    assert done.returncode == 0, done.stderr
    return arguments, folder / "backup"


@pytest.mark.slow
def test_thirty_kills_change_nothing(whole, tmp_path):
    arguments, expected = whole
    killer = subprocess.run(
        [sys.executable, "-c", KILLER, *arguments, str(tmp_path), str(KILLS)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert killer.stdout.strip() == f"killed {KILLS} times", killer.stdout + killer.stderr
    killed_at = checkpoint.read(tmp_path / "tiny_last.checkpoint")[0]
    assert killed_at is not None
    assert 0 < killed_at["state"]["iteration"] < 400  # the kills fell into the run
    last = runs.run(arguments, tmp_path)
    assert last.returncode == 0, last.stderr
    for name in ("tiny_final.weights", "tiny_last.weights", "tiny_50.weights", "tiny_400.weights"):
        assert (tmp_path / name).read_bytes() == (expected / name).read_bytes(), name
    assert rows(tmp_path) == rows(expected)
    assert not list(tmp_path.glob("*.new*"))


@pytest.mark.slow
def test_a_kill_before_any_file_operation_changes_nothing(tmp_path):
    """The first run is killed before the first one, the next, which goes on, before the second, and so on."""
    arguments = runs.write(tmp_path / "set", max_batches=6, data="savelast=2\nsaveweights=3", net="ema_alpha=.5")
    assert runs.run(arguments, tmp_path / "whole").returncode == 0
    killer = subprocess.run(
        [sys.executable, "-c", FILES, *arguments, str(tmp_path / "killed")],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    killed = re.fullmatch(r"killed (\d+) times, then 0\n", killer.stdout)
    assert killed, killer.stdout + killer.stderr
    assert int(killed[1]) > 20  # a file of weights takes three operations, a checkpoint five
    for path in (tmp_path / "whole").glob("*.weights"):
        assert (tmp_path / "killed" / path.name).read_bytes() == path.read_bytes(), path.name
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}


def test_a_truncated_checkpoint_falls_back_to_the_one_before_it(whole, tmp_path):
    arguments, expected = whole
    shutil.copytree(expected, tmp_path / "b")
    newest = tmp_path / "b" / "tiny_last.checkpoint"
    before = checkpoint.load(checkpoint.previous(newest))["state"]["iteration"]
    newest.write_bytes(newest.read_bytes()[:-1000])
    for name in ("tiny_final.weights", "tiny_last.weights"):
        (tmp_path / "b" / name).unlink()
    again = runs.run(arguments, tmp_path / "b")
    assert again.returncode == 0, again.stderr
    assert "tiny_last.checkpoint: no whole checkpoint" in again.stderr
    assert f"goes on after iteration {before}" in again.stderr
    assert (tmp_path / "b" / "tiny_final.weights").read_bytes() == (expected / "tiny_final.weights").read_bytes()


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_checkpoint_is_refused(whole, tmp_path, place):
    data = bytearray((whole[1] / "tiny_last.checkpoint").read_bytes())
    at = int(len(data) * place)
    data[at : at + 64] = bytes(64 - n for n in range(64))
    path = tmp_path / "x.checkpoint"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"x\.checkpoint"):
        checkpoint.read(path)


def test_no_pickle_is_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/executed",)

    torch.save({"format": 1, "state": Evil()}, tmp_path / "x.checkpoint")
    with pytest.raises(CheckpointError):
        checkpoint.read(tmp_path / "x.checkpoint")
    assert not (tmp_path / "executed").exists()


def test_a_finished_run_says_how_to_begin_anew(whole):
    arguments, backup = whole
    before = (backup / "tiny_final.weights").read_bytes()
    again = runs.run(arguments, backup)
    assert again.returncode == 1
    assert again.stderr.strip().splitlines()[-1].startswith("Error: ")
    assert "400 of max_batches=400 iterations are done" in again.stderr
    assert "--clear" in again.stderr
    assert (backup / "tiny_final.weights").read_bytes() == before


def test_weights_that_have_seen_all_say_how_to_begin_anew(whole, tmp_path):
    arguments, backup = whole
    final = shutil.copy(backup / "tiny_final.weights", tmp_path / "w.weights")
    told = runs.run([*arguments, final], tmp_path / "b")
    assert told.returncode == 1
    assert "--clear" in told.stderr
    assert "3,200 images" in told.stderr  # 400 iterations of 8


def test_another_start_is_not_mixed_into_a_run(whole, tmp_path):
    arguments, backup = whole
    other = shutil.copy(backup / "tiny_50.weights", tmp_path / "other.weights")
    refused = runs.run([*arguments, other], backup)
    assert refused.returncode == 1
    assert "--clear" in refused.stderr


def test_another_network_is_not_mixed_into_a_run(whole, tmp_path):
    arguments, backup = whole
    cfg = tmp_path / "tiny.cfg"
    cfg.write_text(Path(arguments[1]).read_text().replace("filters=8", "filters=9"))
    refused = runs.run([arguments[0], str(cfg)], backup)
    assert refused.returncode == 1
    assert "another network" in refused.stderr


def test_ctrl_c_saves_and_the_same_command_goes_on(whole, tmp_path):
    arguments, expected = whole
    process = subprocess.Popen(
        runs.command(arguments, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    results = tmp_path / "results.csv"
    while not (results.exists() and results.read_text().count("\n") > 5):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "stopped after iteration" in told
    assert "Traceback" not in told
    assert (tmp_path / "tiny_last.weights").exists()
    assert runs.run(arguments, tmp_path).returncode == 0
    assert (tmp_path / "tiny_final.weights").read_bytes() == (expected / "tiny_final.weights").read_bytes()


def in_small_space(size: str, folder: Path, command: list[str]) -> subprocess.CompletedProcess:
    """Run a command with `folder` on a file system of its own of that size; what is there afterwards is in `kept`."""
    script = f"""
    mount -t tmpfs -o size={size} none {folder} || exit
    "$@"; status=$?
    cp -a {folder} {folder.parent}/kept
    exit $status
    """
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *command], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def has_tmpfs(folder: Path) -> bool:
    """Whether this machine lets us have a small file system."""
    return bool(shutil.which("unshare")) and in_small_space("100k", folder, ["true"]).returncode == 0


def test_a_full_disk_is_told_and_harms_no_file(whole, tmp_path):
    arguments, expected = whole
    (backup := tmp_path / "backup").mkdir()
    if not has_tmpfs(backup):
        pytest.skip("no right to mount a tmpfs")
    shutil.rmtree(tmp_path / "kept")
    full = in_small_space("100k", backup, runs.command(arguments, backup))
    assert full.returncode == 1, full.stderr
    assert "No space left on device" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    kept = tmp_path / "kept"
    written = [name for name in kept.glob("*.weights") if "last" not in name.name]
    assert written
    for path in written:
        assert path.read_bytes() == (expected / path.name).read_bytes(), path
    assert checkpoint.read(kept / "tiny_last.checkpoint")[0] is not None
    again = runs.run(arguments, kept)
    assert again.returncode == 0, again.stderr
    assert (kept / "tiny_final.weights").read_bytes() == (expected / "tiny_final.weights").read_bytes()


def test_a_limit_on_file_sizes_is_told_and_harms_no_file(whole, tmp_path):
    arguments, _ = whole
    limited = ["sh", "-c", 'ulimit -f 4; trap "" XFSZ; exec "$@"', "sh", *runs.command(arguments, tmp_path)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "File too large" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.part"))
