"""What messages and notes call an option of the command line, they call a keyword argument in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import BadInput, CannotExpress, CannotReplay, LstmdumpError, NoAverages, NoForgetBias, RefusedModel
from lstmdump.python import keywords


@pytest.mark.parametrize(("option", "keyword"), [
    ("--into LAYER gives a layer its own input: a, b", "into=LAYER gives a layer its own input: a, b"),
    ("without --mask, no step is masked", "without mask, no step is masked"),
    ("here they are 0, unless --initial-state gives them", "here they are 0, unless initial gives them"),
    ("feed each the output of the one before with --chain", "feed each the output of the one before with chain=True"),
    ("too large for float32; use --dtype float64", 'too large for float32; use dtype="float64"'),
    ("--activation overrides it", "activation overrides it"),
    ("with --recurrent-activation", "with recurrent_activation"),
    ("--no-go-backwards overrides it", "go_backwards=False overrides it"),
    ("--go-backwards overrides it", "go_backwards=True overrides it"),
    ("give it with --forget-bias N: cells add 1.0", "give it with forget_bias=N: cells add 1.0"),
    ("--forget-bias is ignored", "forget_bias is ignored"),
    ("--limit json-size=17MiB allows it", "limits=lstmdump.Limits(json_size=17 * 2**20) allows it"),
    ("--limit unfolding=200x allows it", "limits=lstmdump.Limits(unfolding=200) allows it"),
    ("leave --averages out", "leave averages out"),
    ("give real inputs with -i", "give real inputs as x"),
    ("which x = 0 needs; give -i", "which x = 0 needs; give x"),
    ("name each of several inputs: -i NAME=FILE; the model takes a", "name each of several inputs: x={NAME: …}; the model takes a"),
    ("so that only -i FILE can be given: a", "so that only x can be given: a"),
    ("-l chooses layers before it: a", "layer=NAME chooses layers before it: a"),
    ("choose one with -l, or feed each", "choose one with layer=NAME, or feed each"),
    ("a layer called x-i and one called --masked", "a layer called x-i and one called --masked"),
])  # fmt: skip
def test_an_option_becomes_a_keyword(option: str, keyword: str) -> None:
    assert keywords.translate(option, choice="layer=NAME") == keyword


def test_each_limit_that_a_message_suggests_exists() -> None:
    from lstmdump.model.limits import LIMITS, written

    for limit in LIMITS:
        text = keywords.translate(f"--limit {limit.name}={written(limit)} allows it", choice="")
        made = eval(text.removesuffix(" allows it").removeprefix("limits="), {"lstmdump": lstmdump})  # noqa: S307
        assert getattr(made, limit.field) == limit.default


def message_of(error: type[LstmdumpError], call: object, *args: object, **options: object) -> str:
    assert callable(call)
    with pytest.raises(error) as raised:
        call(*args, **options)
    return str(raised.value)


def test_an_input_that_does_not_fit_names_into(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        message = message_of(BadInput, model.trace, np.zeros((2, 9, 4)))
    assert "; into=LAYER gives a layer its own input: lstm_1 (batch, steps, 3)" in message


@pytest.mark.parametrize("verb", ["trace", "lags"])
def test_an_unknown_activation_names_the_keyword(verb: str, samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        for one in (model, model["lstm_1"]):
            message = message_of(CannotReplay, getattr(one, verb), np.zeros((2, 9, 3)), activation="own")
            assert "name one that computes the same with activation" in message
            assert "--" not in message


def test_a_note_on_an_ignored_forget_bias_names_the_keyword(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        x = np.zeros((9, 3))
        notes = [one.notes for one in (model.trace(x, forget_bias=1.0), model["lstm_1"].trace(x, forget_bias=1.0),
                                       model.lags(x, forget_bias=1.0), model["lstm_1"].lags(x, forget_bias=1.0))]  # fmt: skip
    note = "forget_bias is ignored: the file holds a forget bias of 0.0"
    assert [[text.partition(": ")[2] for text in texts] for texts in notes] == [[note]] * 4


def test_lags_without_an_input_ask_for_x(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        result = model.lags()
    assert "give real inputs as x" in " ".join(result.notes)
    assert "-i" not in repr(result).split()


def test_a_missing_forget_bias_names_the_keyword(samples: Path, tmp_path: Path) -> None:
    for path in (samples / "tf-1.12-basic-lstm-cell-checkpoint").glob("model.ckpt.[!m]*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())  # without the graph, which holds it
    with lstmdump.open(tmp_path / "model.ckpt") as model:
        message = message_of(NoForgetBias, model.trace, np.zeros((2, 12)))
    assert "give it with forget_bias=N" in message


def test_a_limit_names_the_class(samples: Path) -> None:
    path, limits = samples / "keras-2.2.0-weather.h5", lstmdump.Limits(json_size=1)
    assert "; limits=lstmdump.Limits(json_size=" in message_of(RefusedModel, lstmdump.open, path, limits=limits)


def test_missing_averages_name_the_keyword(samples: Path) -> None:
    message = message_of(NoAverages, lstmdump.open, samples / "keras-2.2.0-weather.h5", averages=True)
    assert message.endswith("leave averages out")


def test_the_error_keeps_its_class_and_its_cause(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model, pytest.raises(CannotExpress) as raised:
        model.to_pytorch()
    assert type(raised.value) is CannotExpress
    assert "force=True" in str(raised.value)
