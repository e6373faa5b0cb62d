"""`darkparse train`: files, evaluation, trouble on the way, several processes."""

import csv
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import runs
from darkparse.errors import DarkparseError
from darkparse.training import step
from darkparse.training.records import TIMING, Row
from darkparse.training.team import Team
from darkparse.training.train import train


def rows(arguments, backup, **options):
    """The rows and the lines of a run in this process."""
    options = {"seed": 3, "device": "cpu", "workers": 0, **options}
    events = list(train(*arguments, backup=backup, **options))
    return [event for event in events if isinstance(event, Row)], [event for event in events if isinstance(event, str)]


def test_files_appear_under_darknets_names(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=25, data="saveweights=10\nsavelast=5")
    done, _ = rows(arguments, tmp_path / "b", map=True)
    names = {path.name for path in (tmp_path / "b").iterdir()}
    weights = {f"tiny_{kind}.weights" for kind in ("10", "20", "last", "final", "best")}
    assert names == {*weights, "tiny_last.checkpoint", "tiny_last.previous.checkpoint", "results.csv", "chart.png"}
    assert [row.iteration for row in done] == list(range(1, 26))
    assert [row.mAP is not None for row in done] == [False] * 24 + [True]
    assert (tmp_path / "b" / "tiny_20.weights").read_bytes()[12:20] == (20 * 8).to_bytes(8, "little")  # images seen


def test_an_image_that_vanishes_on_the_way_is_listed_and_training_goes_on(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=8)
    events = train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=0)
    told = []
    for event in events:
        told.append(event)
        if isinstance(event, Row) and event.iteration == 2:
            (tmp_path / "set" / "4.png").unlink()
    assert told[-1].endswith("the weights after 8 iterations")
    listed = (tmp_path / "b" / "bad.list").read_text().splitlines()
    assert listed
    assert listed == [f"{tmp_path}/set/4.png: no such file"]
    assert told.count(listed[0]) == 1


def test_a_backup_folder_is_made_where_the_data_file_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = runs.write(tmp_path / "set", max_batches=1, data="backup = some/folder")
    rows(arguments, None)
    assert (tmp_path / "some" / "folder" / "tiny_final.weights").exists()


def test_it_learns(tmp_path):
    done, _ = rows(runs.write(tmp_path / "set", max_batches=300), tmp_path / "b", map=True)
    assert done[-1].avg_loss < done[0].loss / 10
    assert done[-1].mAP > 0.1  # that of random weights is 0


def test_a_loss_that_is_nan_changes_nothing(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=12)
    original = step.Stepper.accumulate

    def broken(self, part, turn, tally):
        cost = original(self, part, turn, tally)
        return cost * float("nan") if turn.iteration == 7 else cost

    monkeypatch.setattr(step.Stepper, "accumulate", broken)
    states = {}
    monkeypatch.setattr(step.Stepper, "iterate", watching(states, step.Stepper.iterate))
    done, told = rows(arguments, tmp_path / "b")
    assert [row.iteration for row in done if row.skipped] == [7]
    assert all(torch.equal(a, b) for a, b in zip(states[6], states[7], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[7], states[8], strict=True))
    (line,) = [line for line in told if "the loss is nan" in line]
    assert line.startswith("iteration 7: the loss is nan; nothing is updated; images: ")
    assert line.count(".png") == 8


def watching(states, original):
    """Stepper.iterate, which also puts by what the network holds after each iteration."""

    def iterate(self, batches, turn):
        outcome = original(self, batches, turn)
        states[turn.iteration] = [tensor.clone() for tensor in self.network.state_dict().values()]
        return outcome

    return iterate


def test_losses_that_stay_nan_lead_back_and_then_to_an_error(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=40, data="savelast=10")
    original = step.Stepper.accumulate

    def broken(self, part, turn, tally):
        cost = original(self, part, turn, tally)
        return cost * float("inf") if turn.iteration > 14 else cost

    monkeypatch.setattr(step.Stepper, "accumulate", broken)
    told = []
    with pytest.raises(DarkparseError, match="expected a lower learning_rate"):
        told.extend(train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=0))
    back = [line for line in told if isinstance(line, str) and "back to iteration 10" in line]
    assert len(back) == 3


def trouble_at(monkeypatch, batches):
    """Let batches give no finite loss, by their number in the order in which they are trained on, from 1."""
    original, count = step.Stepper.trouble, itertools.count(1)

    def trouble(self, loss, gradients):
        return "the loss is nan" if next(count) in batches else original(self, loss, gradients)

    monkeypatch.setattr(step.Stepper, "trouble", trouble)


