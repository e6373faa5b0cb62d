"""What a run leaves to read: results.csv and what crashes do to it, the progress line, TensorBoard."""

import csv
import errno
import math
import sys

import pytest

from darkparse.errors import DarkparseError, DataError
from darkparse.training.records import TIMING, Progress, Records, Row, TensorBoard, describe, duration


def row(iteration, **other):
    terms = {"box": 1.0 / iteration, "objectness": 2.5}
    values = {
        "seen": 16 * iteration,
        "loss": 3.1 / iteration,
        "avg_loss": 3.3 / iteration,
        "rate": 1e-12,
        "terms": terms,
    }
    return Row(iteration, **{**values, "width": 64, "height": 32, **other})


def run(path, rows, iteration=0):
    records = Records(path, iteration)
    for each in rows:
        records.add(each)
    records.close()
    return records


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_an_iteration_that_reads_back_exactly(tmp_path):
    run(tmp_path / "results.csv", [row(1), row(2, loss=math.nan, skipped=True), row(3, mAP=0.75)])
    first, second, third = table(tmp_path / "results.csv")
    assert float(first["loss"]) == 3.1
    assert float(third["loss"]) == 3.1 / 3
    assert (first["seen"], first["width"], first["height"]) == ("16", "64", "32")
    assert float(third["box"]) == 1 / 3
    assert float(first["rate"]) == 1e-12
    assert [each["skipped"] for each in (first, second, third)] == ["0", "1", "0"]
    assert [each["mAP"] for each in (first, second, third)] == ["", "", "0.75"]
    assert math.isnan(float(second["loss"]))


def test_each_line_is_in_the_file_before_the_next_iteration(tmp_path):
    records = Records(tmp_path / "results.csv")
    for iteration in (1, 2, 3):
        records.add(row(iteration))
        assert len(table(tmp_path / "results.csv")) == iteration
    records.close()


