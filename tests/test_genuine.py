"""Files written by releases of Keras, TensorFlow and PyTorch, with hashes of the arrays of the live layers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump

HERE = Path(__file__).parent / "genuine"
ROWS: list[dict[str, Any]] = json.loads((HERE / "manifest.json").read_text("utf-8"))

# The names given by users, taken from the configurations or, without one, from the names of the arrays.
NAMES = {
    "keras-0.3.3-th0.8.2-py27-embedding_lstm.weights.h5": ["layer_1"],
    "keras-1.0.8-tf0.12.1-py27-merge_legacy.model.h5": ["merge_1/lstm_1", "merge_1/lstm_2"],
    "keras-1.2.2-tf1.0.1-py27-rebuilt_same_session.model.h5": ["lstm", "lstm2"],
    "keras-1.2.2-tf1.0.1-py27-td_nested_bidir.model.h5": [
        "timedistributed_1/bidirectional_1/forward_lstm_1",
        "timedistributed_1/bidirectional_1/backward_lstm_1",
    ],
    "keras-1.2.2-tf1.0.1-py27-slash_names.model.h5": ["enc/lstm", "enc/lstm/deep"],
    "keras-1.0.8-tf0.12.1-py27-bidirectional.weights.h5": [
        "bidirectional_1/forward_lstm_12",
        "bidirectional_1/backward_lstm_12",
        "bidirectional_2/forward_lstm_13",
        "bidirectional_2/backward_lstm_13",
    ],
    "keras-2.0.0-tf1.0.1-py27-bidirectional.weights.h5": [
        "bidirectional_1/forward",
        "bidirectional_1/backward",
        "bidirectional_2/forward",
        "bidirectional_2/backward",
    ],
    "keras-2.0.0-tf1.0.1-py27-nested_frozen.model.h5": ["sequential_1/lstm_1", "sequential_1/lstm_2"],
    "keras-2.0.0-th0.9.0-py27-nested_model.model.h5": ["outer_lstm", "inner/in_a", "inner/in_b"],
    "keras-2.1.0-tf1.4.1-py36-rnn_stackedcells.model.h5": [
        "rnn_1/lstm_cell_1",
        "rnn_1/lstm_cell_2",
    ],
    "keras-2.2.4-tf1.12.0-py36-rebuilt_same_session.model.h5": ["lstm", "lstm2"],
    "keras-2.3.1-tf1.15.5-py36-cudnn_bidirectional.model.h5": [
        "bidirectional_1/forward_cu_dnnlstm_1",
        "bidirectional_1/backward_cu_dnnlstm_1",
    ],
    "tf.keras-1.13.2-weights-rnn_stackedcells.h5": ["rnn/cell_0", "rnn/cell_1"],
    "tf.keras-2.9.3-full-nested2.h5": ["middle/innermost/deep", "middle/mid", "outer"],
    "tf.keras-2.6.5-full-td.h5": ["time_distributed/inner/lstm", "lstm_1"],
    "tf.keras-2.3.4-weights-adam.h5": [
        "lstm",
        "bidirectional/forward_lstm_1",
        "bidirectional/backward_lstm_1",
    ],
    "keras-2.12.0-weights-bidir_diff.h5": ["bidirectional/forward_lstm", "bidirectional/backward_bk"],
    "keras-3.3.3-full-customsub.h5": ["my_lstm", "layer_with_lstm/lstm"],
    "keras-3.6.0-full-bidir_named.h5": [
        "bi/forward_enc",
        "bi/backward_enc",
        "bidirectional/forward_lstm",
        "bidirectional/backward_lstm",
    ],
    "keras-3.15.1-full-name_unicode.h5": ["lstm_é日本"],
    "keras-3.15.1-full-shared_in_two_submodels.h5": ["m1/sh"],
    "keras-2.12.0-v3-cudnn_stack.keras": ["cu_dnnlstm_1", "cu_dnnlstm"],
    "keras-2.12.0-weights-shared_in_two_submodels.weights.h5": ["sequential/lstm"],
    "keras-2.13.1-model-stacked_named.keras": ["zeta", "alpha", "lstm_7"],
    "keras-2.14.0-model-rnn_stacked.keras": ["rnn/lstm_cell", "rnn/lstm_cell_1"],
    "keras-3.3.3-weights-customsub.weights.h5": ["my_lstm", "layer_with_lstm/inner_lstm"],
    "keras-3.6.0-model-td.keras": ["time_distributed/inner/lstm", "lstm_1"],
    "keras-3.15.1-directory-stateful": ["lstm"],
    "keras-3.15.1-weights-sgd_mom.weights.h5": ["lstm"],
    "tf-keras-2.21.0-model-bidir_diff.keras": ["bidirectional/forward_lstm", "bidirectional/backward_bk"],
    "keras-2.12.0-ckpt-adam": ["lstm", "bidirectional/forward_lstm_1", "bidirectional/backward_lstm_1"],
    "keras-2.12.0-ckpt-subclassed": ["lstm", "lstm_1", "lstm_2", "lstm_cell_3"],
    "keras-2.12.0-ckpt_kw-legacy_adam": ["lstm", "bidirectional/forward_lstm_1", "bidirectional/backward_lstm_1"],
    "keras-3.15.1-ckpt-adam": ["lstm", "bidirectional/forward_lstm_1", "bidirectional/backward_lstm_1"],
    "keras-3.15.1-ckpt-shared_in_two_submodels": ["m1/sh"],
    "keras-3.6.0-ckpt-nested2": ["innermost/deep", "mid", "outer"],
    "tf.keras-1.13.2-ckpt-nested2": ["middle/innermost/deep", "middle/mid", "outer"],
    "tf.keras-1.15.5-ckpt_kw-rnn_stackedcells": ["rnn/cell_0", "rnn/cell_1"],
    "tf.keras-2.3.4-ckpt_kw-frozen": ["fz", "free"],
    "tf-0.12.1-py27-lstm_partitioned.ckpt": ["RNN/LSTMCell"],
    "tf-1.0.1-py27-static.ckpt": ["rnn/basic_lstm_cell"],
    "tf-1.2.1-py36-blockfused.ckpt": ["lstm_block_wrapper"],
    "keras-2.12.0-tf1_ckpt-gru_negative": [],
    "keras-2.12.0-tf1_ckpt_v1-partitioned": ["m/rnn/lstm_cell"],
    "keras-2.12.0-tf1_ckpt_v1-bidir_dynamic": ["bidirectional_rnn/fw/lstm_cell", "bidirectional_rnn/bw/lstm_cell"],
    "keras-2.12.0-tf1_frozen-partitioned.pb": ["m/rnn/lstm_cell"],
    "keras-2.12.0-tf1_frozen-block_lstm_v2.pb": ["lstm_block_v2"],
    "keras-2.12.0-tf1_frozen-multi_dynamic.pb": [
        "enc/multi_rnn_cell/cell_0/lstm_cell",
        "enc/multi_rnn_cell/cell_1/lstm_cell",
    ],
    "tf-keras-2.21.0-tf1_frozen-dropout_wrapped_resource.pb": ["model/rnn/basic_lstm_cell"],
    "tf-keras-2.21.0-tf1_savedmodel-partitioned": ["m/rnn/lstm_cell"],
    "tf.keras-1.15.5-contrib_saved_model-bidir": ["bidirectional/forward_lstm", "bidirectional/backward_lstm"],
    "tf.keras-1.15.5-savedmodel-frozen": ["fz", "free"],
    "tf.keras-2.1.4-savedmodel-rnn_stackedcells": ["rnn/lstm_cell", "rnn/lstm_cell_1"],
    "tf.keras-2.9.3-savedmodel-rnn_stackedcells": ["rnn/lstm_cell", "rnn/lstm_cell_1"],
    "tf.keras-2.0.4-export_saved_model-seq64": ["lstm"],
    "keras-3.15.1-export-nested2": ["innermost/deep", "mid", "outer"],
    "keras-3.0.5-tfsm-stateful": ["lstm"],
    "torch-2.13.0-net.safetensors": ["encoder/l0"],
    "torch-2.13.0-deep.safetensors": ["blocks/0/l0", "blocks/1/l0", "blocks/1/l0_reverse", "cell"],
    "torch-2.13.0-netproj.pt": ["encoder/l0"],
    "torch-2.13.0-projbi.safetensors": ["l0", "l0_reverse", "l1", "l1_reverse"],
    "torch-2.13.0-bistack.pt": ["l0", "l0_reverse", "l1", "l1_reverse"],
    "torch-2.13.0-lightning.ckpt": ["l0"],
    "torch-2.13.0-net-legacy.pth": ["encoder/l0"],
    "torch-2.13.0-net-module.pt": ["encoder/l0"],
    "torch-2.13.0-net-jit.pt": ["encoder/l0"],
}

# The argument of the constructor, or TensorFlow's default of 1.0; a CudnnCompatibleLSTMCell adds nothing.
FORGET_BIASES = {
    "tf-0.12.1-py27-basic_fb0.ckpt": 0.0,
    "tf-0.12.1-py27-lstm_peephole.ckpt": 1.0,
    "tf-1.0.1-py27-static.ckpt": 1.0,
    "tf-1.2.1-py36-blockfused.ckpt": 1.0,
    "tf-1.4.1-py36-cudnn_compatible.ckpt": 0.0,
    "tf-1.15.5-py36-block_peephole.ckpt": 1.0,
    "keras-2.12.0-tf1_ckpt-lstm_peephole_proj": 0.7,
    "keras-2.12.0-tf1_frozen-partitioned.pb": 1.0,
    "keras-2.12.0-tf1_frozen-block_lstm_v2.pb": 0.0,
    "tf-keras-2.21.0-tf1_savedmodel-block_lstm": 1.0,
    "keras-3.15.1-ckpt-adam": 0.0,
    "torch-2.13.0-deep.safetensors": 0.0,
}
ORDERS = {
    "keras-2.12.0-tf1_frozen-block_lstm_v2.pb": "ifco",
    "tf-keras-2.21.0-tf1_savedmodel-block_lstm": "icfo",
    "tf-0.12.1-py27-lstm_peephole.ckpt": "icfo",
    "keras-3.15.1-ckpt-adam": "ifco",
    "torch-2.13.0-net.safetensors": "ifco",
}


def rows() -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in ROWS])


def gates_of(lstm: lstmdump.LSTM) -> dict[str, str]:
    tensors = [tensor for gate in lstm.gates.values() for tensor in gate.arrays()]
    return {
        tensor.name.rpartition("/")[2]: hashlib.sha256(
            np.ascontiguousarray(tensor.read(), dtype="<f4").tobytes()
        ).hexdigest()
        for tensor in tensors
        if not tensor.name.rpartition("/")[2].startswith("V_")  # the record has no peepholes
    }


@rows()
def test_layers_have_the_sizes_of_the_live_ones(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as model:
        assert sorted((layer["d"], layer["m"]) for layer in row["layers"]) == sorted(
            (lstm.input_dim, lstm.units) for lstm in model.lstms
        )


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row["file"]) for row in ROWS if all("parameters" in layer for layer in row["layers"])],
)
def test_layers_have_the_parameters_of_the_live_ones(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as model:
        assert sorted(layer["parameters"] for layer in row["layers"]) == sorted(lstm.parameters for lstm in model.lstms)


@rows()
def test_gates_have_the_numbers_of_the_live_ones(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as model:
        expected = [json.dumps(layer["gates"], sort_keys=True) for layer in row["layers"]]
        assert sorted(expected) == sorted(json.dumps(gates_of(lstm), sort_keys=True) for lstm in model.lstms)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["file"]) for row in ROWS if row["total"] is not None])
def test_the_whole_model_has_the_parameters_of_the_live_one(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as model:
        assert model.model.parameters == row["total"]


@pytest.mark.parametrize("file", NAMES)
def test_layers_have_the_names_given_by_users_in_the_models_order(file: str) -> None:
    with lstmdump.open(HERE / file) as model:
        assert [lstm.name for lstm in model.lstms] == NAMES[file]


@rows()
def test_closed_forms_give_the_counts(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as model:
        for lstm in model.lstms:
            assert eval(lstm.parameters_formula.replace("·", "*"), {}) == lstm.parameters  # noqa: S307 - digits only


@pytest.mark.parametrize(("file", "added"), FORGET_BIASES.items())
def test_the_forget_bias_is_that_of_the_constructor(file: str, added: float) -> None:
    with lstmdump.open(HERE / file) as model:
        assert {lstm.forget_bias for lstm in model.lstms} == {added}


@pytest.mark.parametrize(("file", "order"), ORDERS.items())
def test_the_gates_are_in_the_order_of_the_cell(file: str, order: str) -> None:
    with lstmdump.open(HERE / file) as model:
        assert {lstm.gate_order for lstm in model.lstms} == {order}
