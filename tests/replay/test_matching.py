from __future__ import annotations

import pytest

from lstmdump.errors import BadInput
from lstmdump.model.network import NetworkInput, NetworkTensor
from lstmdump.replay.matching import GivenArray, describe_inputs, match, require_one


def make(name: str, shape: tuple[int | None, ...] | None, *, is_integer: bool = False) -> NetworkInput:
    return NetworkInput(name, NetworkTensor(0), shape, is_integer)


SERIES, STATIC, IDS = make("series", (None, 3)), make("static", (4,)), make("ids", (None,), is_integer=True)


def names(given: list[GivenArray], *inputs: NetworkInput) -> list[tuple[str, int]] | None:
    found = match(given, inputs)
    return None if found is None else [(one.input.name, one.array) for one in found]


def test_arrays_without_names_are_taken_in_order() -> None:
    assert names([GivenArray(None, (2, 5, 3)), GivenArray(None, (2, 4))], SERIES, STATIC) == [
        ("series", 0),
        ("static", 1),
    ]


def test_arrays_without_names_in_another_order_do_not_fit() -> None:
    assert names([GivenArray(None, (2, 4)), GivenArray(None, (2, 5, 3))], SERIES, STATIC) is None


def test_a_missing_array_does_not_fit() -> None:
    assert names([GivenArray(None, (2, 5, 3))], SERIES, STATIC) is None


def test_names_decide_over_the_order() -> None:
    given = [GivenArray("static", (2, 4)), GivenArray("series", (2, 5, 3))]
    assert names(given, SERIES, STATIC) == [("static", 0), ("series", 1)]


def test_an_array_by_name_is_enough_for_some_of_the_inputs() -> None:
    assert names([GivenArray("static", (2, 4))], SERIES, STATIC) == [("static", 0)]


def test_an_unknown_name_is_refused_with_the_inputs() -> None:
    with pytest.raises(
        BadInput, match=r"the model has no input x; it takes series \(batch, any, 3\) and static \(batch, 4\)"
    ):
        match([GivenArray("x", (2, 4))], [SERIES, STATIC])


def test_a_name_with_another_shape_is_refused() -> None:
    with pytest.raises(BadInput, match=r"static is \(2, 5\), but the model takes static \(batch, 4\)"):
        match([GivenArray("static", (2, 5))], [SERIES, STATIC])


def test_arrays_with_and_without_names_are_refused() -> None:
    with pytest.raises(BadInput, match="name each of several inputs"):
        match([GivenArray("static", (2, 4)), GivenArray(None, (2, 5, 3))], [SERIES, STATIC])


@pytest.mark.parametrize(("shape", "is_single"), [((2, 5, 3), False), ((5, 3), True)])
def test_an_array_without_the_axis_of_the_batch_is_a_single_sequence(shape: tuple[int, ...], is_single: bool) -> None:
    (found,) = match([GivenArray(None, shape)], [SERIES]) or []
    assert found.is_single is is_single


@pytest.mark.parametrize("shape", [(2, 5, 4), (5, 4), (3,), (1, 2, 5, 3)])
def test_another_width_or_number_of_axes_does_not_fit(shape: tuple[int, ...]) -> None:
    assert match([GivenArray(None, shape)], [SERIES]) is None


def test_ids_are_whole_numbers() -> None:
    assert match([GivenArray(None, (2, 5), is_whole=False)], [IDS]) is None
    assert names([GivenArray(None, (2, 5), is_whole=True)], IDS) == [("ids", 0)]


def test_an_input_of_unknown_shape_takes_any_array() -> None:
    assert names([GivenArray(None, (2, 5, 7, 3))], make("x", None)) == [("x", 0)]


def test_another_number_of_steps_than_that_of_the_model_is_noted() -> None:
    (found,) = match([GivenArray(None, (2, 1200, 3))], [make("x", (9, 3))]) or []
    assert found.note == "the model was built for 9 steps, and x has 1,200"


def test_the_number_of_steps_of_the_model_is_not_noted() -> None:
    (found,) = match([GivenArray(None, (2, 9, 3))], [make("x", (9, 3))]) or []
    assert found.note is None


def test_automatic_names_of_keras_are_taken_in_the_order_of_their_numbers() -> None:
    given = [GivenArray("keras_tensor_10", (2, 4)), GivenArray("keras_tensor_9", (2, 5, 3))]
    assert names(given, SERIES, STATIC) == [("static", 0), ("series", 1)]


def test_fewer_automatic_names_than_inputs_are_unknown() -> None:
    with pytest.raises(BadInput, match="the model has no input keras_tensor_9"):
        match([GivenArray("keras_tensor_9", (2, 5, 3))], [SERIES, STATIC])


def test_an_automatic_name_is_noted_with_the_input_that_it_stands_for() -> None:
    (found,) = match([GivenArray("keras_tensor", (2, 4))], [STATIC]) or []
    assert found.note is not None
    assert found.note.startswith("keras_tensor is a name that Keras makes anew in each session")
    assert found.note.endswith("this one as static")


def test_without_a_network_one_array_is_taken() -> None:
    assert require_one([GivenArray(None, (2, 5, 3))]).shape == (2, 5, 3)


@pytest.mark.parametrize("given", [[GivenArray("x", (1,))], [GivenArray(None, (1,)), GivenArray(None, (1,))]])
def test_without_a_network_neither_names_nor_several_arrays_are_taken(given: list[GivenArray]) -> None:
    with pytest.raises(BadInput, match="the file does not describe the inputs of the model"):
        require_one(given)


def test_inputs_are_described_with_their_shapes() -> None:
    assert describe_inputs([IDS, STATIC, make("x", None), make("n", ())]) == (
        "ids (batch, any) of whole numbers, static (batch, 4), x (batch, …) and n (batch,)"
    )


def test_no_inputs_are_described() -> None:
    assert describe_inputs([]) == "no input"
