from __future__ import annotations

import numpy as np
import pytest
from support.layer_reading import KERAS_1, make_signals, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.replay.layers.base import RunnableLayer

TABLE = [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]


def embedding(**config: object) -> RunnableLayer:
    return read_layer("Embedding", {"input_dim": 3, "output_dim": 2, **config}, {"embeddings": TABLE})


def test_each_id_becomes_its_row() -> None:
    made = run_layer(embedding(), [[2, 0]])
    assert made.values.tolist() == [[[2.0, 2.5], [0.0, 0.5]]]
    assert made.mask is None


def test_fractions_of_ids_are_cut_off_and_only_0_is_masked() -> None:
    made = run_layer(embedding(mask_zero=True), [[1.9, 0.4, -0.4, 0.0]])
    assert made.values[0, :, 0].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert made.mask is not None
    assert made.mask.tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("mask_zero", [True, False])
def test_a_mask_is_made_for_mask_zero_only(mask_zero: bool) -> None:
    assert embedding(mask_zero=mask_zero).makes_mask is mask_zero


@pytest.mark.parametrize(("ids", "shown"), [([[0, 3]], "3"), ([[-1, 0]], "-1"), ([[0.0, np.nan]], "nan")])
def test_an_id_without_a_row_is_an_error_that_names_it(ids: object, shown: str) -> None:
    with pytest.raises(BadInput, match=rf"it has 3 vectors, for the ids 0 to 2; the input holds the id {shown}$"):
        run_layer(embedding(), ids)


def test_ids_have_no_gradient() -> None:
    inputs = make_signals([[[1, 2]]])
    layer = embedding()
    assert layer.takes_ids
    assert layer.backward(inputs, layer.forward(inputs), (np.ones((1, 1, 2, 2)),)) == (None,)


def test_keras_1_calls_the_table_w_and_drops_rows_in_training_only() -> None:
    config = {"input_dim": 3, "output_dim": 2, "dropout": 0.5, "input_length": 7}
    layer = read_layer("Embedding", config, {"embedding_1_W": TABLE}, KERAS_1)
    assert run_layer(layer, [[1]]).values.tolist() == [[[1.0, 1.5]]]


def test_a_table_of_another_size_than_stated_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: its embeddings is \(3, 2\), and not \(4, 2\)$"):
        embedding(input_dim=4)
