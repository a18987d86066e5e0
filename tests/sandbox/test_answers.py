from __future__ import annotations

import inspect
import os
import pickle
import re
import typing
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.jobs import fabricating
from support.layer_reading import read_layer

import lstmdump
from lstmdump.errors import CannotReplay, WorkerDied
from lstmdump.export import gates
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay.activations import elementwise
from lstmdump.replay.layers.masking import Masking
from lstmdump.replay.layers.operations.table import KERAS
from lstmdump.replay.layers.recurrent.base import MaskedOutput
from lstmdump.report.facts import Report
from lstmdump.sandbox import answers, fork
from lstmdump.sandbox.worker import Worker

FRAME = b"\x80\x04\x95"
"""The start of a pickle that has a frame, up to its length of eight bytes."""


class Calls:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._made_by = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._made_by


def restored(*parts: Any) -> bytes:
    """Return the answer that asks for what `parts` describe."""
    return pickle.dumps(Calls(answers._restore, *parts))


@cache
def all_modules() -> list[ModuleType]:
    names = [found.name for found in walk_packages(lstmdump.__path__, "lstmdump.")]
    return [import_module(name) for name in names if not name.endswith(("__main__", "tensorflow_server"))]


def own_classes(module: ModuleType) -> list[type]:
    return [kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == module.__name__]


def known_classes() -> list[type]:
    kinds = [kind for module in all_modules() for kind in own_classes(module)]
    return [kind for kind in kinds if answers._is_known(answers._name(kind))]


@pytest.mark.parametrize("value", [
    None, True, 1, 2**70, 1.5, "ö\ud800", b"\0", (1, [2, {"a": {3}}]), frozenset({1}), slice(1, None), range(3),
    Behaviour(), MaskedOutput.ZERO,
])  # fmt: skip
def test_values_are_the_same_after_they_crossed(value: Any) -> None:
    found = answers.decode(answers.encode(value))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", ">i4", "float16", ">f8", "complex64"])
