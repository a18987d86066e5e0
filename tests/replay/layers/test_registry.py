from __future__ import annotations

import pytest
from support.layer_reading import read_layer

from lstmdump.errors import CannotReplay


def test_a_class_of_the_users_own_is_refused_by_name() -> None:
    with pytest.raises(CannotReplay, match=r"^it is a Dense, a class of its own, which cannot be computed$"):
        read_layer("Dense", {"units": 1}, {"kernel": [[1.0]], "bias": [0.0]}, is_of_keras=False)


def test_the_code_of_a_lambda_is_not_run() -> None:
    with pytest.raises(CannotReplay, match=r"^it is a Lambda layer: Python code, which is never run$"):
        read_layer("Lambda", {"function": ["4wEAAAA=", None, None]})


def test_an_unknown_layer_is_refused_by_name() -> None:
    with pytest.raises(CannotReplay, match=r"^it is a Spinning layer, which cannot be computed$"):
        read_layer("Spinning")
