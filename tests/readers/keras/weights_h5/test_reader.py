from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits
from lstmdump.readers import declared_sizes

CELL = builders.cell()
ADAM = [np.int64(3), np.float32(0.001), *CELL, *CELL]


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.name for lstm in model.lstms]


def total(path: Path) -> int | None:
    with lstmdump.open(path) as model:
        return model.model.parameters


def test_a_layer_without_a_name_is_named_after_its_group(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL, "layers/lstm_1/cell": CELL})
    assert names(path) == ["lstm", "lstm_1"]


def test_layers_are_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    groups = {f"layers/{group}/cell": CELL for group in ("lstm_2", "gate", "lstm_10", "bidirectional/forward_layer")}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups)) == [
        "lstm_2", "gate", "lstm_10", "bidirectional/forward_layer",
    ]  # fmt: skip


def test_a_forward_layer_precedes_the_backward_one_although_keras_3_writes_it_after(tmp_path: Path) -> None:
    groups = {f"layers/bidirectional/{way}_layer/cell": CELL for way in ("backward", "forward")}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups)) == [
        "bidirectional/forward_layer", "bidirectional/backward_layer",
    ]  # fmt: skip


def test_a_name_in_the_file_is_preferred(tmp_path: Path) -> None:
    own = {"": "model", "layers/lstm": "zeta", "layers/lstm/cell": "lstm_cell"}
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL}, own)
    assert names(path) == ["zeta"]


def test_lists_are_not_named_if_layers_are(tmp_path: Path) -> None:
    own = {"blocks/lstm": "first", "blocks/lstm_1": "second"}
    groups = {"blocks/lstm/cell": CELL, "blocks/lstm_1/cell": CELL}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups, own)) == ["first", "second"]


def test_attributes_of_a_subclassed_model_are_names_if_none_are_stored(tmp_path: Path) -> None:
    groups = {"enc/cell": CELL, "blocks/lstm/cell": CELL, "blocks/lstm_1/cell": CELL, "cell": CELL}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups)) == ["enc", "blocks/lstm", "blocks/lstm_1", "cell"]


def test_cells_in_a_stack_have_different_names(tmp_path: Path) -> None:
    groups = {"layers/rnn/cell/cells/lstm_cell": CELL, "layers/rnn/cell/cells/lstm_cell_1": CELL}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups)) == ["rnn/lstm_cell", "rnn/lstm_cell_1"]


def test_a_cell_with_a_name_of_its_own_keeps_it(tmp_path: Path) -> None:
    own = {"layers/rnn": "r", "layers/rnn/cell": "mine"}
    assert names(builders.saved(tmp_path / "a.weights.h5", {"layers/rnn/cell": CELL}, own)) == ["r/mine"]


def test_cells_within_a_cell_are_read(tmp_path: Path) -> None:
    path = builders.saved(
        tmp_path / "a.weights.h5", {"layers/rnn/cell/lstm_cell": CELL, "layers/rnn/cell/proj": CELL[2:]}
    )
    assert (names(path), total(path)) == (["rnn/lstm_cell"], 128 + 16)


def test_layers_of_one_name_are_named_by_their_paths(tmp_path: Path) -> None:
    own = {"left": "same", "right": "same"}
    groups = {"left/cell": CELL, "right/cell": CELL}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups, own)) == ["same", "right/cell"]


def test_backslashes_of_windows_separate_groups(tmp_path: Path) -> None:
    groups = {"layers\\lstm\\cell": CELL, "layers\\dense": [builders.numbers(4, 1), builders.numbers(1)]}
    path = builders.saved(tmp_path / "a.weights.h5", groups)
    assert (names(path), total(path)) == (["lstm"], 128 + 5)


