"""Tests of the names, classes and order of the layers of a `.keras` model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import builders

import lstmdump
from lstmdump.errors import CorruptModel

CELL = builders.cell()
OTHER = builders.cell(5, 2)
DENSE = [builders.numbers(4, 1), builders.numbers(1)]
KERAS_2, KERAS_3_0, KERAS_3_6 = "2.15.0", "3.0.5", "3.6.0"
lstm = builders.lstm_config


def layer(kind: str, name: str, **settings: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **settings}}


def read(
    folder: Path,
    config: Any,
    groups: dict[str, Any],
    version: str = KERAS_3_0,
    own: dict[str, str] | None = None,
) -> list[tuple[str, str, int]]:
    """Return the name, class and units of each LSTM."""
    with lstmdump.open(builders.keras_zip(folder / "m.keras", config, groups, own, version)) as model:
        return [(one.name, one.kind, one.units) for one in model.lstms]


def names(*arguments: Any) -> list[str]:
    return [name for name, _, _ in read(*arguments)]


def test_the_kth_group_of_a_class_is_its_kth_layer(tmp_path: Path) -> None:
    config = builders.sequential(lstm("zeta"), layer("Dense", "lstm"), lstm("alpha", 2))
    groups = {"layers/lstm/cell": CELL, "layers/lstm_1/cell": OTHER, "layers/dense": DENSE}
    assert read(tmp_path, config, groups) == [("zeta", "LSTM", 4), ("alpha", "LSTM", 2)]


def test_groups_are_ordered_by_number(tmp_path: Path) -> None:
    config = builders.sequential(*(lstm(f"n{k}") for k in range(12)))
    groups = {f"layers/lstm{f'_{k}' if k else ''}/cell": CELL for k in range(12)}
    assert names(tmp_path, config, groups) == [f"n{k}" for k in range(12)]


def test_numbers_that_count_layers_twice_are_matched(tmp_path: Path) -> None:
    config = builders.sequential(*(lstm(f"n{k}") for k in range(7)))
    groups = {f"_layer_checkpoint_dependencies/lstm{f'_{2 * k}' if k else ''}/cell": CELL for k in range(7)}
    assert names(tmp_path, config, groups, "2.12.0") == [f"n{k}" for k in range(7)]


def test_the_order_is_that_of_the_configuration(tmp_path: Path) -> None:
    config = builders.sequential(
        layer("Bidirectional", "b", layer=lstm("forward_x"), backward_layer=lstm("y")), lstm("a")
    )
    groups = {"layers/lstm/cell": CELL} | {
        f"layers/bidirectional/{way}_layer/cell": CELL for way in ("backward", "forward")
    }
    assert names(tmp_path, config, groups) == ["b/forward_x", "b/y", "a"]


def test_keras_2_names_both_directions_itself(tmp_path: Path) -> None:
    config = builders.sequential(layer("Bidirectional", "b", layer=lstm("x"), backward_layer=lstm("y")))
    groups = {f"layers/bidirectional/{way}_layer/cell": CELL for way in ("backward", "forward")}
    assert names(tmp_path, config, groups, KERAS_2) == ["b/forward_x", "b/backward_y"]


def test_a_layer_of_a_custom_class_keeps_its_class(tmp_path: Path) -> None:
    config = builders.sequential(lstm("own", kind="zoo>MyLSTM"), lstm("usual"))
    groups = {"layers/my_lstm/cell": CELL, "layers/lstm/cell": CELL}
    assert read(tmp_path, config, groups) == [("own", "MyLSTM", 4), ("usual", "LSTM", 4)]


def test_a_custom_class_can_hold_arrays_of_its_own(tmp_path: Path) -> None:
    config = builders.sequential(lstm("own", kind="zoo>MyLSTM"))
    with lstmdump.open(
        builders.keras_zip(tmp_path / "m.keras", config, {"layers/my_lstm": DENSE, "layers/my_lstm/cell": CELL})
    ) as model:
        assert (model.lstms[0].parameters, model.model.parameters) == (128, 128 + 5)


def test_a_layer_within_a_custom_class_is_named_after_its_attribute(tmp_path: Path) -> None:
    config = builders.sequential(layer("zoo>Holder", "hold"))
    assert names(tmp_path, config, {"layers/holder/inner_lstm/cell": CELL}) == ["hold/inner_lstm"]


def test_a_layer_within_a_custom_class_has_the_name_in_the_file(tmp_path: Path) -> None:
    config = builders.sequential(layer("zoo>Holder", "hold"))
    own = {"layers/holder": "hold", "layers/holder/inner_lstm": "mine"}
    assert names(tmp_path, config, {"layers/holder/inner_lstm/cell": CELL}, KERAS_3_6, own) == ["hold/mine"]


def test_a_layer_within_a_custom_class_has_the_name_in_its_configuration(tmp_path: Path) -> None:
    config = builders.sequential(layer("zoo>Keeper", "keep", rnn=lstm("kept")))
    assert read(tmp_path, config, {"layers/keeper/rnn/cell": CELL}) == [("keep/kept", "LSTM", 4)]


def test_the_only_cell_of_a_layer_is_named_after_the_layer(tmp_path: Path) -> None:
    config = builders.sequential(layer("RNN", "r", cell=lstm("lstm_cell_3", kind="LSTMCell")))
    assert read(tmp_path, config, {"layers/rnn/cell": CELL}) == [("r", "LSTMCell", 4)]


def test_stacked_cells_have_paths_without_the_stack(tmp_path: Path) -> None:
    cells = [lstm("first", kind="LSTMCell"), layer("GRUCell", "g"), lstm("last", 2, kind="LSTMCell")]
    config = builders.sequential(layer("RNN", "r", cell=layer("StackedRNNCells", "stacked_rnn_cells_1", cells=cells)))
    stack = "layers/rnn/cell/cells"
    groups = {f"{stack}/lstm_cell": CELL, f"{stack}/gru_cell": [builders.numbers(4, 9)], f"{stack}/lstm_cell_1": OTHER}
    assert names(tmp_path, config, groups) == ["r/first", "r/last"]


def test_layers_of_models_within_models_are_matched(tmp_path: Path) -> None:
    inner = builders.sequential(lstm("deep"), name="inner")
    config = builders.sequential(
        layer("TimeDistributed", "each", layer=inner), builders.sequential(lstm("deep", 2), name="b")
    )
    groups = {
        "layers/time_distributed/layer/layers/lstm/cell": CELL,
        "layers/sequential/layers/lstm/cell": OTHER,
    }
    assert names(tmp_path, config, groups) == ["each/inner/deep", "b/deep"]


def two(first: list[Any], second: list[Any]) -> dict[str, Any]:
    return builders.sequential(builders.sequential(*first, name="m1"), builders.sequential(*second, name="m2"))


SHARED = {
    "layers/sequential/layers/lstm/cell": CELL,
    "layers/sequential/layers/lstm_1/cell": CELL,
}


def test_a_shared_layer_is_stored_once_and_counted_once_by_keras_2(tmp_path: Path) -> None:
    config = two([lstm("sh"), lstm("a")], [lstm("sh"), lstm("b", 2)])
    groups = SHARED | {"layers/sequential_1/layers/lstm/cell": OTHER}  # its number does not count the shared layer
    assert names(tmp_path, config, groups, KERAS_2) == ["m1/sh", "m1/a", "m2/b"]


def test_a_shared_layer_is_stored_once_and_counted_twice_by_keras_3(tmp_path: Path) -> None:
    config = two([lstm("sh"), lstm("a")], [lstm("sh"), lstm("b", 2)])
    groups = SHARED | {"layers/sequential_1/layers/lstm_1/cell": OTHER}
    assert names(tmp_path, config, groups, KERAS_3_0) == ["m1/sh", "m1/a", "m2/b"]


def test_equal_layers_are_not_shared_if_both_are_stored(tmp_path: Path) -> None:
    config = two([lstm("sh"), lstm("a")], [lstm("sh"), lstm("a")])
    groups = SHARED | {path.replace("sequential", "sequential_1"): CELL for path in SHARED}
    assert names(tmp_path, config, groups) == ["m1/sh", "m1/a", "m2/sh", "m2/a"]


def test_a_model_of_a_custom_class_lists_no_layers(tmp_path: Path) -> None:
    config = {"class_name": "zoo>Mine", "config": {"units": 4}}
    with lstmdump.open(builders.keras_zip(tmp_path / "m.keras", config, {"enc/cell": CELL})) as model:
        assert ([one.name for one in model.lstms], model.model.notes[0]) == (
            ["enc"],
            "found by shape: the configuration lists no layers",
        )


def test_a_layer_without_a_name_in_its_configuration_counts(tmp_path: Path) -> None:
    nameless = {"class_name": "zoo>Mine", "config": {"units": 4}}
    config = builders.sequential(nameless, layer("zoo>Mine", "second"))
    groups = {"layers/mine/a/cell": CELL, "layers/mine_1/a/cell": CELL}
    assert names(tmp_path, config, groups) == ["mine/a", "second/a"]


# --- invalid files


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lstm("only", 5), "on the units of only: 5 by the configuration, 4 by the arrays"),
        (lstm("only", use_bias=False), "on the bias of only: none by the configuration, one by the arrays"),
    ],
)
def test_a_configuration_of_another_size_is_refused(tmp_path: Path, config: Any, words: str) -> None:
    with pytest.raises(CorruptModel, match=words):
        read(tmp_path, builders.sequential(config), {"layers/lstm/cell": CELL})


def test_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    arrays = [builders.numbers(3, 12), builders.numbers(4, 12), builders.numbers(12)]
    with pytest.raises(CorruptModel, match="on the columns of only: 16 by the configuration, 12 by the arrays"):
        read(tmp_path, builders.sequential(lstm("only")), {"layers/lstm/cell": arrays})


@pytest.mark.parametrize("groups", [{"layers/dense": DENSE}, {"layers/dense": DENSE, "layers/lstm/cell": []}])
def test_an_lstm_without_arrays_is_refused(tmp_path: Path, groups: dict[str, Any]) -> None:
    config = builders.sequential(lstm("lost"), layer("Dense", "dense"))
    with pytest.raises(CorruptModel, match="names an LSTM layer lost, but no arrays are stored for it"):
        read(tmp_path, config, groups)


@pytest.mark.parametrize("units", [[], {"class_name": "x"}, None, "4"])
def test_units_that_are_not_a_number_are_ignored(units: Any, tmp_path: Path) -> None:
    assert read(tmp_path, builders.sequential(lstm("only", units=units)), {"layers/lstm/cell": CELL}) == [
        ("only", "LSTM", 4)
    ]


def test_a_model_that_was_never_built_has_no_lstms(tmp_path: Path) -> None:
    assert names(tmp_path, builders.sequential(lstm("only")), {"layers/lstm/cell": []}) == []
