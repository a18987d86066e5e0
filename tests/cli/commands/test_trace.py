from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from click.shell_completion import ShellComplete
from support import builders

from lstmdump.cli import command

Run = Callable[..., Any]


@pytest.fixture
def x(tmp_path: Path) -> Path:
    """An input of 2 sequences of 9 steps of 3 numbers."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2, 9, 3)))
    return tmp_path / "x.npy"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "states.npz"


@pytest.fixture
def stacked(tmp_path: Path) -> Path:
    """A model of `one` on 3 inputs and `two` on the 4 outputs of it."""
    layers = {"one": builders.keras_2_weights("one"), "two": builders.keras_2_weights("two", d=4)}
    return builders.write(tmp_path / "stacked.h5", layers)


def test_the_path_written_is_printed(run: Run, model: Path, x: Path, out: Path) -> None:
    outcome = run("trace", model, "-i", x, "-o", out)
    assert (outcome.status, outcome.out, np.load(out)["lstm_1/c"].shape) == (0, f"{out}\n", (2, 9, 4))


def test_json_has_the_layers_computed(run: Run, model: Path, x: Path, out: Path) -> None:
    made = json.loads(run("trace", model, "-i", x, "-o", out, "--json").out)
    assert list(made) == ["model", "output", "inputs", "layers", "outputs", "bytes", "notes"]
    assert (made["inputs"], made["outputs"]) == (["lstm_1_input"], [{"name": "dense_1", "shape": [2, 1]}])
    assert (made["model"], made["output"], made["bytes"]) == (str(model), str(out), out.stat().st_size)
    layer = made["layers"][0]
    assert [layer[key] for key in ("name", "steps", "batch", "units", "activation", "go_backwards")] == [
        "lstm_1", 9, 2, 4, "tanh", False,
    ]  # fmt: skip
    assert [list(layer["saturated"]), list(layer["saturated"]["i"])] == [["i", "f", "o", "candidate"], ["low", "high"]]


def test_statistics_are_a_table_under_the_path(run: Run, model: Path, x: Path, out: Path) -> None:
    lines = run("trace", model, "-i", x, "-o", out, "--stats").out.splitlines()
    assert lines[:3] == [str(out), "", "lstm_1  2 sequences of 9 steps, 4 units"]


def test_saturation_is_that_of_the_states_written(run: Run, model: Path, x: Path, out: Path) -> None:
    made = json.loads(run("trace", model, "-i", x, "-o", out, "--json", "--stats").out)["layers"][0]
    gate = np.load(out)["lstm_1/f"].astype(np.float64)
    assert made["saturated"]["f"] == {"low": (gate < 0.1).mean(), "high": (gate > 0.9).mean()}
    assert made["stats"]["f"]["mean"] == pytest.approx(gate.mean(), rel=1e-12)


def test_float64_is_computed_and_written(run: Run, model: Path, x: Path, out: Path) -> None:
    run("trace", model, "-i", x, "-o", out, "--dtype", "float64")
    assert {np.load(out)[key].dtype for key in ("x", "lstm_1/h")} == {np.dtype("float64")}


def test_lack_of_memory_is_reported_on_one_line(
    run: Run, model: Path, x: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise MemoryError("Unable to allocate 1.34 GiB")

    monkeypatch.setattr("lstmdump.replay.layers.recurrent.lstm.replay_steps", full)
    outcome = run("trace", model, "-i", x, "-o", out)
    assert (outcome.status, outcome.out, out.exists()) == (2, "", False)
    assert outcome.err == f"lstmdump: {model}: not enough memory: Unable to allocate 1.34 GiB\n"


def test_the_states_of_a_masked_step_are_those_of_the_previous_step(
    run: Run, model: Path, x: Path, out: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "mask.npy", [1, 1, 0, 1, 1, 1, 1, 1, 1])
    run("trace", model, "-i", x, "-o", out, "--mask", tmp_path / "mask.npy")
    c = np.load(out)["lstm_1/c"]
    assert (c[:, 2] == c[:, 1]).all()


def test_an_initial_state_continues_another_run(run: Run, model: Path, x: Path, tmp_path: Path) -> None:
    values = np.load(x)
    np.save(tmp_path / "begin.npy", values[:, :4])
    np.save(tmp_path / "rest.npy", values[:, 4:])
    run("trace", model, "-i", x, "-o", tmp_path / "all.npz")
    run("trace", model, "-i", tmp_path / "begin.npy", "-o", tmp_path / "begin.npz")
    begun = np.load(tmp_path / "begin.npz")
    np.savez(tmp_path / "first.npz", h=begun["lstm_1/h"][:, -1], c=begun["lstm_1/c"][:, -1])
    run("trace", model, "-i", tmp_path / "rest.npy", "-o", tmp_path / "rest.npz",
        "--initial-state", tmp_path / "first.npz")  # fmt: skip
    rest, whole = (np.load(tmp_path / name)["lstm_1/c"] for name in ("rest.npz", "all.npz"))
    np.testing.assert_allclose(rest, whole[:, 4:], atol=1e-6)


def test_go_backwards_takes_the_last_step_first(run: Run, model: Path, x: Path, out: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "turned.npy", np.load(x)[:, ::-1])
    run("trace", model, "-i", x, "-o", out, "--go-backwards")
    run("trace", model, "-i", tmp_path / "turned.npy", "-o", tmp_path / "turned.npz")
    np.testing.assert_allclose(np.load(out)["lstm_1/h"], np.load(tmp_path / "turned.npz")["lstm_1/h"], atol=1e-6)


def test_an_activation_can_be_given(run: Run, model: Path, x: Path, out: Path) -> None:
    made = json.loads(run("trace", model, "-i", x, "-o", out, "--json", "--recurrent-activation", "hard_sigmoid").out)
    assert made["layers"][0]["recurrent_activation"] == "hard_sigmoid"


def test_an_unknown_activation_is_reported_on_one_line(run: Run, model: Path, x: Path, out: Path) -> None:
    outcome = run("trace", model, "-i", x, "-o", out, "--activation", "nonsense")
    assert (outcome.status, outcome.err.count("\n"), "nonsense" in outcome.err, out.exists()) == (2, 1, True, False)


@pytest.mark.parametrize("word", ["Tanh", ""])
@pytest.mark.parametrize("option", ["--activation", "--recurrent-activation"])
def test_an_unknown_activation_is_reported_with_the_known_ones(
    run: Run, model: Path, x: Path, out: Path, option: str, word: str
) -> None:
    outcome = run("trace", model, "-i", x, "-o", out, option, word)
    assert outcome.err.startswith(f"lstmdump: Invalid value for '{option}': {word!r} is not one of celu, elu, ")


def test_activations_are_completed() -> None:
    completer = ShellComplete(command, {}, "lstmdump", "_LSTMDUMP_COMPLETE")
    found = completer.get_completions(["trace", "model.h5", "--recurrent-activation"], "hard_si")
    assert [item.value for item in found] == ["hard_sigmoid", "hard_silu"]


@pytest.mark.parametrize("value", ["nan", "inf", "x"])
def test_a_forget_bias_is_a_finite_number(run: Run, model: Path, x: Path, out: Path, value: str) -> None:
    outcome = run("trace", model, "-i", x, "-o", out, "--forget-bias", value)
    assert (outcome.status, f"{value!r} is not a finite number" in outcome.err) == (2, True)


def test_notes_go_to_stderr(run: Run, model: Path, x: Path, out: Path) -> None:
    outcome = run("trace", model, "-i", x, "-o", out, "--go-backwards")
    assert (
        f"lstmdump: {model}: lstm_1: it goes backwards: its first step is the last step of the input\n" in outcome.err
    )


def test_quiet_leaves_out_the_notes(run: Run, model: Path, x: Path, out: Path) -> None:
    assert run("trace", model, "-i", x, "-o", out, "--go-backwards", "-q").err == ""


def test_layers_of_other_widths_are_reported(run: Run, stacked: Path, x: Path, out: Path) -> None:
    outcome = run("trace", stacked, "-i", x, "-o", out)
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {stacked}: its layers take inputs of different widths (3: one; 4: two), and this one has 3; choose layers with -l\n",
    )


def test_a_layer_can_be_chosen(run: Run, stacked: Path, x: Path, out: Path) -> None:
    assert run("trace", stacked, "-i", x, "-o", out, "-l", "one").status == 0
    assert [key for key in np.load(out).files if key.startswith("two")] == []


def test_a_pattern_without_a_match_is_an_error(run: Run, model: Path, x: Path, out: Path) -> None:
    outcome = run("trace", model, "-i", x, "-o", out, "-l", "no")
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {model}: no layer matches no; it has lstm_1\n")


def test_a_model_without_lstm_has_no_states(run: Run, x: Path, out: Path, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("trace", path, "-i", x, "-o", out)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {path}: no LSTM layer in this model\n")


def test_other_recurrent_layers_are_named(run: Run, x: Path, out: Path, root: Path) -> None:
    path = root / "tests" / "cases" / "convlstm2d-tfkeras2.21.keras"
    outcome = run("trace", path, "-i", x, "-o", out)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {path}: no LSTM layer; it has ConvLSTM2D conv\n")


def test_json_has_an_error_for_an_unreadable_model(run: Run, x: Path, out: Path) -> None:
    outcome = run("trace", "no.h5", "-i", x, "-o", out, "--json")
    assert (outcome.status, list(json.loads(outcome.out))) == (2, ["model", "error"])


@pytest.mark.parametrize("option", ["-i", "--mask", "--initial-state"])
def test_an_invalid_array_is_reported_with_its_path(run: Run, model: Path, x: Path, out: Path, tmp_path: Path, option: str) -> None:  # fmt: skip
    (tmp_path / "table.csv").write_text("1,2\n")
    given = [] if option == "-i" else ["-i", x]
    outcome = run("trace", model, "-o", out, *given, option, tmp_path / "table.csv")
    assert (outcome.status, outcome.err.count("\n"), outcome.out) == (2, 1, "")
    assert outcome.err.startswith(f"lstmdump: {tmp_path / 'table.csv'}: it is ")


def test_an_existing_output_is_kept(run: Run, model: Path, x: Path, out: Path) -> None:
    out.write_bytes(b"mine")
    outcome = run("trace", model, "-i", x, "-o", out)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {model}: {out} already exists; use --force\n")
    assert out.read_bytes() == b"mine"


def test_force_overwrites_an_existing_output(run: Run, model: Path, x: Path, out: Path) -> None:
    out.write_bytes(b"mine")
    assert (run("trace", model, "-i", x, "-o", out, "-f").status, len(np.load(out).files)) == (0, 9)


@pytest.mark.parametrize("option", ["-i", "--mask", "--initial-state"])
def test_no_input_is_overwritten(run: Run, model: Path, x: Path, option: str, tmp_path: Path) -> None:
    same = tmp_path / "same.npz"
    same.write_bytes(x.read_bytes())
    given = [] if option == "-i" else ["-i", x]
    outcome = run("trace", model, *given, option, same, "-o", same, "-f")
    assert (outcome.status, same.read_bytes() == x.read_bytes()) == (2, True)
    assert "is itself one of the files to be read" in outcome.err


def test_a_layer_has_the_same_states_in_every_format(run: Run, samples: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2, 4, 8)))
    folder = samples / "keras-3.15-every-format"
    found = {}
    for name in ("model.h5", "model.keras", "model.weights.h5", "checkpoint", "exported", "saved_model", "unzipped"):
        out = tmp_path / f"{name}.npz"
        assert run("trace", folder / name, "-i", tmp_path / "x.npy", "-o", out, "-q", "-l", "last").status == 0
        arrays = np.load(out)
        found[name] = np.concatenate([arrays[key].ravel() for key in arrays.files if key != "__lstmdump__"]).tobytes()
    assert len(set(found.values())) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_unfinished_files(number: signal.Signals, status: int, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 300_000, 3), np.float32))
    command = [sys.executable, "-m", "lstmdump", "trace", str(model), "-i", str(tmp_path / "x.npy"),
               "-o", str(tmp_path / "new" / "s.npz")]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "new").exists():  # made when the first layer is about to be computed
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip(), (tmp_path / "new").exists()) == (status, b"", b"", False)


# --- what a cell of TensorFlow 1 is given besides its input


@pytest.fixture
def cases(root: Path) -> Path:
    return root / "tests" / "cases"


@pytest.fixture
def decoder(run: Run, cases: Path, out: Path) -> Callable[..., Any]:
    """Run the decoder of a model of TensorFlow 1, whose first states are the last ones of the encoder."""
    return partial(run, "trace", cases / "s2s-tf1.12", "-l", "decoder*", "-i", cases / "s2s-tf1.12.y.npy", "-o", out)


def test_first_states_that_the_graph_gives_are_in_a_note(decoder: Callable[..., Any], cases: Path) -> None:
    assert decoder().err == (
        f"lstmdump: {cases / 's2s-tf1.12'}: decoder/basic_lstm_cell: in the model, its first states come from "
        "encoder/basic_lstm_cell; here they are 0, unless --initial-state gives them\n"
    )


def test_with_the_states_of_the_encoder_the_decoder_computes_what_tensorflow_computed(
    decoder: Callable[..., Any], cases: Path, out: Path, tmp_path: Path
) -> None:
    recorded = np.load(cases / "s2s-tf1.12.io.npz")
    np.savez(tmp_path / "first.npz", h=recorded["h"], c=recorded["c"])
    outcome = decoder("--initial-state", tmp_path / "first.npz")
    assert (outcome.status, outcome.err) == (0, "")
    np.testing.assert_allclose(np.load(out)["decoder/basic_lstm_cell/h"], recorded["dec"], atol=1e-6)


def test_the_lengths_of_the_sequences_are_in_a_note(run: Run, cases: Path, out: Path) -> None:
    outcome = run("trace", cases / "seqlen-tf1.12", "-i", cases / "s2s-tf1.12.x.npy", "-o", out, "--json")
    (note,) = json.loads(outcome.out)["notes"]
    assert note == (
        "rnn/basic_lstm_cell: in the model, the steps behind the length of a sequence are skipped (sequence_length, "
        "[5, 3]); here all steps count, unless --mask skips some"
    )


def test_with_a_mask_of_the_lengths_the_cell_computes_what_tensorflow_computed(
    run: Run, cases: Path, out: Path, tmp_path: Path
) -> None:
    recorded = np.load(cases / "seqlen-tf1.12.io.npz")
    np.save(tmp_path / "mask.npy", np.arange(5) < np.array([[5], [3]]))
    options = ["-i", cases / "s2s-tf1.12.x.npy", "--mask", tmp_path / "mask.npy", "-o", out]
    outcome = run("trace", cases / "seqlen-tf1.12", *options)
    assert (outcome.status, outcome.err) == (0, "")
    np.testing.assert_allclose(np.load(out)["rnn/basic_lstm_cell/h"], recorded["o"], atol=1e-6)


# --- pictures


@pytest.fixture
def shared_layer(tmp_path: Path) -> list[object]:
    """The words for a model that calls its LSTM twice, each time with a mask, and for its inputs."""
    folder = Path(__file__).parents[2] / "whole"
    recorded = np.load(folder / "shared_twice-tfkeras2.21.io.npz")
    words: list[object] = [folder / "shared_twice-tfkeras2.21.keras"]
    for name in ("input_1", "input_2"):
        np.save(tmp_path / f"{name}.npy", recorded[f"x/{name}"])
        words += ["-i", f"{name}={tmp_path / name}.npy"]
    return words


def test_the_states_are_drawn_beside_what_is_written(run: Run, model: Path, x: Path, out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("trace", model, "-i", x, "-o", out, "--plot", tmp_path / "a.svg")
    assert (outcome.status, outcome.out, out.is_file()) == (0, f"{out}\n", True)
    shown = (tmp_path / "a.svg").read_text()
    assert (">lstm_1</text>" in shown, ">sequence 1 of 2 · 9 steps, 4 units</text>" in shown) == (True, True)


def test_the_mask_given_is_drawn(run: Run, model: Path, x: Path, out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    np.save(tmp_path / "mask.npy", [1, 1, 0, 1, 1, 1, 1, 0, 0])
    run("trace", model, "-i", x, "-o", out, "--plot", tmp_path / "a.svg", "--mask", tmp_path / "mask.npy")
    assert ">hatched: 3 masked steps, which the layer skips</text>" in (tmp_path / "a.svg").read_text()


def test_each_call_of_a_layer_has_a_page(run: Run, shared_layer: list[object], out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("trace", *shared_layer, "-o", out, "--plot", tmp_path / "a.pdf")
    assert (outcome.status, (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page ")) == (0, 2)


def test_several_pages_for_a_format_of_one_are_refused_before_anything_is_written(
    run: Run, shared_layer: list[object], out: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("trace", *shared_layer, "-o", out, "--plot", tmp_path / "a.png")
    assert (outcome.status, outcome.out, out.exists()) == (2, "", False)
    assert outcome.err.endswith("a.png holds one page, and there are more; choose a layer with -l, or name a .pdf\n")


def test_layers_of_a_file_without_a_network_have_a_page_each(
    run: Run, stacked: Path, x: Path, out: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    assert run("trace", stacked, "-i", x, "-o", out, "--chain", "--plot", tmp_path / "a.png").status == 2
    assert run("trace", stacked, "-i", x, "-o", out, "-l", "one", "--plot", tmp_path / "a.png").status == 0


def test_json_and_a_picture_go_together(run: Run, model: Path, x: Path, out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made = run("trace", model, "-i", x, "-o", out, "--json", "--plot", tmp_path / "a.png").out
    assert (json.loads(made)["output"], (tmp_path / "a.png").is_file()) == (str(out), True)


@pytest.mark.parametrize(
    ("name", "words"), [("a.jpg", "is not a picture format"), ("there.png", "already exists; use --force")]
)
def test_an_impossible_picture_is_reported_before_anything_is_computed(
    run: Run, model: Path, x: Path, out: Path, tmp_path: Path, name: str, words: str
) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "there.png").write_text("mine")
    outcome = run("trace", model, "-i", x, "-o", out, "--plot", tmp_path / name)
    assert (outcome.status, outcome.out, out.exists(), words in outcome.err) == (2, "", False, True)
    assert (tmp_path / "there.png").read_text() == "mine"


def test_states_and_picture_are_overwritten_with_force(
    run: Run, model: Path, x: Path, out: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    words = ("trace", model, "-i", x, "-o", out, "--plot", tmp_path / "a.png")
    assert [run(*words).status, run(*words).status, run(*words, "-f").status] == [0, 2, 0]


def test_a_picture_does_not_overwrite_the_input(run: Run, model: Path, x: Path, out: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    same = x.rename(tmp_path / "same.png")
    before = same.read_bytes()
    outcome = run("trace", model, "-i", same, "-o", out, "--plot", same, "--force")
    assert (outcome.status, same.read_bytes() == before, out.exists()) == (2, True, False)
    assert "is itself one of the files to be read" in outcome.err
