"""The public names of the package, each in an interpreter that has imported nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lstmdump


def answer(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", [name for name in lstmdump.__all__ if name != "__version__"])
def test_a_public_name_works_in_a_fresh_interpreter(name: str) -> None:
    assert answer(f"import lstmdump; print(bool(lstmdump.{name}.__doc__))") == "True"


def test_all_public_names_can_be_imported_at_once() -> None:
    assert answer("from lstmdump import *; print(open.__module__, replay.replay.__name__)") == "lstmdump replay"


@pytest.mark.parametrize(
    "name",
    ["export.export", "export.plan", "export.Settings", "plot.gates", "plot.lags", "plot.states", "replay.read", "replay.replay", "replay.run", "replay.States", "trace.run",
     "network.read", "batch.run", "behaviour.of", "errors.LstmdumpError"],
)  # fmt: skip
def test_a_name_of_a_public_module_works_in_a_fresh_interpreter(name: str) -> None:
    assert answer(f"import lstmdump; print(callable(lstmdump.{name}))") == "True"


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("batch", "run"),
        ("behaviour", "of"),
        ("limits", "Limits"),
        ("network", "read"),
        ("processes", "Processes"),
        ("tensor", "Tensor"),
        ("trace", "run"),
    ],
)
def test_a_module_of_0_1_is_deprecated_and_still_works(old: str, name: str) -> None:
    code = f"""
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from lstmdump.{old} import {name}
print(callable({name}), *{{warning.category.__name__ for warning in caught}})"""
    assert answer(code) == "True DeprecationWarning"


@pytest.mark.parametrize("name", ["network.Wanted", "trace.Place", "trace.write"])
def test_a_name_of_0_1_is_deprecated_and_still_works(name: str) -> None:
    code = f"""
import lstmdump, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    value = lstmdump.{name}
print(callable(value), *(warning.category.__name__ for warning in caught))"""
    assert answer(code) == "True DeprecationWarning"


def test_the_pictures_are_imported_by_their_public_name() -> None:
    assert answer("import lstmdump.plot as plot; print(callable(plot.gates))") == "True"


def test_an_unknown_name_of_a_public_module_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        lstmdump.trace.nothing  # noqa: B018 - what it raises is the point


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lstmdump.nothing  # noqa: B018 - what it raises is the point
