"""Tests of the connections between LSTMs, with architectures as the releases of Keras write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.builders import keras_2_weights, lstm_config, numbers, sequential, write
from support.tensorflow_builders import Object, layer, write_saved_model

import lstmdump

Found = dict[str, tuple[list[str], str]]
"""The layers that a layer follows, and how they are merged, by the name of the layer."""


def described(model: lstmdump.LoadedModel) -> Found:
    found = model.model.sources().items()
    return {"/".join(path): (["/".join(one) for one in source.layers], source.join) for path, source in found}


def sources(tmp_path: Path, config: Any, *scopes: str) -> Found:
    """Return the sources in a `.h5` with `config`, whose LSTMs of 4 units on 4 inputs have arrays in `scopes`."""
    groups: dict[str, Any] = {}
    for scope in scopes:
        groups.setdefault(scope.partition("/")[0], []).extend(keras_2_weights(scope, 4, 4))
    with lstmdump.open(write(tmp_path / "a.h5", groups, config=config)) as model:
        return described(model)


def stacked(tmp_path: Path, *between: dict[str, Any], **settings: Any) -> Found:
    """Return the sources of two LSTMs of a Sequential with layers `between` them; `settings` are for the first."""
    one = lstm_config("one", **{"return_sequences": True, **settings})
    return sources(tmp_path, sequential(one, *between, lstm_config("two")), "one", "two")


def plain(kind: str, name: str = "between", **settings: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **settings}}


FOLLOWS = {"two": (["one"], "concat")}


def test_a_layer_of_a_sequential_follows_the_previous_one(tmp_path: Path) -> None:
    assert stacked(tmp_path) == FOLLOWS


def test_a_layer_that_returns_its_last_output_only_is_not_a_source(tmp_path: Path) -> None:
    assert stacked(tmp_path, return_sequences=False) == {}


@pytest.mark.parametrize(
    "between",
    [
        plain("Dropout", rate=0.5),
        plain("SpatialDropout1D"),
        plain("GaussianNoise"),
        plain("Identity"),
        plain("Activation", activation="linear"),
        plain("TimeDistributed", layer=plain("Dropout", "inner")),
    ],
    ids=lambda config: config["class_name"],
)
def test_a_layer_without_effect_at_inference_does_not_separate_two_lstms(
    between: dict[str, Any], tmp_path: Path
) -> None:
    assert stacked(tmp_path, between) == FOLLOWS


@pytest.mark.parametrize(
    "between",
    [
        plain("Dense", units=4),
        plain("Masking", mask_value=0.0),
        plain("Activation", activation="relu"),
        plain("TimeDistributed", layer=plain("Dense", "inner")),
        plain("Lambda"),
        plain("Mine>Layer"),
        {"class_name": 5},
    ],
    ids=lambda config: str(config["class_name"]),
)
def test_any_other_layer_separates_two_lstms(between: dict[str, Any], tmp_path: Path) -> None:
    assert stacked(tmp_path, between) == {}


def test_sources_are_available_after_the_model_is_closed(tmp_path: Path) -> None:
    config = sequential(lstm_config("one", return_sequences=True), lstm_config("two"))
    path = write(tmp_path / "a.h5", {name: keras_2_weights(name, 4, 4) for name in ("one", "two")}, config=config)
    with lstmdump.open(path) as model:
        while_open = described(model)
    assert described(model) == while_open == FOLLOWS


def test_a_file_of_weights_alone_has_no_sources(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "a.h5", {"one": keras_2_weights("one")})) as model:
        assert described(model) == {}


def test_a_list_of_layers_is_a_sequential_of_older_releases(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": [lstm_config("one", return_sequences=True), lstm_config("two")]}
    assert sources(tmp_path, config, "one", "two") == FOLLOWS


def test_an_input_layer_is_ignored(tmp_path: Path) -> None:
    inner = sequential(plain("InputLayer", "start"), lstm_config("two"), name="inner")
    config = sequential(plain("InputLayer", "start"), lstm_config("one", return_sequences=True), inner)
    assert sources(tmp_path, config, "one", "inner/two") == {"inner/two": (["one"], "concat")}


def test_a_zip_archive_has_the_same_sources(tmp_path: Path) -> None:
    config = sequential(lstm_config("one", return_sequences=True), plain("Dropout"), lstm_config("two"))
    groups = {f"layers/lstm{number}/cell": builders.cell(4, 4) for number in ("", "_1")}
    with lstmdump.open(builders.keras_zip(tmp_path / "a.keras", config, groups)) as model:
        assert described(model) == FOLLOWS


# --- nested models


def test_connections_lead_into_a_nested_model_and_out_of_it(tmp_path: Path) -> None:
    inner = sequential(lstm_config("two", return_sequences=True), lstm_config("three", return_sequences=True),
                       name="inner")  # fmt: skip
    config = sequential(lstm_config("one", return_sequences=True), inner, lstm_config("four"))
    assert sources(tmp_path, config, "one", "inner/two", "inner/three", "four") == {
        "inner/two": (["one"], "concat"),
        "inner/three": (["inner/two"], "concat"),
        "four": (["inner/three"], "concat"),
    }


def test_layers_are_connected_within_a_layer_that_runs_a_model(tmp_path: Path) -> None:
    inner = sequential(lstm_config("two", return_sequences=True), lstm_config("three", return_sequences=True),
                       name="inner")  # fmt: skip
    config = sequential(lstm_config("one", return_sequences=True), plain("TimeDistributed", "td", layer=inner),
                        lstm_config("four"))  # fmt: skip
    assert sources(tmp_path, config, "one", "td/inner/two", "td/inner/three", "four") == {
        "td/inner/three": (["td/inner/two"], "concat")
    }


# --- Bidirectional and cells

HALVES = ["bi/forward_one", "bi/backward_one"]


def after_bidirectional(tmp_path: Path, *, join: Any = "concat", inner: dict[str, Any] | None = None) -> Found:
    one = lstm_config("one", return_sequences=True, go_backwards=False) if inner is None else inner
    config = sequential(plain("Bidirectional", "bi", layer=one, merge_mode=join), lstm_config("two"))
    return sources(tmp_path, config, *HALVES, "two")


@pytest.mark.parametrize("join", ["concat", "sum", "mul", "ave"])
def test_a_layer_after_a_bidirectional_reads_both_halves_merged_as_stated(join: str, tmp_path: Path) -> None:
    assert after_bidirectional(tmp_path, join=join) == {"two": (HALVES, join)}


@pytest.mark.parametrize("join", [5, ["concat"], "mean", {}])
def test_an_unknown_merge_mode_gives_no_source(join: Any, tmp_path: Path) -> None:
    assert after_bidirectional(tmp_path, join=join) == {}


def test_a_sequential_continues_with_the_first_of_two_unmerged_halves(
    tmp_path: Path,
) -> None:
    assert after_bidirectional(tmp_path, join=None) == {"two": (HALVES[:1], "concat")}


def test_halves_that_are_both_reversed_give_no_source(tmp_path: Path) -> None:
    inner = lstm_config("one", return_sequences=True, go_backwards=True)
    assert after_bidirectional(tmp_path, inner=inner) == {}


def test_both_halves_follow_the_previous_layer(tmp_path: Path) -> None:
    config = sequential(
        lstm_config("two", return_sequences=True), plain("Bidirectional", "bi", layer=lstm_config("one"))
    )
    assert sources(tmp_path, config, "two", *HALVES) == {half: (["two"], "concat") for half in HALVES}


def rnn(*names: str, **settings: Any) -> dict[str, Any]:
    cells = [lstm_config(name, kind="LSTMCell") for name in names]
    return plain("RNN", "rnn", cell=plain("StackedRNNCells", "stacked_rnn_cells", cells=cells), **settings)


def test_stacked_cells_feed_each_other_and_the_last_feeds_the_next_layer(tmp_path: Path) -> None:
    config = sequential(lstm_config("zero", return_sequences=True), rnn("one", "two", return_sequences=True),
                        lstm_config("three"))  # fmt: skip
    assert sources(tmp_path, config, "zero", "rnn/one", "rnn/two", "three") == {
        "rnn/one": (["zero"], "concat"),
        "rnn/two": (["rnn/one"], "concat"),
        "three": (["rnn/two"], "concat"),
    }


def test_stacked_cells_feed_each_other_if_only_the_last_output_is_returned(tmp_path: Path) -> None:
    config = sequential(rnn("one", "two", return_sequences=False), lstm_config("three"))
    assert sources(tmp_path, config, "rnn/one", "rnn/two", "three") == {"rnn/two": (["rnn/one"], "concat")}


def test_a_gru_is_not_a_source(tmp_path: Path) -> None:
    gru = [("one/kernel:0", numbers(4, 12)), ("one/recurrent_kernel:0", numbers(4, 12)), ("one/bias:0", numbers(12))]
    config = sequential(lstm_config("one", kind="GRU", return_sequences=True), lstm_config("two"))
    path = write(tmp_path / "a.h5", {"one": gru, "two": keras_2_weights("two", 4, 4)}, config=config)
    with lstmdump.open(path) as model:
        assert described(model) == {}


# --- functional models: the three forms of their nodes


def keras_1(*tensors: tuple[str, int]) -> Any:
    return [[name, 0, output] for name, output in tensors]


def keras_2(*tensors: tuple[str, int], **keywords: Any) -> Any:
    return [[name, 0, output, keywords] for name, output in tensors]


def keras_3(*tensors: tuple[str, int], **keywords: Any) -> Any:
    made = [{"class_name": "__keras_tensor__", "config": {"shape": [], "keras_history": [name, 0, output]}}
            for name, output in tensors]  # fmt: skip
    return {"args": made if len(made) == 1 else [made], "kwargs": {"mask": None, "training": False, **keywords}}


ALL = pytest.mark.parametrize("node", [keras_1, keras_2, keras_3])
SINCE_KERAS_2 = pytest.mark.parametrize("node", [keras_2, keras_3])


def called(config: dict[str, Any], *nodes: Any) -> dict[str, Any]:
    return {"name": config["config"]["name"], "inbound_nodes": list(nodes), **config}


def functional(*layers: dict[str, Any], name: str = "model", ends: Any = None, begins: Any = None) -> dict[str, Any]:
    entrance = called(plain("InputLayer", f"{name}_input"))
    settings = {"layers": [entrance, *layers], "input_layers": begins or [[f"{name}_input", 0, 0]],
                "output_layers": ends or [[layers[-1]["name"], 0, 0]]}  # fmt: skip
    return plain("Functional", name, **settings)


START = ("model_input", 0)


def one(**settings: Any) -> dict[str, Any]:
    return lstm_config("one", **{"return_sequences": True, **settings})


@ALL
def test_the_nodes_of_a_functional_model_give_the_sources(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(lstm_config("two"), node(("between", 0))),  # in any order
        called(plain("Dropout"), node(("one", 0))),
        called(one(), node(START)),
        ends=[["two", 0, 0]],
    )
    assert sources(tmp_path, config, "one", "two") == FOLLOWS


@ALL
def test_a_state_is_not_the_outputs_of_all_steps(node: Any, tmp_path: Path) -> None:
    config = functional(called(one(return_state=True), node(START)), called(lstm_config("two"), node(("one", 1))))
    assert sources(tmp_path, config, "one", "two") == {}


@ALL
def test_a_layer_with_a_given_initial_state_has_no_source(node: Any, tmp_path: Path) -> None:
    tensors = [("one", 0), ("one", 1), ("one", 2)]
    config = functional(called(one(return_state=True), node(START)), called(lstm_config("two"), node(*tensors)))
    assert sources(tmp_path, config, "one", "two") == {}


@SINCE_KERAS_2
def test_a_layer_with_an_initial_state_in_a_keyword_has_no_source(node: Any, tmp_path: Path) -> None:
    state = node(("one", 1), ("one", 2))
    two = called(lstm_config("two"), node(("one", 0), initial_state=state))
    assert sources(tmp_path, functional(called(one(), node(START)), two), "one", "two") == {}


@SINCE_KERAS_2
def test_a_mask_does_not_change_the_source(node: Any, tmp_path: Path) -> None:
    two = called(lstm_config("two"), node(("one", 0), mask=node(("masking", 0))))
    assert sources(tmp_path, functional(called(one(), node(START)), two), "one", "two") == FOLLOWS


@SINCE_KERAS_2
def test_a_dropout_that_is_active_at_inference_separates_two_lstms(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(one(), node(START)),
        called(plain("Dropout"), node(("one", 0), training=True)),
        called(lstm_config("two"), node(("between", 0))),
    )
    assert sources(tmp_path, config, "one", "two") == {}


@ALL
def test_a_layer_that_is_called_twice_has_no_source_and_is_not_one(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(lstm_config("zero", return_sequences=True), node(START)),
        called(one(), node(START), node(("zero", 0))),
        called(lstm_config("two"), node(("one", 0))),
    )
    assert sources(tmp_path, config, "zero", "one", "two") == {}


@ALL
def test_one_layer_can_be_the_source_of_two(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(one(), node(START)),
        called(lstm_config("two"), node(("one", 0))),
        called(lstm_config("three"), node(("one", 0))),
    )
    assert sources(tmp_path, config, "one", "two", "three") == FOLLOWS | {"three": (["one"], "concat")}


@ALL
@pytest.mark.parametrize("flat", [False, True])
def test_connections_lead_through_a_model_in_a_model(node: Any, flat: bool, tmp_path: Path) -> None:
    ends, begins = ["two", 0, 0], ["inner_input", 0, 0]
    inner = functional(
        called(lstm_config("two", return_sequences=True), node(("inner_input", 0))),
        name="inner",
        begins=begins if flat else [begins],
        ends=ends if flat else [ends],
    )
    config = functional(
        called(one(), node(START)), called(inner, node(("one", 0))), called(lstm_config("three"), node(("inner", 0)))
    )
    assert sources(tmp_path, config, "one", "inner/two", "three") == {
        "inner/two": (["one"], "concat"),
        "three": (["inner/two"], "concat"),
    }


@ALL
def test_a_model_that_is_called_twice_keeps_the_connections_within_it(node: Any, tmp_path: Path) -> None:
    inner = sequential(lstm_config("two", return_sequences=True), lstm_config("three"), name="inner")
    config = functional(called(one(), node(START)), called(inner, node(START), node(("one", 0))))
    assert sources(tmp_path, config, "one", "inner/two", "inner/three") == {"inner/three": (["inner/two"], "concat")}


@ALL
def test_the_merged_output_of_several_layers_is_not_a_source(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(one(), node(START)),
        called(plain("Concatenate"), node(("one", 0), ("one", 0))),
        called(lstm_config("two"), node(("between", 0))),
    )
    assert sources(tmp_path, config, "one", "two") == {}


# --- invalid architectures


@ALL
def test_a_cycle_gives_no_source(node: Any, tmp_path: Path) -> None:
    config = functional(
        called(plain("Dropout", "a"), node(("b", 0))),
        called(plain("Dropout", "b"), node(("a", 0))),
        called(one(), node(("a", 0))),
    )
    assert sources(tmp_path, config, "one") == {}


def test_a_layer_that_follows_itself_is_its_own_source(tmp_path: Path) -> None:
    config = functional(called(one(), keras_2(("one", 0))))
    assert sources(tmp_path, config, "one") == {"one": (["one"], "concat")}


BROKEN = [5, None, "one", [], {}, [[]], [5], [[5, 0, 0]], [["one"]], [["one", 0, "0"]], [["one", 0, 0, 5]],
          {"args": 5}, {"args": [{"class_name": "__keras_tensor__"}]}, {"args": [5], "kwargs": 5},
          {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["one"]}}]},
          {"class_name": [], "args": [{"class_name": []}]}]  # fmt: skip


@pytest.mark.parametrize("node", BROKEN, ids=str)
def test_a_node_of_another_form_gives_no_source(node: Any, tmp_path: Path) -> None:
    config = functional(called(one(), keras_2(START)), called(lstm_config("two"), node))
    assert sources(tmp_path, config, "one", "two") == {}


@pytest.mark.parametrize("nodes", [5, None, "x", {}, [], [[["one", 0, 0]]] * 3])
def test_nodes_that_are_not_a_list_or_too_many_give_no_source(nodes: Any, tmp_path: Path) -> None:
    two = called(lstm_config("two")) | {"inbound_nodes": nodes}
    assert sources(tmp_path, functional(called(one(), keras_2(START)), two), "one", "two") == {}


@pytest.mark.parametrize("ends", [5, "x", {"a": 1}, [5], [["two"]]])
def test_outputs_of_another_form_give_no_source(ends: Any, tmp_path: Path) -> None:
    inner = functional(called(one(), keras_2(("inner_input", 0))), name="inner", ends=ends, begins=ends)
    config = functional(called(inner, keras_2(START)), called(lstm_config("two"), keras_2(("inner", 0))))
    assert sources(tmp_path, config, "inner/one", "two") == {}


def test_a_long_chain_of_layers_is_followed(tmp_path: Path) -> None:
    count = 2000
    drops = [called(plain("Dropout", f"d{k}"), keras_2((f"d{k - 1}" if k else "one", 0))) for k in range(count)]
    config = functional(
        called(one(), keras_2(START)), *drops, called(lstm_config("two"), keras_2((f"d{count - 1}", 0)))
    )
    assert sources(tmp_path, config, "one", "two") == FOLLOWS


# --- layers in two models


def test_a_layer_that_two_models_share_has_no_source(tmp_path: Path) -> None:
    first = sequential(lstm_config("one", return_sequences=True), lstm_config("two"), name="m1")
    second = sequential(lstm_config("three", return_sequences=True), lstm_config("two"), name="m2")
    config = functional(called(first, keras_2(START)), called(second, keras_2(START)))
    groups = {"layers/sequential/layers/lstm/cell": builders.cell(4, 4),
              "layers/sequential/layers/lstm_1/cell": builders.cell(4, 4),
              "layers/sequential_1/layers/lstm/cell": builders.cell(4, 4)}  # fmt: skip
    with lstmdump.open(builders.keras_zip(tmp_path / "a.keras", config, groups, version="2.15.0")) as model:
        assert [lstm.name for lstm in model.lstms] == ["m1/one", "m1/two", "m2/three"]
        assert described(model) == {}


# --- SavedModels


def object_json(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "name": config["name"], "config": config}


def test_the_json_of_a_saved_model_gives_the_sources(tmp_path: Path) -> None:
    layers = {"one": layer("one/lstm_cell", 4, 4), "two": layer("two/lstm_cell", 4, 4, seed=1)}
    root = Object({f"layer-{k}": one for k, one in enumerate(layers.values())}, identifier="_tf_keras_sequential")
    configs = [lstm_config(name, return_sequences=True) for name in layers]
    metadata: dict[Object, Any] = {root: object_json("Sequential", name="model", layers=configs)}
    for name, one_layer in layers.items():
        metadata[one_layer] = object_json("LSTM", name=name)
        metadata[one_layer.children["cell"]] = object_json("LSTMCell", name="lstm_cell")  # type: ignore[index]
    with lstmdump.open(write_saved_model(tmp_path / "m", root, metadata=metadata)) as model:
        assert described(model) == FOLLOWS


def test_a_saved_model_without_json_has_no_sources(tmp_path: Path) -> None:
    root = Object({"layer-0": layer("one/lstm_cell", 4, 4), "layer-1": layer("two/lstm_cell", 4, 4, seed=1)})
    with lstmdump.open(write_saved_model(tmp_path / "m", root)) as model:
        assert described(model) == {}
