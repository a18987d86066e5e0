from __future__ import annotations

import pytest

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Model, Weight, grow


def weight(*layer: str, leaf: str = "kernel", shape: tuple[int, ...] = (2, 3)) -> Weight:
    def fetch(_: object) -> None:
        raise AssertionError

    return Weight(layer, leaf, Tensor("/".join((*layer, leaf)), shape, "float32", fetch))  # type: ignore[arg-type]


def test_layers_keep_the_order_in_which_they_come() -> None:
    root = grow([weight("zeta"), weight("alpha"), weight("zeta", leaf="bias")], {})
    assert [layer.name for layer in root.walk()] == ["", "zeta", "alpha"]


def test_a_wrapper_is_a_deeper_path() -> None:
    root = grow([weight("bi", "forward"), weight("bi", "backward")], {})
    assert [layer.name for layer in root.walk()] == ["", "bi", "bi/forward", "bi/backward"]


def test_arrays_of_one_name_in_two_layers_are_kept_apart() -> None:
    root = grow([weight("bi", "forward"), weight("bi", "backward")], {})
    assert [list(layer.weights) for layer in root.walk()][2:] == [["kernel"], ["kernel"]]


def test_two_arrays_of_one_name_in_a_layer_are_an_error() -> None:
    with pytest.raises(CorruptModel, match="a/b holds two arrays called kernel"):
        grow([weight("a", "b"), weight("a", "b")], {})


def test_deeply_nested_layers_are_refused() -> None:
    with pytest.raises(RefusedModel, match="nested more than 100 deep; --limit nesting=100000 allows it"):
        grow([weight(*["a"] * 100_000)], {})


LIMITED = DEFAULTS._replace(nesting=3, name_length=11)


def test_names_and_layers_may_go_up_to_the_limits() -> None:
    root = grow(
        [weight("abc", "def", "ghi", leaf="x")._replace(tensor=weight("12345", "67890").tensor.renamed("x" * 11))],
        {},
        None,
        LIMITED,
    )
    assert [layer.name for layer in root.walk()][-1] == "abc/def/ghi"


def test_a_layer_deeper_than_the_limit_is_refused() -> None:
    with pytest.raises(RefusedModel, match="nested more than 3 deep; --limit nesting=4 allows it"):
        grow([weight("a", "b", "c", "d", leaf="x")], {}, None, LIMITED)


def test_the_error_for_a_long_layer_name_quotes_its_beginning() -> None:
    long = weight("abc", "defgh", "ij", leaf="x")._replace(tensor=weight("a").tensor)
    with pytest.raises(RefusedModel, match="a name of 12 characters, abc/defgh/ij…; --limit name-length=12 allows it"):
        grow([long], {}, None, LIMITED)


def test_the_error_for_a_long_array_name_quotes_its_beginning() -> None:
    with pytest.raises(RefusedModel, match=rf"a name of 60,007 characters, {'a' * 40}…; --limit name-length=60007"):
        grow([weight("a" * 60_000)], {})


def test_the_kind_is_that_of_the_file_or_none() -> None:
    root = grow([weight("a"), weight("b")], {("a",): "LSTM"})
    assert [layer.kind for layer in root.walk()] == [None, "LSTM", None]


def test_parameters_count_every_array() -> None:
    model = Model("keras-h5", "keras", grow([weight("a"), weight("b", shape=(4,))], {}))
    assert model.parameters == 2 * 3 + 4


def test_parameters_are_unknown_if_arrays_may_be_stored_twice() -> None:
    assert Model("keras-h5", "keras", grow([weight("a")], {}), countable=False).parameters is None


def test_a_model_cannot_be_changed() -> None:
    model = Model("keras-h5", "keras", grow([weight("a")], {}))
    with pytest.raises(AttributeError):
        model.notes = ("a note",)
