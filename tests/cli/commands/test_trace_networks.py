"""`lstmdump trace` on models whose files describe the network; recordings are those of `tests/whole`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.recorded import Recorded

Run = Callable[..., Any]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "states.npz"


@pytest.fixture
def translating(tmp_path: Path) -> Recorded:
    """An encoder and a decoder, each of an Embedding with a mask and an LSTM; the decoder begins with the states of the encoder."""
    return Recorded("s2s_emb-keras2.2.4", tmp_path)


@pytest.fixture
def interrupted(tmp_path: Path) -> Recorded:
    """The LSTM layers `before` and `behind`, with a Lambda between them."""
    return Recorded("lambda_between-tfkeras2.21", tmp_path)


@pytest.fixture
def branching(tmp_path: Path) -> Recorded:
    """Two LSTM layers, the output `plain`, and the output `odd` behind a class of the user's own."""
    return Recorded("custom_branch-keras3.15", tmp_path)


def states(run: Run, out: Path, recorded: Recorded, *options: object) -> dict[str, np.ndarray]:
    outcome = run("trace", recorded.model, "-o", out, *options)
    assert outcome.status == 0, outcome.err
    return dict(np.load(out))


def notes(run: Run, out: Path, recorded: Recorded, *options: object) -> list[str]:
    outcome = run("trace", recorded.model, "-o", out, *options)
    assert outcome.status == 0, outcome.err
    return [line.removeprefix(f"lstmdump: {recorded.model}: ") for line in outcome.err.splitlines()]


def error(run: Run, out: Path, recorded: Recorded, *options: object) -> str:
    outcome = run("trace", recorded.model, "-o", out, *options)
    assert (outcome.status, outcome.out, outcome.err.count("\n"), out.exists()) == (2, "", 1, False)
    message: str = outcome.err.removeprefix(f"lstmdump: {recorded.model}: ").removesuffix("\n")
    return message


# Inputs


def test_ids_are_looked_up_and_mask_their_zeros(run: Run, out: Path, tmp_path: Path) -> None:
    recorded = Recorded("emb_mask_stack-tfkeras2.21", tmp_path)
    found = states(run, out, recorded, *recorded.give("input_1"))
    np.testing.assert_allclose(found["dense/y"], recorded.arrays["y/dense"], atol=1e-5)
    assert (recorded.arrays["x/input_1"] == 0).any()


def test_ids_are_written_as_they_are_given(run: Run, out: Path, tmp_path: Path) -> None:
    recorded = Recorded("emb_mask_stack-tfkeras2.21", tmp_path)
    x = states(run, out, recorded, *recorded.give("input_1"))["x"]
    assert (x.dtype.kind, x.tolist()) == ("i", recorded.arrays["x/input_1"].tolist())


def test_ids_may_be_floating_point_numbers(run: Run, out: Path, tmp_path: Path) -> None:
    recorded = Recorded("emb_mask_stack-tfkeras2.21", tmp_path)
    np.save(tmp_path / "x.npy", recorded.arrays["x/input_1"].astype(np.float64))
    found = states(run, out, recorded, "-i", tmp_path / "x.npy")
    np.testing.assert_allclose(found["dense/y"], recorded.arrays["y/dense"], atol=1e-5)


def test_several_inputs_are_given_by_name_in_any_order(run: Run, out: Path, translating: Recorded) -> None:
    found = states(run, out, translating, *translating.give("input_2", "input_1"))
    expected = translating.arrays["y/time_distributed_1"]
    np.testing.assert_allclose(found["time_distributed_1/y"], expected, atol=1e-5)


def test_several_inputs_without_names_are_taken_in_the_order_of_the_model(
    run: Run, out: Path, translating: Recorded
) -> None:
    paths = translating.save("x/input_1"), translating.save("x/input_2")
    found = states(run, out, translating, "-i", paths[0], "-i", paths[1])
    expected = translating.arrays["y/time_distributed_1"]
    np.testing.assert_allclose(found["time_distributed_1/y"], expected, atol=1e-5)


