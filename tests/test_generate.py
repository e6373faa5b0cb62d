"""Character RNNs: the probabilities and the texts of Darknet.

The numbers below were made by AlexeyAB/darknet 59596d7 and pjreddie/darknet f6afaab, built for a CPU by gcc -O2 (the
former without the division by zero of its report), of the cfg and the weights that `files` writes: probabilities by
network_predict with temperature=.5 in the cfg, texts by test_char_rnn(cfg, weights, 24, "Ab", .5), with a rand() that
gives `DRAWS`.
"""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from darkparse.cli import main
from darkparse.errors import CfgError, DarkparseError, WeightsError
from darkparse.generate import BYTES, Writer, draw, load_writer
from darkparse.graph import read_graph
from darkparse.layout import Header, count

NET = "[net]\ninputs=256\nbatch=4\ntime_steps=3\n"
GRU = "[gru]\noutput=8\n"
END = "[connected]\noutput=256\nactivation=linear\n[softmax]\n"
FORKS = {"AlexeyAB": Header(), "pjreddie": Header(0, 2, 0)}
SEED = b"Ab\xff\0c"
LIKELIEST = {  # the likeliest four bytes after each of SEED
    "AlexeyAB": [
        {218: 0.085748, 225: 0.0473275, 152: 0.0445623, 149: 0.0397608},
        {218: 0.1486896, 149: 0.1260301, 21: 0.0539366, 80: 0.0433545},
        {218: 0.1193974, 149: 0.0848689, 152: 0.0702293, 40: 0.0415705},
        {218: 0.1102644, 152: 0.0728626, 40: 0.0707585, 149: 0.0624851},
        {218: 0.2015755, 152: 0.1259188, 149: 0.1182931, 80: 0.0543944},
    ],
    "pjreddie": [
        {21: 0.0854806, 218: 0.0622759, 80: 0.0420305, 108: 0.0393241},
        {21: 0.2570078, 80: 0.1452111, 218: 0.0789287, 149: 0.0509879},
        {21: 0.1377377, 218: 0.106233, 80: 0.091633, 225: 0.0747829},
        {225: 0.1412557, 21: 0.102498, 218: 0.0857299, 127: 0.0549541},
        {21: 0.2257416, 218: 0.1492472, 80: 0.0705732, 225: 0.0700205},
    ],
}
DRAWS = (
    *(0.357944, 0.889535, 0.431929, 0.156753, 0.922498, 0.276481, 0.793587, 0.20248, 0.15572, 0.43781, 0.664896),
    *(0.078445, 0.802677, 0.610289, 0.916131, 0.358736, 0.652157, 0.878639, 0.785937, 0.383059, 0.792899, 0.416621),
    *(0.222516, 0.258568),
)
TEXTS = {
    "AlexeyAB": "41626ee9952dda50da281595aa15da98da5099dad958c0505050",
    "pjreddie": "416239da6c17e828da1527529e15e195e117bedac915e1271731",
}