def test_the_double_numbers_of_keras_2_12_are_read(tmp_path: Path) -> None:
    top = "_layer_checkpoint_dependencies"
    path = builders.saved(tmp_path / "a.weights.h5", {f"{top}/lstm/cell": CELL, f"{top}/lstm_2/cell": CELL})
    with lstmdump.open(path) as model:
        assert ([lstm.name for lstm in model.lstms], model.producer) == (["lstm", "lstm_2"], "keras 2.12 to 2.14")


def test_an_lstm_is_identified_by_shape_with_a_note(tmp_path: Path) -> None:
    with lstmdump.open(builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL})) as model:
        assert model.model.notes[0] == "found by shape: the file holds no layer classes"


def test_a_bias_of_double_length_is_that_of_cudnn(tmp_path: Path) -> None:
    arrays = [*CELL[:2], builders.numbers(32)]
    with lstmdump.open(builders.saved(tmp_path / "a.weights.h5", {"layers/cu_dnnlstm": arrays})) as model:
        assert [lstm.kind for lstm in model.lstms] == ["CuDNNLSTM"]


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 12), (4, 12), (2, 12)],  # GRU
        [(3, 4), (4, 4), (4,)],  # SimpleRNN
        [(3, 3, 3, 16), (3, 3, 4, 16), (16,)],  # ConvLSTM2D
        [(3, 16), (16,)],  # Dense
        [(3, 16), (5, 16), (16,)],
        [(0, 0), (0, 0), (0,)],
    ],
)
def test_other_layers_are_not_lstms(tmp_path: Path, shapes: list[tuple[int, ...]]) -> None:
    groups = {"layers/lstm/cell": [builders.numbers(*shape) for shape in shapes]}
    assert names(builders.saved(tmp_path / "a.weights.h5", groups)) == []


@pytest.mark.parametrize("arrays", [ADAM, ADAM[:1] + ADAM[2:]])  # Keras 2 stores no learning rate
@pytest.mark.parametrize("group", ["optimizer", "metrics/mean", "other_optimizer", "opt"])
def test_optimizers_are_neither_layers_nor_parameters(tmp_path: Path, group: str, arrays: list[np.ndarray]) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL, group: arrays})
    assert (names(path), total(path)) == (["lstm"], 128)


def test_seeds_and_metrics_are_not_parameters(tmp_path: Path) -> None:
    groups = {
        "layers/lstm/cell": CELL,
        "layers/lstm/cell/seed_generator": [np.zeros(2, np.uint32)],
        "loss_tracker": [np.float32(0), np.float32(0)],
    }
    assert total(builders.saved(tmp_path / "a.weights.h5", groups)) == 128


def test_the_layer_that_a_bidirectional_of_keras_2_copied_is_not_a_layer(tmp_path: Path) -> None:
    groups = {f"layers/bidirectional/{layer}/cell": CELL for layer in ("layer", "forward_layer", "backward_layer")}
    assert total(builders.saved(tmp_path / "a.weights.h5", groups)) == 2 * 128


def test_arrays_are_sorted_by_number(tmp_path: Path) -> None:
    extra = {number: builders.numbers(1, seed=number) for number in range(3, 12)}
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": dict(enumerate(CELL)) | extra})
    with lstmdump.open(path) as model:
        assert [weight.tensor.name[-2:] for weight in model.lstms[0].weights] == ["/0", "/1", "/2"]


def test_two_byte_numbers_are_bfloat16(tmp_path: Path) -> None:
    halves = [np.ascontiguousarray(array).view("<u4") >> 16 for array in CELL]
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": [h.astype("<u2").view("V2") for h in halves]})
    with lstmdump.open(path) as model:
        kept = (halves[2] << 16).astype("<u4").view("<f4")[:4]
        np.testing.assert_array_equal(model.lstms[0].gates["i"].b.read(), kept)