def test_each_of_several_inputs_is_written_under_its_name(run: Run, out: Path, translating: Recorded) -> None:
    found = states(run, out, translating, *translating.give("input_1", "input_2"))
    assert [name for name in found if name.endswith("x")] == ["input_1/x", "input_2/x"]


def test_an_input_is_not_named_and_unnamed_at_once(run: Run, out: Path, translating: Recorded) -> None:
    path = translating.save("x/input_2")
    assert error(run, out, translating, *translating.give("input_1"), "-i", f"input_2={path}") == (
        "name each of several inputs: -i NAME=FILE; the model takes input_1 (batch, any) and input_2 (batch, any)"
    )


def test_an_unknown_input_is_an_error_that_names_the_inputs(run: Run, out: Path, translating: Recorded) -> None:
    path = translating.save("x/input_1")
    assert error(run, out, translating, "-i", f"inputs={path}") == (
        "the model has no input inputs; it takes input_1 (batch, any) and input_2 (batch, any)"
    )


def test_a_missing_input_is_an_error_that_names_it(run: Run, out: Path, translating: Recorded) -> None:
    path = translating.save("x/input_1")
    assert error(run, out, translating, "-i", f"input_1={path}") == (
        "the input input_2 is not given; give it with -i input_2=FILE.npy; -l chooses layers before it: lstm_1; "
        "--into LAYER gives a layer its own input: lstm_2"
    )


def test_only_the_inputs_that_the_chosen_layers_need_are_required(run: Run, out: Path, translating: Recorded) -> None:
    found = states(run, out, translating, *translating.give("input_1"), "-l", "lstm_1")
    np.testing.assert_allclose(found["lstm_1/h"], translating.arrays["lstm/lstm_1#0/h"], atol=1e-5)