def test_amid_trouble_no_checkpoint_is_written(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=40, data="savelast=4")
    trouble_at(monkeypatch, range(11, 1000))  # a checkpoint would be due after 12
    told = []
    with pytest.raises(DarkparseError, match="expected a lower learning_rate"):
        told.extend(train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=0))
    assert sum("back to iteration 8" in line for line in told if isinstance(line, str)) == 3


def test_the_best_weights_outlive_a_return(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=9, data="savelast=2")
    cfg = tmp_path / "set" / "tiny.cfg"
    cfg.write_text(cfg.read_text().replace("burn_in=5", "burn_in=0"))
    monkeypatch.setattr("darkparse.training.train.LEAST_BETWEEN", 3)
    monkeypatch.setattr("darkparse.training.train.EPOCHS", 0)
    values = iter([0.9, 0.5, 0.6, 0.7, 0.8])
    monkeypatch.setattr("darkparse.training.train.evaluate", lambda *_: SimpleNamespace(map=next(values)))
    trouble_at(monkeypatch, range(4, 9))
    best, best_bytes, told = tmp_path / "b" / "tiny_best.weights", b"", []
    for event in train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=0, map=True):
        told.append(str(event))
        if isinstance(event, Row) and event.mAP == 0.9:
            best_bytes = best.read_bytes()
    assert any("back to iteration 2" in line for line in told)
    assert best.read_bytes() == best_bytes


def test_weights_that_have_seen_images_are_not_evaluated_at_once(tmp_path, monkeypatch):
    """Darknet counts from where the weights are: src/detector.c train_detector, iter_map."""
    arguments = runs.write(tmp_path / "set", max_batches=10)
    rows(arguments, tmp_path / "b")
    cfg = tmp_path / "set" / "tiny.cfg"
    cfg.write_text(cfg.read_text().replace("max_batches=10", "max_batches=17"))
    monkeypatch.setattr("darkparse.training.train.LEAST_BETWEEN", 3)
    monkeypatch.setattr("darkparse.training.train.EPOCHS", 0)
    done, _ = rows([*arguments, tmp_path / "b" / "tiny_final.weights"], tmp_path / "c", map=True)
    assert [row.iteration for row in done if row.mAP is not None] == [13, 16, 17]


def test_going_on_from_last_weights_does_not_shut_out_the_first_command(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=4, data="savelast=2")
    for weights, most in (((), 6), ((tmp_path / "b" / "tiny_last.weights",), 8), ((), 10)):
        rows([*arguments, *weights], tmp_path / "b")
        cfg = tmp_path / "set" / "tiny.cfg"
        cfg.write_text(cfg.read_text().replace(f"max_batches={most - 2}", f"max_batches={most}"))
    assert (tmp_path / "b" / "tiny_final.weights").read_bytes()[12:20] == (8 * 8).to_bytes(8, "little")


def test_two_runs_do_not_share_a_folder(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=3)
    first = train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=0)
    assert any(isinstance(event, Row) for event in first)  # which reads it up to its first row
    with pytest.raises(DarkparseError, match="another run writes to it; expected another --backup"):
        rows(arguments, tmp_path / "b")
    first.close()
    assert len(rows(arguments, tmp_path / "b")[0]) == 3


def test_a_team_that_does_not_share_its_folder_is_refused(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=3)
    monkeypatch.setattr(Team, "agree", lambda _, number: 2 if number == 0 else number)  # rank 0 goes on after 2
    with pytest.raises(DarkparseError, match="expected one that all machines see"):
        rows(arguments, tmp_path / "b")


def test_closed_early_it_leaves_nothing_behind(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=400)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run = train(*arguments, backup=tmp_path / "b", seed=3, device="cpu", workers=1)
    assert any(isinstance(event, Row) for event in run)
    assert multiprocessing.active_children()
    run.close()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert not multiprocessing.active_children()
    assert (tmp_path / "b" / "results.csv").read_text().count("\n") >= 2


def test_a_mini_batch_that_does_not_fit_is_divided(tmp_path, monkeypatch):
    arguments = runs.write(tmp_path / "set", max_batches=3)
    original = step.Stepper.accumulate
    sizes = []

    def small(self, part, *rest):
        if len(part.images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(part.images))
        return original(self, part, *rest)

    monkeypatch.setattr(step.Stepper, "accumulate", small)
    done, told = rows(arguments, tmp_path / "b")
    assert sizes == [2] * 12
    assert "out of memory: subdivisions=4 from here on" in told
    assert not any(row.skipped for row in done)