def test_unmarked_two_byte_numbers_are_refused_if_keras_3_would_mark_them(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/dense": [np.zeros((3, 4), "V2")]}, {"": "model"})
    with pytest.raises(CorruptModel, match="two-byte numbers, and the file does not state their type"):
        lstmdump.open(path)


# --- invalid files


def test_a_gap_in_the_numbers_is_a_missing_array(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": {0: CELL[0], 2: CELL[2]}})
    with pytest.raises(CorruptModel, match="layers/lstm/cell/vars holds arrays up to number 2, but not number 1"):
        lstmdump.open(path)


def test_a_group_that_contains_itself_is_refused(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL})
    builders.change(path, lambda file: file["layers/lstm"].__setitem__("again", file["layers"]))
    with pytest.raises(CorruptModel, match="contains itself"), lstmdump.open(path):
        pass


def test_groups_are_nested_up_to_the_limit(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/" + "/".join("abcdefgh"): CELL})
    with lstmdump.open(path, limits=Limits(nesting=9)) as model:
        assert [lstm.name for lstm in model.lstms] == ["a/b/c/d/e/f/g/h"]
    with pytest.raises(RefusedModel, match=r"groups are nested more than 8 deep; .*nesting=16\) allows it"):
        lstmdump.open(path, limits=Limits(nesting=8))


def test_groups_nested_deeper_than_python_can_follow_are_refused(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/" + "/".join("a" * 1500): CELL})
    with pytest.raises(RefusedModel, match="nested more deeply than can be read"):
        lstmdump.open(path, limits=Limits(nesting=10_000, name_length=10_000))


def test_groups_with_two_names_are_counted(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {f"layers/lstm_{number}/cell": CELL for number in range(5)})
    builders.change(
        path, lambda file: file.__setitem__("layers/lstm_0/cell/vars/again", file["layers/lstm_1/cell/vars/0"])
    )
    with pytest.raises(RefusedModel, match=r"more than 12 (links|arrays)"):
        lstmdump.open(path, limits=Limits(objects=12))


def test_a_link_out_of_the_file_is_refused(tmp_path: Path) -> None:
    path = builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": CELL})
    builders.change(path, lambda file: file.__setitem__("layers/lstm_1", h5py.ExternalLink("b.h5", "/x")))
    with pytest.raises(RefusedModel, match="layers/lstm_1 is a soft or external link"), lstmdump.open(path):
        pass


def test_other_hdf5_with_links_is_not_a_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(3)
        file["link"] = h5py.SoftLink("/data")
    with pytest.raises(lstmdump.errors.UnknownFormat, match="not a Keras model"), lstmdump.open(tmp_path / "a.h5"):
        pass


KERNEL, RECURRENT, BIAS = builders.cell()  # 3·16, 4·16 and 16 numbers of 4 bytes
BYTES = 4 * (48 + 64 + 16)
CELL_VARS = "/layers/lstm/cell/vars"


def spread(folder: Path, weight_map: Any, size: Any = BYTES) -> Path:
    """Write a cell in two shards, the second of which has all arrays but the kernel."""
    builders.saved(folder / "x_00000.weights.h5", {"layers/lstm/cell": {0: KERNEL}}, {"layers/lstm": "only"})
    builders.saved(folder / "x_00001.weights.h5", {"layers/lstm/cell": {1: RECURRENT, 2: BIAS}})
    index = folder / "x.weights.json"
    index.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}))
    return index


def refuse(path: Path, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), lstmdump.open(path):
        pass


def test_a_layer_can_be_split_into_two_shards(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    with lstmdump.open(index) as model:
        assert [(lstm.name, lstm.parameters) for lstm in model.lstms] == [("only", 128)]


def test_a_directory_that_holds_one_list_of_shards_is_that_model(tmp_path: Path) -> None:
    spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    with lstmdump.open(tmp_path) as model:
        assert [(lstm.name, lstm.parameters) for lstm in model.lstms] == [("only", 128)]


def test_a_directory_that_holds_two_lists_of_shards_is_no_one_model(tmp_path: Path) -> None:
    spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    (tmp_path / "y.weights.json").write_text("{}")
    refuse(tmp_path, lstmdump.errors.UnknownFormat, "a directory, but not a model")


def test_the_format_and_the_producer_are_reported(tmp_path: Path) -> None:
    with lstmdump.open(spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})) as model:
        assert (model.format, model.producer) == ("keras-weights-h5", "keras 3.10 or later")