def test_a_single_sequence_is_a_batch_of_one(run: Run, out: Path, branching: Recorded, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", branching.arrays["x/input_layer"][1])
    found = states(run, out, branching, "-i", tmp_path / "one.npy")
    np.testing.assert_allclose(found["plain/y"], branching.arrays["y/plain"][1:], atol=1e-5)


def test_names_that_keras_makes_anew_in_each_session_are_taken_in_their_order(
    run: Run, out: Path, tmp_path: Path
) -> None:
    recorded = Recorded("mask_concat-keras3.15", tmp_path)
    first, second = recorded.save("x/input_layer"), recorded.save("x/input_layer_1")
    given = ("-i", f"keras_tensor_10={second}", "-i", f"keras_tensor_9={first}")
    np.testing.assert_allclose(
        states(run, out, recorded, *given)["dense/y"], recorded.arrays["y/dense"], rtol=1e-5, atol=1e-5
    )
    assert "this one as input_layer" in notes(run, out, recorded, *given, "-f")[0]


def test_an_array_that_fits_nothing_is_an_error_with_all_that_would(
    run: Run, out: Path, translating: Recorded, tmp_path: Path
) -> None:
    np.save(tmp_path / "wide.npy", np.ones((2, 6, 9)))
    assert error(run, out, translating, "-i", tmp_path / "wide.npy") == (
        "the model takes input_1 (batch, any) and input_2 (batch, any), and what is given is (2, 6, 9); --into LAYER "
        "gives a layer its own input: lstm_1 (batch, steps, 3), lstm_2 (batch, steps, 3)"
    )


# The own input of a layer


def test_into_gives_a_layer_its_own_input(run: Run, out: Path, branching: Recorded) -> None:
    path = branching.save("lstm/lstm_1#0/in")
    found = states(run, out, branching, "-i", path, "--into", "lstm_1")
    np.testing.assert_allclose(found["lstm_1/h"], branching.arrays["lstm/lstm_1#0/h"], atol=1e-5)


def test_what_follows_the_layer_is_computed(run: Run, out: Path, branching: Recorded) -> None:
    path = branching.save("lstm/lstm_1#0/in")
    found = states(run, out, branching, "-i", path, "--into", "lstm_1")
    np.testing.assert_allclose(found["plain/y"], branching.arrays["y/plain"], atol=1e-5)


def test_layers_before_that_layer_are_named_in_a_note(run: Run, out: Path, branching: Recorded) -> None:
    path = branching.save("lstm/lstm_1#0/in")
    assert notes(run, out, branching, "-i", path, "--into", "lstm_1")[0] == (
        "lstm is not computed: the input input_layer is not given; give it with -i input_layer=FILE.npy"
    )


def test_an_input_that_fits_a_layer_only_is_taken_as_its_own_with_a_note(
    run: Run, out: Path, branching: Recorded
) -> None:
    path = branching.save("lstm/lstm_1#0/in")
    assert notes(run, out, branching, "-i", path)[0] == (
        "the input is taken as that of lstm_1 itself, because it does not fit the model, "
        "which takes input_layer (batch, 6, 3)"
    )


def test_a_mask_that_the_layer_has_in_the_model_is_noted(run: Run, out: Path, translating: Recorded) -> None:
    path = translating.save("lstm/lstm_1#0/in")
    assert (
        "lstm_1: in the model, its mask comes from embedding_1 (Embedding, mask_zero=True); without --mask, "
        "no step is masked"
    ) in notes(run, out, translating, "-i", path, "--into", "lstm_1")


def test_with_a_mask_nothing_is_noted_and_the_layer_runs_as_in_the_model(
    run: Run, out: Path, translating: Recorded, tmp_path: Path
) -> None:
    path = translating.save("lstm/lstm_1#0/in")
    np.save(tmp_path / "mask.npy", translating.arrays["x/input_1"] != 0)
    options = ("-i", path, "--into", "lstm_1", "--mask", tmp_path / "mask.npy")
    found = states(run, out, translating, *options)
    np.testing.assert_allclose(found["lstm_1/h"], translating.arrays["lstm/lstm_1#0/h"], atol=1e-5)
    assert "mask" not in " ".join(notes(run, out, translating, *options, "-f"))


def test_first_states_that_the_layer_has_in_the_model_are_noted(run: Run, out: Path, translating: Recorded) -> None:
    path = translating.save("lstm/lstm_2#0/in")
    assert (
        "lstm_2: in the model, its first states come from lstm_1; here they are 0, unless --initial-state gives them"
    ) in notes(run, out, translating, "-i", path, "--into", "lstm_2")


def test_with_first_states_nothing_is_noted_and_the_layer_runs_as_in_the_model(
    run: Run, out: Path, translating: Recorded, tmp_path: Path
) -> None:
    path, arrays = translating.save("lstm/lstm_2#0/in"), translating.arrays
    np.savez(tmp_path / "first.npz", h=arrays["lstm/lstm_2#0/s0"], c=arrays["lstm/lstm_2#0/s1"])
    np.save(tmp_path / "mask.npy", arrays["x/input_2"] != 0)
    options = ("-i", path, "--into", "lstm_2", "-l", "lstm_2",
               "--mask", tmp_path / "mask.npy", "--initial-state", tmp_path / "first.npz")  # fmt: skip
    found = states(run, out, translating, *options)
    np.testing.assert_allclose(found["lstm_2/h"], arrays["lstm/lstm_2#0/h"], atol=1e-5)
    assert notes(run, out, translating, *options, "-f") == []


def test_into_an_unknown_layer_is_an_error_that_names_the_layers(run: Run, out: Path, branching: Recorded) -> None:
    message = error(run, out, branching, "-i", branching.save("x/input_layer"), "--into", "lstm_9")
    assert message == "no layer is called lstm_9; the model has lstm, lstm_1, my_scale, plain, odd"


def test_into_an_input_is_an_error(run: Run, out: Path, branching: Recorded) -> None:
    message = error(run, out, branching, "-i", branching.save("x/input_layer"), "--into", "input_layer")
    assert message == "input_layer takes no input in the network of the model"


def test_into_takes_one_input(run: Run, out: Path, translating: Recorded) -> None:
    message = error(run, out, translating, *translating.give("input_1", "input_2"), "--into", "lstm_1")
    assert message == "lstm_1 takes one input, and 2 are given"


# Layers that cannot be computed


def test_a_lambda_between_is_an_error_that_names_it_and_the_ways_around(
    run: Run, out: Path, interrupted: Recorded
) -> None:
    assert error(run, out, interrupted, *interrupted.give("input_1")) == (
        "lambda_between is a Lambda layer: Python code, which is never run; -l chooses layers before it: before; "
        "--into LAYER gives a layer its own input: behind"
    )


def test_an_lstm_before_a_lambda_is_run_if_it_is_chosen(run: Run, out: Path, interrupted: Recorded) -> None:
    found = states(run, out, interrupted, *interrupted.give("input_1"), "-l", "before")
    np.testing.assert_allclose(found["before/h"], interrupted.arrays["lstm/before#0/h"], atol=1e-5)


def test_an_lstm_behind_a_lambda_is_run_on_its_own_input(run: Run, out: Path, interrupted: Recorded) -> None:
    path = interrupted.save("lstm/behind#0/in")
    found = states(run, out, interrupted, "-i", path, "--into", "behind")
    np.testing.assert_allclose(found["behind/h"], interrupted.arrays["lstm/behind#0/h"], atol=1e-5)


def test_an_output_behind_a_class_of_the_user_is_named_in_a_note(run: Run, out: Path, branching: Recorded) -> None:
    assert notes(run, out, branching, *branching.give("input_layer")) == [
        "y of odd is not computed: my_scale is a MyScale, a class of its own, which cannot be computed"
    ]


def test_the_other_outputs_are_written(run: Run, out: Path, branching: Recorded) -> None:
    found = states(run, out, branching, *branching.give("input_layer"))
    assert [name for name in found if name.endswith("/y")] == ["plain/y"]
    np.testing.assert_allclose(found["plain/y"], branching.arrays["y/plain"], atol=1e-5)


def test_json_lists_the_outputs_that_are_written(run: Run, out: Path, branching: Recorded) -> None:
    made = json.loads(run("trace", branching.model, *branching.give("input_layer"), "-o", out, "--json").out)
    assert (made["inputs"], made["outputs"]) == (["input_layer"], [{"name": "plain", "shape": [2, 2]}])
    assert [layer["takes"] for layer in made["layers"]] == [[], ["lstm"]]


# Networks


def test_an_lstm_that_is_called_again_is_numbered(run: Run, out: Path, tmp_path: Path) -> None:
    recorded = Recorded("shared_twice-tfkeras2.21", tmp_path)
    found = states(run, out, recorded, *recorded.give("input_1", "input_2"))
    of_first, of_second = recorded.arrays["lstm/lstm#1/h"], recorded.arrays["lstm/lstm#0/h"]  # 6 and 4 steps
    np.testing.assert_allclose(found["lstm/h"], of_first, atol=1e-5)
    np.testing.assert_allclose(found["lstm#1/h"], of_second, atol=1e-5)


def test_statistics_and_json_name_each_call_as_the_file_does(run: Run, out: Path, tmp_path: Path) -> None:
    recorded = Recorded("shared_twice-tfkeras2.21", tmp_path)
    options = (recorded.model, *recorded.give("input_1", "input_2"), "-o", out)
    made = json.loads(run("trace", *options, "--json").out)
    assert [(layer["name"], layer["steps"]) for layer in made["layers"]] == [("lstm", 6), ("lstm#1", 4)]
    lines = run("trace", *options, "--stats", "-f").out.splitlines()
    assert [line.partition(",")[0] for line in lines if line.startswith("lstm")] == [
        "lstm  2 sequences of 6 steps", "lstm#1  2 sequences of 4 steps",
    ]  # fmt: skip


def test_a_stack_is_run_from_one_input_without_chain(run: Run, out: Path, branching: Recorded) -> None:
    found = states(run, out, branching, *branching.give("input_layer"))
    np.testing.assert_allclose(found["lstm_1/h"], branching.arrays["lstm/lstm_1#0/h"], atol=1e-5)


def test_the_output_of_a_dense_layer_is_written(run: Run, model: Path, out: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", builders.numbers(2, 5, 3))
    run("trace", model, "-i", tmp_path / "x.npy", "-o", out, "--dtype", "float64")
    found = np.load(out)
    (_, kernel), (_, bias) = builders.dense("dense_1")
    expected = found["lstm_1/h"][:, -1] @ kernel.astype(float) + bias
    np.testing.assert_allclose(found["dense_1/y"], expected, rtol=1e-12)
