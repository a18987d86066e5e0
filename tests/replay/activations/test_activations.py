from __future__ import annotations

import contextlib
import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmdump.errors import CannotReplay
from lstmdump.lstm import activation_names
from lstmdump.replay import activations


def values(what: object, *points: float, keras: int = 3) -> list[float]:
    return activations.named(what, keras)(np.array(points, "float64")).tolist()


def layer(kind: str, **config: object) -> dict[str, object]:
    """Return an activation layer as Keras 3 stores it in the configuration of another layer."""
    return {"module": "keras.layers", "class_name": kind, "config": {"name": "a", **config}, "registered_name": None}


def function(name: str, registered: str | None = "function") -> dict[str, object]:
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": registered}


@pytest.mark.parametrize("keras", [1, 2])
def test_the_hard_sigmoid_has_a_slope_of_one_fifth_before_keras_3(keras: int) -> None:
    assert values("hard_sigmoid", -2.5, -1, 0, 2.5, keras=keras) == [0, 0.3, 0.5, 1]


def test_the_hard_sigmoid_has_a_slope_of_one_sixth_in_keras_3() -> None:
    assert values("hard_sigmoid", -3, -1.5, 0, 3) == [0, 0.25, 0.5, 1]


def test_an_activation_of_none_is_linear() -> None:
    assert values(None, -2, 0, 3) == values("linear", -2, 0, 3) == [-2, 0, 3]


@pytest.mark.parametrize("keras", [1, 2, 3])
def test_leaky_relu_as_a_word_has_a_slope_of_one_fifth(keras: int) -> None:
    assert values("leaky_relu", -5, 5, keras=keras) == [-1, 5]


@pytest.mark.parametrize("keras", [1, 2, 3])
def test_every_name_is_known_whichever_keras_wrote_the_file(keras: int) -> None:
    z = np.array([[0.5, 1.5]])
    assert {activations.named(name, keras)(z).shape for name in activations.NAMES} == {(1, 2)}


@pytest.mark.parametrize("name", ["glu", "threshold", "my_activation", "", "LSTM", "<lambda>"])
def test_other_words_are_refused(name: str) -> None:
    with pytest.raises(CannotReplay, match=f"the activation {re.escape(name)} cannot be replayed"):
        activations.named(name, 3)


def test_a_refusal_names_the_option_that_helps() -> None:
    with pytest.raises(CannotReplay, match=r"name one that computes the same with --recurrent-activation$"):
        activations.named("mine", 3, "--recurrent-activation")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (layer("LeakyReLU", negative_slope=0.1), [-0.2, 2]),
        (layer("LeakyReLU"), [-0.6, 2]),
        ({"class_name": "LeakyReLU", "config": {"alpha": 0.25}}, [-0.5, 2]),
        (layer("ReLU"), [0, 2]),
        (layer("ReLU", max_value=1.5, negative_slope=0.5, threshold=1), [-1.5, 1.5]),
        (layer("ReLU", max_value=None, threshold=2.0), [0, 0]),
        (layer("ELU", alpha=2), [2 * np.expm1(-2), 2]),
        (layer("ThresholdedReLU", theta=1.9), [0, 2]),
        (layer("ThresholdedReLU", theta=2), [0, 0]),
        (layer("Softmax", axis=-1), [1 / (1 + np.exp(4)), 1 / (1 + np.exp(-4))]),
        (layer("Activation", activation="relu"), [0, 2]),
        (layer("Activation", activation=layer("LeakyReLU", negative_slope=1)), [-2, 2]),
        (function("relu"), [0, 2]),
        (function("swish"), [-2 / (1 + np.exp(2)), 2 / (1 + np.exp(-2))]),
        (function("softmax_v2"), [1 / (1 + np.exp(4)), 1 / (1 + np.exp(-4))]),
        (function("relu", registered="relu"), [0, 2]),
    ],
    ids=str,
)
def test_an_object_of_keras_follows_its_settings(what: object, expected: list[float]) -> None:
    np.testing.assert_allclose(values(what, -2, 2), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (function("demo>my_act"), "demo>my_act"),
        (function("my_act", registered="demo>my_act"), "demo>my_act"),
        (function("tanh", registered="demo>tanh"), "demo>tanh"),
        ({"class_name": "demo>LeakyReLU", "config": {"alpha": 0.5}}, "demo>LeakyReLU(alpha=0.5)"),
        ({**layer("LeakyReLU"), "module": None, "registered_name": "demo>LeakyReLU"}, "demo>LeakyReLU"),
        ({**layer("LeakyReLU"), "module": "mine.layers", "registered_name": "LeakyReLU"}, "mine.layers.LeakyReLU"),
        ({**layer("Activation", activation="tanh"), "module": "kerasmine"}, "kerasmine.Activation"),
        (layer("PReLU", shared_axes=None), "PReLU"),
        (layer("LeakyReLU", negative_slope=-0.5), "LeakyReLU(negative_slope=-0.5)"),
        (layer("LeakyReLU", negative_slope="0.5"), "LeakyReLU"),
        (layer("LeakyReLU", negative_slope=None), "LeakyReLU"),
        (layer("ELU", alpha=float("nan")), "ELU"),
        (layer("ReLU", max_value=10**400), "ReLU"),
        (layer("Softmax", axis=0), "Softmax(axis=0)"),
        (layer("Activation", activation=layer("Dense", units=3)), "Dense"),
        ({"value": ["4wEAAAAA", None, None]}, "<lambda>"),
        ({"class_name": "__lambda__", "config": {"value": "4wEAAAAA"}}, "__lambda__"),
        ({"class_name": ["LeakyReLU"], "registered_name": []}, "<lambda>"),
        (function("a\x1b[31m\nb"), r"a\x1b[31m\nb"),
        ({"class_name": "Activation"}, "<lambda>"),
        (["tanh"], "<list>"),
        (7, "<int>"),
    ],
    ids=str,
)
def test_an_object_from_elsewhere_is_refused_by_name(what: object, shown: str) -> None:
    with pytest.raises(CannotReplay) as refused:
        activations.named(what, 3)
    assert str(refused.value).startswith(f"the activation {shown} cannot be replayed; ")


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(
        ["Activation", "LeakyReLU", "ReLU", "Softmax", "function", "keras", "relu"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["class_name", "config", "module", "registered_name", "activation", "alpha", "axis"]), inner),
)  # fmt: skip