class Drawn:
    """Stands for a generator whose numbers are known."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = iter(numbers)

    def random(self) -> float:
        return next(self.numbers)


def files(folder: Path, text: str = NET + GRU + END, header: Header = FORKS["AlexeyAB"]) -> tuple[str, str]:
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(text)
    numbers = (np.random.default_rng(7).random(count(read_graph(cfg, dialect=header.dialect))) * 2 - 1) * 1.5
    weights.write_bytes(header.pack() + numbers.astype("<f4").tobytes())
    return str(cfg), str(weights)


def writer(folder: Path, fork: str = "AlexeyAB", **options: float) -> Writer:
    return load_writer(*files(folder, header=FORKS[fork]), device="cpu", **{"temperature": 0.5, **options})


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["generate", *arguments, "--device", "cpu"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("fork", FORKS)
def test_probabilities_are_darknets(fork: str, tmp_path: Path) -> None:
    model = writer(tmp_path, fork)
    for byte, likeliest in zip(SEED, LIKELIEST[fork], strict=True):
        likely = model.next(byte)
        assert likely.sum() == pytest.approx(1, abs=1e-5)
        assert list(np.argsort(-likely)[:4]) == list(likeliest)
        assert likely[list(likeliest)] == pytest.approx(list(likeliest.values()), abs=1e-6)


@pytest.mark.parametrize("fork", FORKS)
def test_the_text_is_darknets_where_the_draws_are(fork: str, tmp_path: Path) -> None:
    model = writer(tmp_path, fork)
    for _ in range(2):  # the state begins anew
        assert bytes(model.generate(b"Ab", 24, Drawn(*DRAWS))).hex() == TEXTS[fork]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "layers",
    [
        "[rnn]\noutput=8\nhidden=6\nactivation=tanh\n",
        "[gru]\noutput=8\n",
        "[lstm]\noutput=8\n",
        "[connected]\noutput=8\n[crnn]\nsize=1\noutput=8\nhidden=6\n",
    ],
)
def test_every_kind_of_memory(layers: str, tmp_path: Path) -> None:
    model = load_writer(*files(tmp_path, NET + layers + END + "[cost]\n"), device="cpu")
    first, again = model.next(65), model.next(65)
    assert np.abs(first - again).max() > 1e-6
    model.network.reset()
    assert (model.next(65) == first).all()


def test_temperature_takes_the_place_of_the_cfgs(tmp_path: Path) -> None:
    given = load_writer(*files(tmp_path, NET + GRU + END + "temperature=3\n"), temperature=0.5, device="cpu")
    assert (given.next(65) == writer(tmp_path).next(65)).all()
    flat, sharp = writer(tmp_path, temperature=9.0).next(65), writer(tmp_path, temperature=0.1).next(65)
    assert flat.max() < 0.01
    assert sharp.max() > 0.5


def test_what_is_too_unlikely_never_comes() -> None:
    likely = np.array([0.00009, 0.5, 0.0000999, 0.25, 0.24981])
    drawn = [draw(likely, Drawn(number)) for number in (0.0, 0.3, 0.5, 0.51, 0.9999999999999999)]  # type: ignore[arg-type]
    assert drawn == [1, 1, 1, 3, 4]
    assert draw(np.eye(BYTES)[255], Drawn(0.5)) == 255  # type: ignore[arg-type]


def test_the_same_rng_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    arguments = (*files(tmp_path), "--length", "50", "--seed-text", "Ab")
    first = run(*arguments, "--rng-seed", "3").stdout_bytes
    assert first == run(*arguments, "-srand", "3").stdout_bytes
    assert first != run(*arguments, "--rng-seed", "4").stdout_bytes
    assert (len(first), first[:2], first[-1:]) == (53, b"Ab", b"\n")
    chosen = run(*arguments)
    number = chosen.stderr.splitlines()[-1].removeprefix("rng-seed: ")
    assert run(*arguments, "--rng-seed", number).stdout_bytes == chosen.stdout_bytes


def test_bytes_go_in_and_out_as_they_are(tmp_path: Path) -> None:
    arguments = (*files(tmp_path), "-len", "0", "-temp", ".5")
    assert run(*arguments, "-seed", "é\udcff").stdout_bytes == "é".encode() + b"\xff\n"
    assert run(*arguments).stdout_bytes == b"\n\n\n"
    assert run(*arguments, "--seed-text", "").stdout_bytes == b"\0\n"  # as Darknet
    some = run(*files(tmp_path), "--length", "300", "--rng-seed", "1").stdout_bytes
    with pytest.raises(UnicodeDecodeError):
        some.decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NET.replace("256", "128") + GRU + END, "net.cfg: [net] reads 1x1x128; expected a character RNN, with inputs"),
        ("[net]\nwidth=8\nheight=8\nchannels=3\n" + GRU + END, "net.cfg: [net] reads 8x8x3; expected a character RNN"),
        (NET + GRU, "net.cfg:5: [gru]: ends the network with 8 values; expected a character RNN, with a [softmax]"),
        (NET + GRU + "[softmax]\n[cost]\n", "net.cfg:7: [softmax]: ends the network with 8 values; expected"),
    ],
)
def test_other_networks_are_refused(text: str, message: str, tmp_path: Path) -> None:
    result = run(*files(tmp_path, text))
    assert message in result.stderr
    assert (result.exit_code, result.stdout) == (1, "")


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperatures_that_cannot_be(temperature: float, tmp_path: Path) -> None:
    with pytest.raises(DarkparseError, match="temperature: expected a number of at least"):
        writer(tmp_path, temperature=temperature)


def test_nan_is_no_text(tmp_path: Path) -> None:
    cfg, weights = files(tmp_path)
    raw = bytearray(Path(weights).read_bytes())
    raw[20:24] = np.float32(np.nan).tobytes()
    Path(weights).write_bytes(raw)
    assert "net.cfg: the network gives NaN" in run(cfg, weights).stderr


def test_errors_of_the_files(tmp_path: Path) -> None:
    cfg, weights = files(tmp_path)
    with pytest.raises(WeightsError, match="too short"):
        load_writer(*files(tmp_path, NET + "[gru]\noutput=4\n" + END)[:1], short(weights))
    Path(cfg).write_text(NET + GRU + "tahn=1\n" + END)
    with pytest.raises(CfgError, match="tahn: no such option"):
        load_writer(cfg, weights, strict=True)


def short(weights: str) -> str:
    path = Path(weights)
    path.write_bytes(path.read_bytes()[:600])
    return weights