def test_too_little_memory_for_one_image_is_an_error(tmp_path, monkeypatch):
    def never(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(step.Stepper, "accumulate", never)
    with pytest.raises(DarkparseError, match="out of memory with batch=8 subdivisions=2"):
        rows(runs.write(tmp_path / "set", max_batches=3), tmp_path / "b")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_train(tmp_path, precision):
    arguments = runs.write(tmp_path / "set", max_batches=30)
    done, _ = rows(arguments, tmp_path / "b", precision=precision)
    exact, _ = rows(arguments, tmp_path / "exact")
    assert [row.loss for row in done] == pytest.approx([row.loss for row in exact], rel=0.15)


def weights(path):
    """The numbers of a .weights file."""
    return np.fromfile(path, "<f4", offset=20)


def results(path):
    """What results.csv says of the last iteration, but for its time."""
    with open(path, encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return {name: float(value) for name, value in last.items() if value and name not in TIMING}


def test_two_processes_train_as_one(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=5, net="hue=.1")
    text = (tmp_path / "set" / "tiny.cfg").read_text().replace("probability=.1", "probability=0")
    (tmp_path / "set" / "tiny.cfg").write_text(text)  # what is dropped depends on the process
    assert runs.run(arguments, tmp_path / "one").returncode == 0
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    whole = runs.command(arguments, tmp_path / "two")
    team = subprocess.run(
        [sys.executable, *launcher, *whole[1:]], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert team.returncode == 0, team.stderr[-3000:]
    one, two = (weights(tmp_path / name / "tiny_final.weights") for name in ("one", "two"))
    np.testing.assert_allclose(two, one, atol=1e-5, rtol=0)
    one, two = (results(tmp_path / name / "results.csv") for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize(
    ("net", "data", "expected"),
    [
        ("max_batches=0", "", "max_batches=0; expected a number of iterations"),
        ("batch=1\nsubdivisions=2", "", "batch=1 is less than subdivisions=2"),
        ("", "saveweights=many", "saveweights: expected a number above 0, got 'many'"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path, net, data, expected):
    arguments = runs.write(tmp_path / "set", max_batches=5, data=data)
    cfg = tmp_path / "set" / "tiny.cfg"
    for line in filter(None, net.split("\n")):
        key = line.partition("=")[0]
        cfg.write_text("\n".join(line if old.startswith(f"{key}=") else old for old in cfg.read_text().split("\n")))
    with pytest.raises(DarkparseError, match=expected):
        rows(arguments, tmp_path / "b")


def test_names_are_counted_before_an_evaluation(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=1)
    (tmp_path / "set" / "tiny.names").write_text("a\nb\nc\n")
    with pytest.raises(DarkparseError, match=r"tiny.names: 3 names, but .*tiny.cfg has 2 classes"):
        rows(arguments, tmp_path / "b", map=True)
    assert len(rows(arguments, tmp_path / "b")[0]) == 1  # without, nothing reads them


def test_another_number_of_classes_in_the_data_file_is_told(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=1)
    assert not any("classes=" in line for line in rows(arguments, tmp_path / "b")[1])
    data = tmp_path / "set" / "tiny.data"
    data.write_text(data.read_text().replace("classes=2", "classes=7"))
    assert f"{data}: classes=7, but {arguments[1]} has 2 classes, which counts" in rows(arguments, tmp_path / "c")[1]


def test_a_run_goes_on_with_another_batch_at_the_same_iteration(tmp_path):
    arguments = runs.write(tmp_path / "set", max_batches=4)
    rows(arguments, tmp_path / "b")
    cfg = tmp_path / "set" / "tiny.cfg"
    cfg.write_text(cfg.read_text().replace("batch=8", "batch=4").replace("max_batches=4", "max_batches=6"))
    done, _ = rows(arguments, tmp_path / "b")
    assert [(row.iteration, row.seen) for row in done] == [(5, 20), (6, 24)]
    assert [row.rate for row in done] == pytest.approx([0.002, 0.002])  # burn_in=5 is over, the step at 20 is to come


def test_a_layer_whose_weights_have_an_axis_for_places(tmp_path):
    """[local] of YOLOv1, and its dense layers."""
    arguments = runs.write(tmp_path / "set", max_batches=2)
    cfg = tmp_path / "set" / "tiny.cfg"
    head = "[connected]\noutput=12\nactivation=linear\n\n[detection]\nclasses=2\ncoords=4\nside=1\nnum=2\n"
    local = "[local]\nsize=3\nstride=1\npad=1\nfilters=4\nactivation=leaky\n\n"
    cfg.write_text(cfg.read_text().partition("[convolutional]\nfilters=14")[0] + local + head)
    done, _ = rows(arguments, tmp_path / "b", map=True)
    assert all(np.isfinite(row.loss) and not row.skipped for row in done)