@given(_JSON)
def test_any_value_is_named_or_refused_in_one_line(what: Any) -> None:
    shown = f"{activation_names.word(what)} {activations.doubt(what, 2)}"
    with contextlib.suppress(CannotReplay):
        activations.named(what, 2)
    assert shown.isprintable()


def test_a_deeply_nested_object_is_refused() -> None:
    deep: list[object] = []
    other: list[object] = []
    for _ in range(100_000):
        deep, other = [deep], [other]
    with pytest.raises(CannotReplay):
        activations.named({"class_name": "function", "config": deep, "registered_name": other}, 3)


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (None, "linear"),
        ("tanh", "tanh"),
        (function("swish"), "swish"),
        (layer("Activation", activation="relu"), "relu"),
        (layer("LeakyReLU", negative_slope=0.1), "LeakyReLU(negative_slope=0.1)"),
        (layer("ReLU", max_value=6, negative_slope=0.0, threshold=0), "ReLU(max_value=6, negative_slope=0, threshold=0)"),
    ],
    ids=str,
)  # fmt: skip
def test_an_activation_is_shown_in_few_words(what: object, shown: str) -> None:
    assert activation_names.word(what) == shown


def test_a_long_name_is_shortened() -> None:
    assert len(activation_names.word("a" * 10_000)) <= 120


@pytest.mark.parametrize(
    ("what", "keras", "since"), [("gelu", 1, 2), ("celu", 2, 3), (function("hard_swish"), 2, 3)], ids=str
)
def test_a_word_of_a_later_keras_is_doubted(what: object, keras: int, since: int) -> None:
    doubt = activations.doubt(what, keras, "--recurrent-activation")
    assert doubt == (
        f"Keras {keras} has no activation {activation_names.word(what)} of its own; that of Keras {since} is used, "
        "unless --recurrent-activation names another"
    )


@pytest.mark.parametrize(
    ("what", "keras"), [("hard_sigmoid", 1), ("gelu", 2), ("celu", 3), (None, 1), (layer("ReLU"), 2), ("mine", 1)], ids=str
)  # fmt: skip
def test_other_activations_are_not_doubted(what: object, keras: int) -> None:
    assert activations.doubt(what, keras) is None


def test_the_sparsemax_of_keras_3_is_doubted_as_its_releases_differ() -> None:
    assert "Keras 3.8 to 3.15" in str(activations.doubt("sparsemax", 3))


@pytest.mark.parametrize("name", activations.NAMES)
def test_an_activation_can_be_pickled(name: str) -> None:
    z = np.linspace(-3.0, 3.0, 13)
    activation = activations.named(name, 3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(activation))(z), activation(z))  # noqa: S301