def test_a_shard_that_keras_3_10_omitted_from_its_list_is_read(tmp_path: Path) -> None:
    with lstmdump.open(spread(tmp_path, {CELL_VARS: "x_00000.weights.h5"})) as model:
        assert model.model.parameters == 128


def test_a_missing_shard_that_is_not_listed_is_reported(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL_VARS: "x_00000.weights.h5"})
    (tmp_path / "x_00001.weights.h5").unlink()
    refuse(index, CorruptModel, "states 512 bytes of arrays, but the files beside it hold 192")


def test_a_missing_shard_that_is_listed_is_reported(tmp_path: Path) -> None:
    refuse(
        spread(tmp_path, {CELL_VARS: "x_00002.weights.h5"}),
        CorruptModel,
        "lists x_00002.weights.h5, which is missing",
    )


@pytest.mark.parametrize(
    "name", ["../x.h5", "/etc/passwd", "a/b.h5", "a\\b.h5", "..", "", "c:x.h5", "a\nb", 3, None, {}]
)
def test_a_shard_in_another_directory_is_never_opened(tmp_path: Path, name: Any) -> None:
    refuse(spread(tmp_path, {CELL_VARS: [name]}), (RefusedModel, CorruptModel), "not a file beside it|does not list")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["many", None, -1, {}])
def test_an_invalid_size_is_ignored(tmp_path: Path, size: Any) -> None:
    with lstmdump.open(spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]}, size)) as model:
        assert model.model.parameters == 128


def test_an_array_in_two_shards_is_refused(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    builders.saved(tmp_path / "x_00001.weights.h5", {"layers/lstm/cell": [KERNEL, RECURRENT, BIAS]})
    refuse(index, CorruptModel, "layers/lstm/cell/vars/0 is stored in more than one shard")


def test_the_error_for_a_single_shard_names_the_list(tmp_path: Path) -> None:
    index = spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    refuse(tmp_path / "x_00001.weights.h5", lstmdump.errors.UnknownFormat, f"give {index.name}, which lists them")


def test_a_shard_without_its_list_is_read_with_a_note(tmp_path: Path) -> None:
    spread(tmp_path, {}).unlink()
    with lstmdump.open(tmp_path / "x_00000.weights.h5") as model:
        assert "layers and arrays may be missing" in model.model.notes[0]


def test_a_shard_that_lacks_the_first_array_of_a_layer_is_not_read_alone(tmp_path: Path) -> None:
    spread(tmp_path, {}).unlink()
    refuse(tmp_path / "x_00001.weights.h5", CorruptModel, "but not number 0")


def test_an_index_of_safetensors_is_not_read_as_one_of_keras(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"metadata": {"total_size": 4}, "weight_map": {"lstm.weight": "x.safetensors"}}')
    refuse(tmp_path / "x.json", lstmdump.errors.UnknownFormat, "JSON text")


def test_declared_sizes_of_shards_are_compared_with_their_total_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = spread(tmp_path, {CELL_VARS: ["x_00000.weights.h5", "x_00001.weights.h5"]})
    monkeypatch.setattr(declared_sizes, "FREE", -sum(path.stat().st_size for path in tmp_path.glob("*.h5")) + BYTES)
    with lstmdump.open(index, limits=Limits(unfolding=1)):
        pass
    monkeypatch.setattr(declared_sizes, "FREE", declared_sizes.FREE - 1)
    with (
        pytest.raises(RefusedModel, match="its arrays declare 512 bytes"),
        lstmdump.open(index, limits=Limits(unfolding=1)),
    ):
        pass
