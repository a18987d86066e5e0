from __future__ import annotations

import io

import numpy as np
import pytest

from lstmdump.sandbox.tensorflow_messages import receive, send


def sent(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    send(stream, {"cell": "keras"}, arrays)
    return stream.getvalue()


def test_a_message_is_received_as_sent() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    message = receive(io.BytesIO(sent(x=values)))
    assert message is not None
    assert message.fields["cell"] == "keras"
    assert (message.arrays["x"].dtype, message.arrays["x"].tolist()) == (np.float32, values.tolist())


def test_messages_are_received_in_order() -> None:
    stream = io.BytesIO(sent(x=np.zeros(3)) + sent(y=np.zeros(2)))
    assert [list(message.arrays) for message in (receive(stream), receive(stream)) if message] == [["x"], ["y"]]


@pytest.mark.parametrize("length", [0, 5, -1])
def test_receive_returns_none_at_the_end_of_a_stream_even_within_a_message(length: int) -> None:
    assert receive(io.BytesIO(sent(x=np.zeros(3))[:length])) is None


def test_pickled_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="pickle"):
        receive(io.BytesIO(sent(x=np.array([object]))))