def test_arrays_are_the_same_after_they_crossed(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    found = answers.decode(answers.encode(array))
    assert found.dtype.str == array.dtype.str
    np.testing.assert_array_equal(found, array)
    found[...] = 0  # as an array of one's own


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_arrays_keep_their_shape(shape: tuple[int, ...]) -> None:
    assert answers.decode(answers.encode(np.ones(shape))).shape == shape


def test_a_number_of_numpy_keeps_its_type() -> None:
    assert type(answers.decode(answers.encode(np.float32(1)))) is np.float32


def test_an_array_that_is_there_twice_crosses_once() -> None:
    array = np.ones(1000)
    one, other = answers.decode(answers.encode([array, array]))
    assert one is other


@pytest.mark.parametrize("error", [CannotReplay("it is a GRU"), ValueError("1 is odd"), OSError(2, "not there")])
def test_an_error_keeps_its_class_and_words(error: Exception) -> None:
    found = answers.decode(answers.encode(error))
    assert type(found) is type(error)
    assert found.args == error.args


@pytest.mark.parametrize("value", [
    Path("m.h5"), os.system, Calls, Calls(print), np.array([None]), np.array(["x"]), np.dtype("f4"), Masking,
    lstmdump.sandbox.fork.Pipe(-1, -1), ModuleType("x"),
])  # fmt: skip
def test_what_is_not_listed_does_not_cross(value: object) -> None:
    with pytest.raises(TypeError, match=r"is not listed|cannot be sent"):
        answers.encode((True, value))


@pytest.mark.parametrize("function", [
    os.system, exec, eval, getattr, setattr, print, __import__, open, type, os._exit, np.load, np.dtype, np.ndarray,
    import_module, Masking, Report, fork.Pipe, fork.thread, elementwise.relu, elementwise.make_again, lstmdump.open,
])  # fmt: skip
def test_an_answer_calls_no_function(function: Callable[..., Any]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is not allowed"):
        answers.decode(pickle.dumps(Calls(function, "nothing")))


@pytest.mark.parametrize(("parts", "reason"), [
    (("object", "os.system", {}), "os.system is not a class that may cross"),
    (("object", "lstmdump.sandbox.fork.Pipe", {}), "may cross"),
    (("object", "lstmdump.sandbox.tensorflow_client.TensorFlow", {}), "may cross"),
    (("object", "lstmdump.replay.layers.masking.np", {}), "may cross"),
    (("object", "lstmdump.replay.layers.masking.OneToOne", {}), "may cross"),
    (("object", "lstmdump.replay.layers.masking.Masking.__init__", {}), "No module named|may cross"),
    (("object", "lstmdump.replay.layers.masking.Masking", {"forward": 1}), "forward is not an attribute"),
    (("object", "lstmdump.replay.layers.masking.Masking", {"__class__": 1}), "__class__ is not an attribute"),
    (("tuple", "lstmdump.report.facts.Report", 1), "fields, not 1"),
    (("member", "lstmdump.readers.detect.Format", "no such"), "is not a valid Format"),
    (("remade", "os.system", "true"), "not a function that may be called"),
    (("remade", "lstmdump.replay.activations.elementwise.make_again", "relu"), "name"),
    (("remade", "lstmdump.replay.layers.operations.elementwise.find", "np"), "np"),
    (("function", "load"), "not a function of numpy"),
    (("error", "print", "x"), "not an exception"),
    (("error", "SystemExit", 3), "not an exception"),
    (("exception", "lstmdump.cli.exit_status.Ended", 3), "may cross"),
    (("plain", "eval", "1"), "eval"),
    (("array", "O", (1,), b"12345678", False), "not a dtype of numbers"),
    (("array", "<V8", (1,), b"12345678", False), "not a dtype of numbers"),
    (("array", [("a", "O")], (1,), b"12345678", False), "not a dtype of numbers"),
    (("array", "<f8", (2,), b"12345678", False), "cannot reshape"),
    (("no such kind",), "no such kind"),
])  # fmt: skip
def test_an_answer_makes_only_listed_classes(parts: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=reason):
        answers.decode(restored(*parts))


def test_an_answer_does_not_change_the_function_that_decodes_it() -> None:
    """Opcode `b` (BUILD) sets attributes of the object before it."""
    setting = pickle.dumps((None, {"__defaults__": (1,)}), protocol=2)[2:-1]
    stolen = b"\x80\x02c" + f"{answers.__name__}\n{answers._restore.__name__}\n".encode() + setting + b"b."
    with pytest.raises(pickle.UnpicklingError):
        answers.decode(stolen)
    assert answers._restore.__defaults__ is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(b"\x80\x04Nr\xff\xff\xff\x0f.", "opcode 0x72", id="a place in a memo of gigabytes"),
        pytest.param(b"\x80\x04\x8a\x0a" + 10 * b"\1" + b".", "opcode 0x8a", id="a number of ten bytes"),
        pytest.param(b"\x80\x04C\x09four.", "cut short", id="text that reaches beyond the end"),
        pytest.param(FRAME + b"\5\0\0\0\0\0\0\0" + b"C\4four.", "within an opcode", id="text across a frame"),
        pytest.param(FRAME + b"\x0b\0\0\0\0\0\0\0" + FRAME[2:] + b"\1\0\0\0\0\0\0\0N.", "opcode 0x95", id="two frames"),
        pytest.param(FRAME + b"\3\0\0\0\0\0\0\0N.", "cut short", id="a frame that reaches beyond the end"),
        pytest.param(b"\x80\x04N", "cut short", id="no end"),
        pytest.param(b"\x80\x04N.N.", "longer than it says", id="more after the end"),
        pytest.param(b"", "cut short", id="nothing"),
    ],
)
def test_an_answer_of_no_known_form_is_refused_before_it_is_unpickled(answer: bytes, said: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=said):
        answers.decode(answer)


def test_a_number_of_nine_bytes_crosses() -> None:
    assert answers.decode(answers.encode(2**64)) == 2**64


@pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
@pytest.mark.parametrize("done", [True, False])
def test_a_process_that_was_taken_over_gets_nothing_run(tmp_path: Path, done: bool) -> None:
    place, worker = tmp_path / "run", Worker()
    attack = Calls(os.system, f"touch {place}")
    with pytest.raises(WorkerDied):
        worker.do(fabricating, pickle.dumps((done, attack if done else (attack, ""))))
    worker.dismiss()
    assert not place.exists()


@pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
@pytest.mark.parametrize(
    "value", [None, 1, (True,), (1, 2, 3), (False, "x"), (False, (1, "")), (False, (ValueError(), 1))]
)
def test_an_answer_of_another_form_is_an_error(value: Any) -> None:
    worker = Worker()
    with pytest.raises(WorkerDied):
        worker.do(fabricating, answers.encode(value))
    worker.dismiss()


def test_listed_classes_run_nothing_by_themselves() -> None:
    """Nothing is called when an object is made, and nothing when it is dropped."""
    kinds = known_classes()
    assert len(kinds) > 100
    for kind in kinds:
        assert not {"__del__", "__setstate__", "__set_name__", "__init_subclass__"} & set(vars(kind)), kind


def test_every_entry_of_the_list_is_needed() -> None:
    names = [answers._name(kind) for kind in known_classes()]
    assert [one for one in answers.KNOWN if not any(f"{name}.".startswith(f"{one}.") for name in names)] == []


def test_layers_that_are_run_may_cross() -> None:
    for module in all_modules():
        if module.__name__.startswith(("lstmdump.replay.layers.", "lstmdump.replay.activations.")):
            for kind in own_classes(module):
                assert answers._is_known(answers._name(kind)), kind


def results_of_workers() -> list[Any]:
    """Return the annotations of what the functions return that a command runs in a worker."""
    classes = {kind.__name__: kind for module in all_modules() for kind in own_classes(module)}
    found = []
    for module in all_modules():
        if module.__name__.startswith("lstmdump.cli."):
            for name in re.findall(r"guard\.run\((\w+)", inspect.getsource(module)):
                work = getattr(module, name, None) or gates.export_model
                hints = typing.get_type_hints(work, {**vars(module), **vars(gates)}, classes)
                found.append(hints["return"])
    assert len(found) >= 6
    return found


def classes_within(annotation: Any, seen: set[type]) -> None:
    """Add to `seen` all classes of ours that a value of this type may hold."""
    for one in typing.get_args(annotation):
        classes_within(one, seen)
    if isinstance(annotation, type) and annotation.__module__.startswith("lstmdump.") and annotation not in seen:
        seen.add(annotation)
        classes = {kind.__name__: kind for module in all_modules() for kind in own_classes(module)}
        for hint in typing.get_type_hints(annotation, None, {**classes, "Array": np.ndarray}).values():
            classes_within(hint, seen)


def test_whatever_a_command_reads_in_a_worker_may_cross() -> None:
    seen: set[type] = set()
    for annotation in results_of_workers():
        classes_within(annotation, seen)
    assert {"Report", "CellNumbers", "RunnableNetwork", "Exported"} <= {kind.__name__ for kind in seen}
    assert [kind for kind in seen if not answers._is_known(answers._name(kind))] == []


@pytest.mark.parametrize("kind", sorted(KERAS))
def test_operations_of_keras_cross(kind: str) -> None:
    form = KERAS[kind]
    config = {"dtype": "float32", "axis": 0, "key": 0, "axis1": 0, "axis2": 1, "subscripts": "ab->a", "fill_value": 1,
              "pad_width": [[0, 0], [1, 1]], "repeats": [1, 2] if kind == "Tile" else 2, "indices": 0, "indices_or_sections": 2, "axes": [0, 1]}  # fmt: skip
    given = {key: value for key, value in config.items() if key in form.settings}
    operands = [{"tensor": 0}] * (1 if form.is_variadic else len(form.operands))
    layer = read_layer(kind, {**given, "is_operation": True, "arguments": operands, "keywords": {}})
    found: Any = answers.decode(answers.encode(layer))
    assert type(found._function) is type(layer._function)  # type: ignore[attr-defined]