@pytest.mark.parametrize("torn", ["", "9", "9,144,0.3", "9,144,0.3444,0.36,1e-12,64,32,0,,0.0,0.0,0.1,2."])
@pytest.mark.parametrize("checkpoint", [1, 4, 8])
def test_after_a_crash_the_file_is_that_of_an_uninterrupted_run(tmp_path, torn, checkpoint):
    rows = [row(i, mAP=0.5 if i % 3 == 0 else None) for i in range(1, 13)]
    whole = run(tmp_path / "whole.csv", rows)
    run(tmp_path / "results.csv", rows[:8])
    with open(tmp_path / "results.csv", "a", encoding="utf-8") as file:
        file.write(torn)
    resumed = run(tmp_path / "results.csv", rows[checkpoint:], checkpoint)
    assert (tmp_path / "results.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert str(resumed.history.__dict__) == str(whole.history.__dict__)


def test_only_timing_may_differ_after_a_resume(tmp_path):
    run(tmp_path / "whole.csv", [row(i, seconds=0.1, images_per_second=160.0) for i in (1, 2, 3)])
    run(tmp_path / "results.csv", [row(1, seconds=0.3), row(2)])
    run(tmp_path / "results.csv", [row(2), row(3)], iteration=1)
    whole, resumed = (table(tmp_path / name) for name in ("whole.csv", "results.csv"))
    for ours, theirs in zip(whole, resumed, strict=True):
        assert ours != theirs
        assert {k: v for k, v in ours.items() if k not in TIMING} == {
            k: v for k, v in theirs.items() if k not in TIMING
        }


def test_garbage_in_the_middle_is_dropped(tmp_path):
    path = tmp_path / "results.csv"
    run(path, [row(1)])
    with open(path, "ab") as file:
        file.write(b"\0\0\0\xff\n")
    run(path, [row(3)], iteration=2)
    assert [each["iteration"] for each in table(path)] == ["1", "3"]


def test_new_terms_get_columns_of_their_own(tmp_path):
    path = tmp_path / "results.csv"
    run(path, [row(1), row(2)])
    run(path, [row(3, terms={"box": 0.5, "angle": 7.0})], iteration=2)
    first, _, third = table(path)
    assert (first["box"], first["objectness"], first["angle"]) == ("1.0", "2.5", "")
    assert (third["box"], third["objectness"], third["angle"]) == ("0.5", "", "7.0")


def test_a_run_that_begins_forgets_the_one_before(tmp_path):
    path = tmp_path / "results.csv"
    run(path, [row(i) for i in (1, 2, 3)])
    assert len(run(path, [row(1)]).history.loss) == 1
    assert len(table(path)) == 1


def test_going_back_in_the_midst_of_a_run(tmp_path):
    records = run(tmp_path / "results.csv", [row(1), row(2), row(3)])
    records.rewind(1)
    assert list(records.history.iteration) == [1]
    records.add(row(2))
    records.close()
    assert [each["iteration"] for each in table(tmp_path / "results.csv")] == ["1", "2"]


@pytest.mark.parametrize("iteration", [0, 1])
def test_a_file_of_something_else_is_not_touched(tmp_path, iteration):
    path = tmp_path / "results.csv"
    path.write_text("epoch,loss\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"results.csv:1: expected the columns iteration,seen,loss"):
        Records(path, iteration)
    assert path.read_text(encoding="utf-8") == "epoch,loss\n1,2\n"


def test_a_full_disk_is_one_error_and_the_line_is_mended(tmp_path):
    class Full:
        def __init__(self, file):
            self.file, self.room = file, 20

        def write(self, data):
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            n, self.room = self.file.write(data[: self.room]), 0
            return n

        def close(self):
            self.file.close()

    path = tmp_path / "results.csv"
    records = run(path, [row(1)])
    records.rewind(1)
    records.file = Full(records.file)
    with pytest.raises(DarkparseError, match=r"results.csv: No space left on device"):
        records.add(row(2))
    records.close()
    run(path, [row(2), row(3)], iteration=1)
    assert [each["iteration"] for each in table(path)] == ["1", "2", "3"]


def test_duration():
    times = {0.4: "0 s", 59: "59 s", 100: "2 min", 3550: "59 min", 3600: "1 h 0 min", 12000: "3 h 20 min"}
    assert {seconds: duration(seconds) for seconds in times} == times
    assert duration(53 * 3600) == "2 d 5 h"


def test_the_line_says_it_all():
    shown = row(
        120, loss=12.34567, avg_loss=13.0, rate=0.000261, mAP=0.7543, images_per_second=34.51, terms={"box": 1.25}
    )
    assert describe(shown, 6000, 4980) == (
        "120/6000: loss 12.35, average 13, mAP 75.4%, 1 h 23 min left, 34.5 images/s, rate 0.000261, 64x32, box 1.25"
    )
    assert describe(row(1, skipped=True, loss=math.nan), 6, 5).startswith(
        "1/6: skipped, loss nan, average 3.3, 5 s left"
    )


def test_a_terminal_has_one_line_but_for_what_should_stay():
    progress = Progress(5, columns=40)
    shown = [progress.add(row(i, mAP=0.5 if i == 2 else None, skipped=i == 3)) for i in range(1, 6)]
    assert [text.endswith("\n") for text in shown] == [False, True, True, False, True]
    for text in shown:
        assert text.startswith("\r")
        assert len(text.strip().removesuffix("\x1b[K")) <= 39


def test_a_file_has_a_line_now_and_then():
    progress = Progress(100, columns=None)
    shown = [progress.add(row(i, seconds=4.0, mAP=0.5 if i == 8 else None)) for i in range(1, 101)]
    assert [i for i, text in enumerate(shown[:14], 1) if text] == [1, 4, 7, 8, 11, 14]
    assert shown[99].startswith("100/100: ")
    assert all(text == "" or (text.endswith("\n") and "\r" not in text) for text in shown)


def test_time_left_follows_the_pace():
    progress = Progress(1000, columns=None)
    for i in range(1, 401):
        progress.add(row(i, seconds=2.0))
    assert progress.left == pytest.approx(1200)
    for i in range(401, 901):
        progress.add(row(i, seconds=1.0))
    assert progress.left == pytest.approx(100, rel=0.02)


def test_tensorboard_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DarkparseError, match=r"pip install 'darkparse\[tensorboard\]'"):
        TensorBoard(tmp_path)


def test_a_classifier_has_accuracy_in_place_of_mAP(tmp_path):
    done = row(2, accuracy=0.75)
    run(tmp_path / "results.csv", [row(1), done])
    assert [(each["accuracy"], each["mAP"]) for each in table(tmp_path / "results.csv")] == [("", ""), ("0.75", "")]
    assert "accuracy 75.0%," in describe(done, 10, 1)
    assert Progress(10, None).add(row(1)) and Progress(10, 80).add(done).endswith("\n")  # noqa: PT018


def test_tensorboard_has_the_scalars(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoard(tmp_path)
    for each in (row(1), row(2, mAP=0.5), row(3)):
        board.add(each)
    board.close()
    board = TensorBoard(tmp_path, 2)  # goes on behind iteration 2
    board.add(row(3, loss=9.0))
    board.close()
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    names = {"loss", "avg_loss", "rate", "mAP", "terms/box", "terms/objectness"}
    assert set(found.Tags()["scalars"]) == names
    assert [(event.step, event.value) for event in found.Scalars("mAP")] == [(2, 0.5)]
    assert [event.step for event in found.Scalars("loss")] == [1, 2, 3]
    assert found.Scalars("loss")[-1].value == 9.0
