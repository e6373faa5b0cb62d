"""The backbones of YOLOv3's paper, as their cfgs have them."""

from functools import partial

import pytest

import turns
from backbones import TABLE, bn_ops, graph_of, main, table
from darkparse.data import find_cfg
from darkparse.graph import read_graph
from darkparse.layers.convolutional import Convolutional

HE = {"resnet101": 7.6, "resnet152": 11.3}  # 1e9 multiply-adds at 224 px; arXiv 1512.03385, table 1


@pytest.mark.parametrize("name", TABLE)
def test_operations_are_the_papers(name: str) -> None:
    assert bn_ops(graph_of(name)) == pytest.approx(TABLE[name].bn_ops, rel=0.01)


@pytest.mark.parametrize("name", HE)
def test_operations_of_a_resnet_are_those_of_its_own_paper(name: str) -> None:
    assert bn_ops(read_graph(find_cfg(name), width=224, height=224)) / 2 == pytest.approx(HE[name], rel=0.01)


@pytest.mark.parametrize(
    ("name", "layers"), [("darknet19", 19), ("darknet53", 53), ("resnet101", 101), ("resnet152", 152)]
)
def test_a_backbone_has_as_many_convolutions_as_its_name_says(name: str, layers: int) -> None:
    assert sum(isinstance(node.layer, Convolutional) for node in graph_of(name).nodes) == layers


def test_the_table_has_rates_and_ratios_beside_the_papers() -> None:
    times = {name: [10.0 * place, 20.0 * place, 40.0 * place] for place, name in enumerate(TABLE, 1)}
    rows = [row.strip("| ").split(" | ") for row in list(table(times, batch=2))[2:]]
    assert rows[3] == ["Darknet-53", "18.58", "18.7", "464", "1457", "25.0", "78", "1.00", "1.00"]  # 18.58 / 0.040 s
    assert rows[1] == ["ResNet-101", "19.71", "19.7", "985", "1039", "50.0", "53", "0.50", "1.47"]


def test_turns_are_taken_back_and_forth(monkeypatch) -> None:
    monkeypatch.setattr(turns, "one_round", lambda call: call())
    order: list[str] = []
    times = turns.in_turns({name: partial(order.append, name) for name in "ab"}, rounds=3)
    assert "".join(order) == "aaa" + "bbb" + "ab" + "ba" + "ab"
    assert {name: len(taken) for name, taken in times.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    assert turns.ratio({"slow": [2.0, 9.0, 4.0], "fast": [1.0, 3.0, 4.0]}, "slow", "fast") == 2


def test_an_unknown_precision_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--precision", "fp8"])
    assert "fp8" in capsys.readouterr().err
