"""Files of `torch.save`: which arrays are the model's, what lies beside them, and the numbers, whatever their strides."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.call_counts import count_more
from support.pytorch_builders import (
    ORDERED,
    Call,
    Name,
    New,
    Persistent,
    Stored,
    bytes_of,
    lstm,
    memoized,
    pickled,
    state_dict,
    write_archive,
    write_legacy,
    write_safetensors,
)

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnreadableModel, UnsupportedFormat
from lstmdump.report.facts import describe

GATES = builders.gates(3, 4)


def write(path: Path, value: Any = None, **options: Any) -> Path:
    """Write an archive of the state dict of one LSTM, or of `value` with its arrays."""
    made, storages = state_dict(lstm())
    return write_archive(path, made if value is None else value(made), storages, **options)


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [layer.name for layer in model.lstms]


def notes(path: Path) -> tuple[str, ...]:
    with lstmdump.open(path) as model:
        return describe(model).notes


def others(path: Path) -> dict[str, tuple[tuple[int, ...], bool]]:
    with lstmdump.open(path) as model:
        return {one.tensor: (one.shape, one.counted) for one in describe(model).others}


def values(path: Path, name: str) -> np.ndarray:
    with lstmdump.open(path) as model:
        return next(tensor for tensor in model.model.tensors() if tensor.name == name).read()


def assert_gates(path: Path) -> None:
    with lstmdump.open(path) as model:
        (layer,) = model.lstms
        for gate in "ifco":
            for array in "WUb":
                np.testing.assert_array_equal(getattr(layer.gates[gate], array).read(), GATES[f"{array}_{gate}"])


# Containers


def test_a_state_dict_is_read_from_an_archive(tmp_path: Path) -> None:
    assert_gates(write(tmp_path / "m.pt"))


def test_a_state_dict_is_read_from_five_pickles(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    counted = {key: (len(data) // 4, data) for key, data in storages.items()}
    assert_gates(write_legacy(tmp_path / "m.pth", made, counted))


def test_the_folder_in_the_archive_may_have_any_name(tmp_path: Path) -> None:
    assert_gates(write(tmp_path / "m.pt", folder="weights of\tmine"))


def test_an_archive_of_old_releases_states_no_byte_order(tmp_path: Path) -> None:
    assert_gates(write(tmp_path / "m.pt", byteorder=None))


@pytest.mark.parametrize("legacy", [False, True])
def test_numbers_of_a_big_endian_machine_are_turned(legacy: bool, tmp_path: Path) -> None:
    made, _ = state_dict(lstm())
    storages = {str(at): bytes_of(array, order=">") for at, array in enumerate(lstm().values())}
    if legacy:
        counted = {key: (len(data) // 4, data) for key, data in storages.items()}
        assert_gates(write_legacy(tmp_path / "m.pth", made, counted, little=False))
    else:
        assert_gates(write_archive(tmp_path / "m.pt", made, storages, byteorder="big"))


def test_a_legacy_file_with_long_pickles_is_read(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    counted = {key: (len(data) // 4, data) for key, data in storages.items()}
    text = {"text": "x" * 300_000}
    assert_gates(write_legacy(tmp_path / "m.pth", {"state_dict": made, "hyper_parameters": text}, counted))


def test_a_storage_that_is_a_part_of_another_counts_from_its_first_element(tmp_path: Path) -> None:
    part = Persistent(("storage", Name("torch", "FloatStorage"), "0", "cpu", 10, ("1", 4, 6)))
    value = {"a.b": Call(Name("torch._utils", "_rebuild_tensor"), (part, 1, (2,), (3,)))}
    path = write_legacy(tmp_path / "m.pth", value, {"0": (10, bytes_of(np.arange(10)))})
    assert values(path, "a.b").tolist() == [5, 8]  # elements 4 + 1, and 3 further on


def test_a_closed_model_gives_no_numbers(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "m.pt")) as model:
        kernel = model.lstms[0].gates["i"].W
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        kernel.read()


# What is the model


PREFIXED = {"model_state_dict", "net", "weights"}


@pytest.mark.parametrize("entry", ["state_dict", "model_state_dict", "net"])
def test_the_state_dict_is_found_among_other_things(entry: str, tmp_path: Path) -> None:
    assert names(write(tmp_path / "m.pt", lambda made: {"epoch": 3, entry: made, "loss": 0.5})) == ["l0"]


def test_several_state_dicts_are_called_by_their_entries(tmp_path: Path) -> None:
    arrays = {f"{name}.{leaf}": array for name in ("encoder", "decoder") for leaf, array in lstm().items()}
    made, storages = state_dict(arrays)
    value = {name: {leaf: made[f"{name}.{leaf}"] for leaf in lstm()} for name in ("encoder", "decoder")}
    assert names(write_archive(tmp_path / "m.pt", value, storages)) == ["encoder/l0", "decoder/l0"]


def test_the_name_of_the_network_in_a_lightning_module_is_left_out(tmp_path: Path) -> None:
    def lightning(made: dict[str, Stored]) -> Any:
        return {"state_dict": {f"model.{name}": one for name, one in made.items()}, "epoch": 1}

    assert names(write(tmp_path / "m.ckpt", lightning)) == ["l0"]


def test_a_lightning_module_with_other_parts_keeps_all_names(tmp_path: Path) -> None:
    made, storages = state_dict({**lstm(prefix="model.lstm."), "loss.weight": builders.numbers(2)})
    path = write_archive(tmp_path / "m.ckpt", {"state_dict": made}, storages)
    assert names(path) == ["model/lstm/l0"]


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_wrappers_are_no_part_of_a_name(wrapper: str, tmp_path: Path) -> None:
    made, storages = state_dict(lstm(prefix=f"{wrapper}lstm."))
    assert names(write_archive(tmp_path / "m.pt", made, storages)) == ["lstm/l0"]


def test_states_of_an_optimizer_lie_beside_the_weights(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    states = {0: {"step": 3, "exp_avg": Stored("e", (16, 3)), "exp_avg_sq": Stored("s", (16,))}}
    optimizer = [{"state": states, "param_groups": [{"lr": 0.1}]}]
    value = {"state_dict": made, "optimizer_states": optimizer}
    path = write_archive(tmp_path / "m.ckpt", value, {**storages, "e": bytes(192), "s": bytes(64)})
    place = "optimizer_states.0.state.0"
    assert others(path) == {f"{place}.exp_avg": ((16, 3), False), f"{place}.exp_avg_sq": ((16,), False)}
    assert notes(path)[1] == "beside 4 weights: optimizer_states (64)"  # 16·3 + 16
    with lstmdump.open(path) as model:
        assert model.model.parameters == 4 * (3 * 4 + 4 * 4 + 2 * 4)


def test_other_arrays_are_counted_and_listed(tmp_path: Path) -> None:
    made, storages = state_dict({**lstm(), "head.weight": builders.numbers(2, 4), "head.bias": builders.numbers(2)})
    path = write_archive(tmp_path / "m.pt", made, storages)
    assert others(path) == {"head.weight": ((2, 4), True), "head.bias": ((2,), True)}
    with lstmdump.open(path) as model:
        assert model.model.parameters == 4 * (3 * 4 + 4 * 4 + 2 * 4) + 2 * 4 + 2


def test_an_array_with_two_names_is_counted_once(tmp_path: Path) -> None:
    made, storages = state_dict({"embedding.weight": builders.numbers(5, 3), "a.bias": builders.numbers(2)})
    made |= {"head.weight": made["embedding.weight"], "head.bias": made["a.bias"]._replace(shape=(1,), numel=2)}
    path = write_archive(tmp_path / "m.pt", made, storages)
    with lstmdump.open(path) as model:
        assert model.model.parameters == 5 * 3 + 2 + 1
    assert "head/weight: stored arrays that other names have, too; the total counts them once" in notes(path)


def test_a_layer_with_two_names_is_listed_once(tmp_path: Path) -> None:
    made, storages = state_dict(lstm(prefix="encoder."))
    both = made | {name.replace("encoder", "decoder"): one for name, one in made.items()}
    path = write_archive(tmp_path / "m.pt", both, storages)
    assert names(path) == ["encoder/l0"]
    assert "decoder/l0 has the very arrays of encoder/l0, and is listed as that" in notes(path)


def module(kind: str, parameters: dict[str, Any], modules: dict[str, Any] | None = None, **state: Any) -> New:
    package, _, name = kind.rpartition(".")
    whole = {"training": True, "_parameters": parameters, "_buffers": {}, "_modules": modules or {}, **state}
    return New(Name(package, name), whole)


def test_a_whole_module_states_its_classes(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    net = module("__main__.Net", {}, {"encoder": module("torch.nn.modules.rnn.LSTM", made)})
    path = write_archive(tmp_path / "m.pt", net, storages)
    with lstmdump.open(path) as model:
        (layer,) = model.lstms
        assert (layer.name, layer.kind, layer.kind_stated) == ("encoder/l0", "LSTM", True)
    assert notes(path) == ()


def test_a_parameter_is_the_array_in_it(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    wrapped = {
        name: Call(Name("torch._utils", "_rebuild_parameter"), (one, True, ORDERED)) for name, one in made.items()
    }
    assert_gates(write_archive(tmp_path / "m.pt", module("torch.nn.modules.rnn.LSTM", wrapped), storages))


def test_a_class_of_the_user_has_a_note(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    path = write_archive(tmp_path / "m.pt", module("__main__.MyLSTM", made), storages)
    assert notes(path) == (
        (
            "l0: MyLSTM is a class of its own, which may compute more than an LSTM: the order of its gates is assumed to be "
            "that of PyTorch"
        ),
    )


def test_a_whole_module_states_that_steps_come_first(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    path = write_archive(tmp_path / "m.pt", module("torch.nn.modules.rnn.LSTM", made, batch_first=False), storages)
    with lstmdump.open(path) as model:
        assert model.lstms[0].settings.time_major is True


def test_buffers_that_are_not_saved_in_state_dicts_are_left_out(tmp_path: Path) -> None:
    made, storages = state_dict({"a": builders.numbers(2), "b": builders.numbers(3)})
    hidden = {"_buffers": made, "_non_persistent_buffers_set": Call(Name("builtins", "set"), (["b"],))}
    path = write_archive(tmp_path / "m.pt", module("__main__.Net", {}, **hidden), storages)
    assert others(path) == {"a": ((2,), True)}


def test_the_modules_of_a_script_have_the_names_of_their_attributes(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    repeated = Call(Name("torch.jit._pickle", "build_tensorlist"), (list(made.values()),))
    inner = New(Name("__torch__.torch.nn.modules.rnn.___torch_mangle_3", "LSTM"), {**made, "_flat_weights": repeated})
    value = New(Name("__torch__", "Net"), {"training": True, "encoder": inner})
    path = write_archive(tmp_path / "m.pt", value, storages, others={"constants.pkl": pickled(())})
    with lstmdump.open(path) as model:
        (layer,) = model.lstms
        assert (layer.name, layer.kind, model.producer) == ("encoder/l0", "LSTM", "pytorch (torchscript)")
    assert notes(path) == ()


def test_a_cell_that_is_the_whole_model_is_called_cell(tmp_path: Path) -> None:
    made, storages = state_dict(lstm(number=""))
    path = write_archive(tmp_path / "m.pt", made, storages)
    with lstmdump.open(path) as model:
        assert [(layer.name, layer.kind) for layer in model.lstms] == [("cell", "LSTMCell")]


def test_layers_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = {name: array for number in (10, 2, 1, 0) for name, array in lstm(4, 4, number=f"_l{number}").items()}
    made, storages = state_dict(arrays)
    assert names(write_archive(tmp_path / "m.pt", made, storages)) == ["l0", "l1", "l2", "l10"]


@pytest.mark.parametrize(("gates", "kind"), [(3, "a GRU"), (1, "an RNN")])
def test_other_recurrent_layers_are_named(gates: int, kind: str, tmp_path: Path) -> None:
    rows = gates * 4
    arrays = {"rnn.weight_ih_l0": builders.numbers(rows, 3), "rnn.weight_hh_l0": builders.numbers(rows, 4)}
    made, storages = state_dict(arrays)
    path = write_archive(tmp_path / "m.pt", made, storages)
    assert notes(path) == (f"no LSTM layer; it has rnn/l0 (arrays of {kind})",)


def test_a_layer_without_one_of_its_kernels_has_a_note(tmp_path: Path) -> None:
    arrays = lstm()
    arrays["parametrizations.weight_hh_l0.original0"] = arrays.pop("weight_hh_l0")
    made, storages = state_dict(arrays)
    path = write_archive(tmp_path / "m.pt", made, storages)
    assert notes(path) == (
        "l0: recurrent, but without weight_ih or weight_hh as such, as under weight_norm: not read as a layer",
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"epoch": 3, "lr": 0.1}, "a dictionary of epoch, lr"),
        ({}, "an empty dictionary"),
        ([1, 2], "a list of 2 values"),
        (New(Name("__main__", "Config")), "an object of __main__.Config"),
        (7, "something else"),
    ],
)
def test_a_file_without_arrays_says_what_it_holds(value: Any, words: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.pt", value)
    assert notes(path)[-1] == f"the file holds no arrays of a model: it is {words}"


def test_values_of_a_form_of_their_own_are_named(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    path = write_archive(tmp_path / "m.pt", {**made, "q": Call(Name("torch", "ScriptObject"), ())}, storages)
    assert "not read, as they are not arrays: q (torch.ScriptObject)" in notes(path)


def test_the_state_of_an_optimizer_alone_is_no_model(tmp_path: Path) -> None:
    value = {"state": {0: {"exp_avg": Stored("0", (3,))}}, "param_groups": [{"lr": 0.1}]}
    path = write_archive(tmp_path / "optimizer.pt", value, {"0": bytes(12)})
    assert others(path) == {"state.0.exp_avg": ((3,), False)}
    assert notes(path)[-1] == "the file holds no arrays of a model: it is a dictionary of state, param_groups"


def test_constants_of_a_frozen_program_have_a_note(tmp_path: Path) -> None:
    constants = {"constants.pkl": pickled(()), "constants/0": bytes(12)}
    path = write_archive(tmp_path / "m.pt", New(Name("__torch__", "Net"), {"training": False}), others=constants)
    assert notes(path)[-1].startswith("holds constants of a program, which have no names and are not read")


# Numbers


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_gates_of_other_types_have_their_numbers(dtype: str, tmp_path: Path) -> None:
    made, storages = state_dict(lstm(), dtype)
    path = write_archive(tmp_path / "m.pt", made, storages)
    with lstmdump.open(path) as model:
        gate = model.lstms[0].gates["f"]
        assert gate.W.dtype == dtype
        expected = GATES["W_f"].astype("f4" if dtype == "bfloat16" else dtype)
        np.testing.assert_allclose(gate.W.read(), expected, rtol=2**-7 if dtype == "bfloat16" else 0)


def test_biases_of_two_bytes_are_added_in_float32(tmp_path: Path) -> None:
    arrays = lstm()
    arrays["bias_ih_l0"], arrays["bias_hh_l0"] = np.full(16, 2048, np.float32), np.full(16, 1, np.float32)
    made, storages = state_dict(arrays, "float16")
    with lstmdump.open(write_archive(tmp_path / "m.pt", made, storages)) as model:
        bias = model.lstms[0].gates["i"].b
        assert bias is not None
        assert (bias.dtype, bias.read().tolist()) == ("float32", [2049.0] * 4)  # float16 has no 2049


VIEWS = {
    "transposed": (lambda a: a.T, (6, 4), (1, 6), 0),
    "a part": (lambda a: a[1:3, 2:5], (2, 3), (6, 1), 8),
    "every second": (lambda a: a[::2, ::3], (2, 2), (12, 3), 0),
    "repeated": (lambda a: np.broadcast_to(a[1, 2], (3, 2)), (3, 2), (0, 0), 8),
    "one row repeated": (lambda a: np.broadcast_to(a[3], (5, 6)), (5, 6), (0, 1), 18),
    "one number": (lambda a: a[2, 3], (), (), 15),
    "nothing": (lambda a: a[:0], (0, 6), (6, 1), 0),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_elements_that_its_strides_give(view: str, tmp_path: Path) -> None:
    take, shape, strides, start = VIEWS[view]
    whole = builders.numbers(4, 6)
    stored = Stored("0", shape, strides, start, numel=24)
    path = write_archive(tmp_path / "m.pt", {"a.b": stored}, {"0": bytes_of(whole)})
    np.testing.assert_array_equal(values(path, "a.b"), take(whole))


@pytest.mark.parametrize("view", ["transposed", "a part", "every second", "one row repeated"])
def test_a_part_of_a_view_is_that_of_the_whole(view: str, tmp_path: Path) -> None:
    take, shape, strides, start = VIEWS[view]
    whole = builders.numbers(4, 6)
    path = write_archive(
        tmp_path / "m.pt", {"a.b": Stored("0", shape, strides, start, numel=24)}, {"0": bytes_of(whole)}
    )
    with lstmdump.open(path) as model:
        (tensor,) = model.model.tensors()
        np.testing.assert_array_equal(tensor.part(slice(1, None), slice(1, 2)).read(), take(whole)[1:, 1:2])


def test_two_arrays_may_share_a_storage(tmp_path: Path) -> None:
    whole = builders.numbers(2, 3)
    value = {"a.x": Stored("0", (3,), numel=6), "a.y": Stored("0", (3,), start=3, numel=6)}
    path = write_archive(tmp_path / "m.pt", value, {"0": bytes_of(whole)})
    np.testing.assert_array_equal([values(path, "a.x"), values(path, "a.y")], whole)


def test_a_storage_may_be_seen_as_two_types(tmp_path: Path) -> None:
    words = Persistent(("storage", Name("torch", "LongStorage"), "0", "cpu", 3))
    value = {
        "a.x": Stored("0", (6,)),
        "a.y": Call(Name("torch._utils", "_rebuild_tensor_v2"), (words, 0, (3,), (1,), False, ORDERED)),
    }
    path = write_archive(tmp_path / "m.pt", value, {"0": bytes_of(np.arange(6))})
    assert values(path, "a.y").tolist() == np.arange(6, dtype="<f4").view("<i8").tolist()


def test_numbers_that_are_to_be_negated_are_not_read_as_they_are(tmp_path: Path) -> None:
    storage = Persistent(("storage", Name("torch", "FloatStorage"), "0", "cpu", 2))
    args = (storage, 0, (2,), (1,), False, ORDERED, {"neg": True})
    path = write_archive(
        tmp_path / "m.pt", {"a.b": Call(Name("torch._utils", "_rebuild_tensor_v2"), args)}, {"0": bytes(8)}
    )
    with pytest.raises(CorruptModel, match="neg of float32 values, which cannot be read"):
        values(path, "a.b")


def test_types_without_a_counterpart_in_numpy_are_named(tmp_path: Path) -> None:
    storage = Persistent(("storage", Name("torch.storage", "UntypedStorage"), "0", "cpu", 2))
    args = (storage, 0, (2,), (1,), False, ORDERED, Name("torch", "float8_e4m3fn"))
    path = write_archive(
        tmp_path / "m.pt", {"a.b": Call(Name("torch._utils", "_rebuild_tensor_v3"), args)}, {"0": bytes(2)}
    )
    assert others(path) == {"a.b": ((2,), True)}
    with pytest.raises(CorruptModel, match="float8_e4m3fn values, which cannot be read as numbers"):
        values(path, "a.b")


# What does not fit


def test_an_array_beyond_its_storage_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="beyond the end of its storage, which has 6 elements"):
        names(write_archive(tmp_path / "m.pt", {"a.b": Stored("0", (3, 3), numel=6)}, {"0": bytes(24)}))


def test_a_storage_longer_than_its_member_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=r"data/0 has 24 bytes, and data\.pkl declares 36"):
        names(write_archive(tmp_path / "m.pt", {"a.b": Stored("0", (3, 3))}, {"0": bytes(24)}))


def test_a_missing_storage_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="model/data/0 is missing from the zip archive"):
        names(write_archive(tmp_path / "m.pt", {"a.b": Stored("0", (3,))}))


@pytest.mark.parametrize("changed", [{"start": -1}, {"start": True}, {"shape": (-1,), "strides": (1,)}, {"strides": (-1,)},
                                     {"strides": (1, 1)}, {"numel": -1}, {"numel": 2**63}, {"shape": ("3",), "strides": (1,)}])  # fmt: skip
def test_sizes_that_cannot_be_are_errors(changed: dict[str, Any], tmp_path: Path) -> None:
    stored = Stored("0", (3,), (1,), numel=3)._replace(**changed)
    with pytest.raises(CorruptModel, match="by something other than"):
        names(write_archive(tmp_path / "m.pt", {"a.b": stored}, {"0": bytes(12)}))


def test_strides_of_0_do_not_make_terabytes(tmp_path: Path) -> None:
    stored = Stored("0", (1 << 20, 1 << 20), (0, 0), numel=1)
    with pytest.raises(RefusedModel, match=r"declare 4,398,046,511,104 bytes, but .* are stored; .*unfolding="):
        names(write_archive(tmp_path / "m.pt", {"a.b": stored}, {"0": bytes(4)}))


def test_a_shape_of_too_many_elements_is_an_error(tmp_path: Path) -> None:
    stored = Stored("0", (1 << 59, 1 << 59), (0, 0), numel=1)
    with pytest.raises(CorruptModel, match="which cannot be"):
        names(write_archive(tmp_path / "m.pt", {"a.b": stored}, {"0": bytes(4)}))


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"model/\w+ is compressed, which PyTorch does not do"):
        names(write(tmp_path / "m.pt", compression=zipfile.ZIP_DEFLATED))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the first member in the directory is the pickle
    path.write_bytes(data)
    with pytest.raises(RefusedModel, match=r"data\.pkl is encrypted"):
        names(path)


def test_a_changed_number_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt")
    data = bytearray(path.read_bytes())
    data[data.index(bytes_of(lstm()["weight_ih_l0"]))] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptModel, match="model/data/0 is damaged: its checksum differs"):
        values(path, "weight_ih_l0")


def test_a_checksum_of_0_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "m.pt")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            entry = data.rindex(info.filename.encode()) - 46
            data[entry + 16 : entry + 20] = bytes(4)
            data[info.header_offset + 14 : info.header_offset + 18] = bytes(4)
    path.write_bytes(data)
    assert_gates(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_is_cut_short_is_an_error_at_any_length(legacy: bool, tmp_path: Path) -> None:
    made, storages = state_dict({"a.b": builders.numbers(2)})
    counted = {key: (2, data) for key, data in storages.items()}
    whole = write_legacy(tmp_path / "m", made, counted) if legacy else write_archive(tmp_path / "m", made, storages)
    data = whole.read_bytes()
    for length in range(len(data)):
        whole.write_bytes(data[:length])
        with pytest.raises(UnreadableModel):
            names(whole)


def test_two_storages_in_one_place_are_an_error(tmp_path: Path) -> None:
    made, storages = state_dict({"a.x": builders.numbers(4), "a.y": builders.numbers(4, seed=1)})
    path = write_archive(tmp_path / "m.pt", made, storages)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("model/data/0").header_offset
    entry = data.rindex(b"model/data/1") - 46
    data[entry + 42 : entry + 46] = offset.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(CorruptModel, match=r"model/data/0 and model/data/1 overlap in the file"):
        names(path)


def test_values_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    value: Any = {"a.b": Stored("0", (3,))}
    for _ in range(200):
        value = {"x": value}
    with pytest.raises(RefusedModel, match="nested more than 100 deep"):
        names(write_archive(tmp_path / "m.pt", value, {"0": bytes(12)}))


def test_collections_that_double_at_each_level_are_visited_once(tmp_path: Path) -> None:
    doubled = b"\x80\2]" + b"q\0]h\0ah\0a" * 90 + b"."  # 2**90 ways to the innermost list
    assert notes(write_archive(tmp_path / "m.pt", doubled))[-1].endswith("it is a list of 2 values")


def test_a_pickle_longer_than_the_limit_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.pt", pickled("x" * (17 << 20)))
    with pytest.raises(RefusedModel, match=r"data\.pkl has .* bytes; .*json_size=18 \* 2\*\*20\) allows it"):
        names(path)


# What is repeated is not read again: a million opcodes can take a million times the same value

_MANY = 20_000  # if each of so many values took the time of as many others, a test would take minutes
_NUMBERED = b"}(" + b"".join(b"M" + at.to_bytes(2, "little") + b"]" for at in range(_MANY)) + b"u"
_OBJECTS = b"q\x02cm\nC\nq\x03](" + b"h\x03)\x81h\x02b" * _MANY + b"e"
SHARED = {
    "a list in a list": b"]q\x01(" + b"K\1" * _MANY + b"eq\x02](" + b"h\x02" * _MANY + b"e",
    "pairs of dictionaries": b"](" + b"K\1K\2\x86" * _MANY + b"eq\x02ccollections\nOrderedDict\nq\x03]("
    + b"h\x03h\x02\x85R" * _MANY + b"e",
    "a shape": b"(" + b"K\1" * _MANY + b"tq\x02ctorch\nSize\nq\x03](" + b"h\x03h\x02\x85R" * _MANY + b"e",
    "entries": _NUMBERED + b"q\x02}(" + b"".join(b"M" + at.to_bytes(2, "little") + b"h\x02" for at in range(_MANY)) + b"u",
    "the state of objects": _NUMBERED + _OBJECTS,
    "the arrays of modules": b"}(X\x0b\0\0\0_parameters" + _NUMBERED + b"X\x08\0\0\0_modules}u" + _OBJECTS,
    "the name of a list": b"}X\xd4\3\0\0" + b"n" * 980 + b"](" + b"]" * _MANY + b"es",
    "keys that Python hashes alike": b"}("
    + b"".join(b"\x8a\x0a" + (at * (2**61 - 1)).to_bytes(10, "little") + b"N" for at in range(_MANY)) + b"u",
}  # fmt: skip


@pytest.mark.parametrize("what", SHARED)
def test_a_value_that_is_repeated_costs_no_more_than_its_opcodes(what: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.pt", b"\x80\2" + SHARED[what] + b".")
    assert names(path) == []


@pytest.mark.parametrize("made", [b"c" + b"m" * 2000 + b"\nC\n", b"X\xd0\7\0\0" + b"m" * 2000 + b"\x8c\1C\x93"])
def test_the_name_of_a_class_has_a_limit(made: bytes, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="names a class by 2,001 characters"):
        names(write_archive(tmp_path / "m.pt", b"\x80\2" + made + b"."))


@pytest.mark.parametrize("wrap", [lambda name, one: {name: one}, lambda name, one: {name: {"a": [one]}}])
def test_the_name_of_an_array_has_a_limit(wrap: Any, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.pt", wrap("n" * 2000, Stored("0", (3,))), {"0": bytes(12)})
    with pytest.raises(RefusedModel, match=r"a name of 2,00\d characters; .*name_length="):
        names(path)


def test_a_long_text_beside_the_model_is_no_name(tmp_path: Path) -> None:
    assert names(write(tmp_path / "m.pt", lambda made: {**made, "x" * 5000: "some text"})) == ["l0"]


def test_the_dictionaries_of_python_2_are_read(tmp_path: Path) -> None:
    made, storages = state_dict(lstm())
    pairs = [[name, one] for name, one in made.items()]
    path = write_archive(tmp_path / "m.pt", Call(Name("collections", "OrderedDict"), (pairs,)), storages)
    assert_gates(path)
    nested = {"state_dict": Call(Name("collections", "OrderedDict"), (pairs,)), "epoch": 1}
    assert_gates(write_archive(tmp_path / "n.pt", nested, storages))


@pytest.mark.parametrize(("kind", "most"), [("archive", 120), ("legacy", 120), ("safetensors", 50)])
def test_each_of_many_arrays_takes_few_calls(kind: str, most: int, tmp_path: Path) -> None:
    @cache
    def write(count: int) -> Path:
        arrays = {f"blocks.{number}.weight": np.zeros((2, 3), "f4") for number in range(count)}
        path = tmp_path / f"{count}"
        if kind == "safetensors":
            return write_safetensors(path, arrays)
        made, storages = state_dict(arrays)
        pickle = memoized(made)
        if kind == "legacy":
            return write_legacy(path, pickle, {key: (len(data) // 4, data) for key, data in storages.items()})
        return write_archive(path, pickle, storages)

    def count_parameters(count: int) -> None:
        with lstmdump.open(write(count)) as model:
            assert model.model.parameters == count * 6

    for count in (1000, 2000):
        count_parameters(count)  # all is imported before calls are counted
    assert count_more(count_parameters, 1000) < most
