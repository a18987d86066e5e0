"""Properties of files and options that users give beside models: whatever they hold, the outcome is one line or a result.

`HOSTILE_EXAMPLES=2000` sets the number of examples.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile.test_properties import anything
from hypothesis import example, given
from hypothesis import strategies as st
from support import builders

from lstmdump import cli

RECORD = {
    "model": "m.h5", "format": "keras-h5", "parameters": {"lstm": 128, "total": 133}, "notes": [],
    "layers": [{"name": "lstm_1", "class": "LSTM", "class_from": "file", "input_dim": 3, "units": 4, "parameters": 128,
                "activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False, "cell_clip": None}],
}  # fmt: skip

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
path_text = st.lists(
    st.sampled_from(["a", "/", "\\", ".", "-", "=", ":", "*", "[", "]", "~", " ", "\n", "\x1b", "é", "\u202e", "\udcff", "://", "x.h5", ".npz", "m.h5"]),
    min_size=1,
    max_size=6,
).map("".join)  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**18, 10**22)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["", "\0", "\ud800", "\udcff", "m.h5", "lstm_1", "3x4", "1e999", "64MiB"])
)
some_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current directory, which holds a model and an input, and in which each example overwrites the one before."""
    directory = tmp_path_factory.mktemp("examples")
    builders.one_lstm(directory / "m.h5")
    np.save(directory / "x.npy", np.zeros((2, 5, 3), "f4"))
    before = Path.cwd()
    os.chdir(directory)
    yield directory
    os.chdir(before)


def require_clean(*words: str) -> int:
    """Run the command line in this process, and check that no message is that of a bug; return the status."""
    streams = sys.stdout, sys.stderr
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="\n") for _ in range(2)
    )
    sys.stdout, sys.stderr = out, err
    try:
        status = cli.run(words)
        err.flush()
    finally:
        sys.stdout, sys.stderr = streams
    said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "a bug in lstmdump" not in said, said
    assert status in (0, 1, 2), said
    assert status != 2 or said.startswith("lstmdump: "), said
    return status


# --- arrays

dimensions = st.integers(-2, 8) | st.booleans() | st.integers(2**31, 2**65) | st.floats(0, 9) | st.none() | st.just("3")
shapes = (
    st.lists(dimensions, max_size=4).map(tuple)
    | st.lists(dimensions, max_size=3)
    | st.permutations([2, 5, 3]).map(tuple)
    | st.just((2, 5, 3))
    | dimensions
)
kinds = st.sampled_from(["<f4", "<f8", ">f4", "<f2", "|b1", "|u1", "<i8", "|O", "<U3", "<c8", "|V4", "<M8[s]", "f4,f4", "(2,)f4", "", "<f16", "<m8", "|S0", "<f5"])  # fmt: skip
headers = st.fixed_dictionaries(
    {"descr": kinds | some_json, "fortran_order": st.booleans() | some_json, "shape": shapes},
    optional={"more": some_json},
)


def array(header: object, data: bytes, version: int = 1) -> bytes:
    """Return an `.npy` file with any header."""
    described = f"{header!r}\n".encode("utf-8", "surrogatepass")
    length = struct.pack("<H" if version == 1 else "<I", min(len(described), 65535))
    return b"\x93NUMPY" + bytes([version, 0]) + length + described + data


npy_files = st.builds(array, headers | some_json, st.binary(max_size=130) | st.just(bytes(120)), st.sampled_from([1, 2, 3, 9]))  # fmt: skip
TRUTH = array({"descr": "<f4", "fortran_order": False, "shape": (True, 3)}, bytes(12))


@anything
@given(npy_files | st.binary(max_size=60), st.sampled_from(["trace", "lags"]))
@example(TRUTH, "trace")
@example(TRUTH, "lags")
def test_an_input_is_run_or_refused(place: Path, data: bytes, command: str) -> None:
    (place / "given.npy").write_bytes(data)
    require_clean(command, "m.h5", "-i", "given.npy", *(("-o", "t.npz", "-f") if command == "trace" else ()))


@anything
@given(npy_files)
@example(array({"descr": "<f4", "fortran_order": False, "shape": (True, 5)}, bytes(20)))
def test_a_mask_is_taken_or_refused(place: Path, data: bytes) -> None:
    (place / "mask.npy").write_bytes(data)
    require_clean("lags", "m.h5", "-i", "x.npy", "--mask", "mask.npy")


members = st.lists(
    st.tuples(
        st.sampled_from(["lstm_1/h", "lstm_1/c", "h", "c", "h.npy", "../h", "?"]) | st.text("ab/.é\x1b", min_size=1),
        npy_files,
    ),
    max_size=3,
)


@anything
@given(members)
@example([("h.npy", array({"descr": "<f4", "fortran_order": False, "shape": (True, 4)}, bytes(16)))])
def test_first_states_are_taken_or_refused(place: Path, parts: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(place / "state.npz", "w") as archive:
        for name, data in dict(parts).items():
            archive.writestr(name, data)
    require_clean("trace", "m.h5", "-i", "x.npy", "-o", "t.npz", "-f", "--initial-state", "state.npz")


# --- records, settings and lists


@anything
@given(st.data())
def test_a_record_is_compared_or_refused(place: Path, data: st.DataObject) -> None:
    record = json.loads(json.dumps(RECORD))
    target = data.draw(st.sampled_from([record, record["layers"][0]]))
    for key in data.draw(st.lists(st.sampled_from(sorted(target)), max_size=2)):
        target[key] = data.draw(some_json)
    lines = [record, *data.draw(st.lists(some_json, max_size=1)), *data.draw(st.sampled_from([[], [RECORD]]))]
    (place / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    chosen = data.draw(st.sampled_from([(), ("m.h5",), ("m.h5", "gone.h5")]))
    form = data.draw(st.sampled_from(["text", "json", "github", "junit"]))
    require_clean("check", *chosen, "--against", "r.jsonl", "--format", form)


@anything
@given(st.data())
def test_an_update_of_any_record_is_done_or_refused(place: Path, data: st.DataObject) -> None:
    entry = RECORD | {"model": data.draw(path_text | st.text(max_size=5) | st.just("m.h5"))}
    (place / "u.jsonl").write_text(json.dumps(entry) + "\n" + json.dumps(RECORD) + "\n", "utf-8")
    require_clean("check", "m.h5", "--against", "u.jsonl", "--update")


def toml(value: object) -> str:
    """Return `value` in TOML; None as an empty text, which TOML has no word for."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value) if "e" not in repr(value) else f"{value:e}"
    return str(value) if isinstance(value, int) else json.dumps(value or "")


SETTINGS = ("models", "params", "total", "layer-params", "layer-shape", "max-params", "max-total", "limit", "against")
settings_values = st.dictionaries(
    st.sampled_from(SETTINGS) | st.text(max_size=3),
    some_json
    | st.lists(path_text | st.text(max_size=4), max_size=2)
    | st.dictionaries(st.sampled_from(["lstm_1", "json-size", "objects"]), scalars, max_size=2),
    max_size=3,
)


@anything
@given(settings_values | some_json, st.booleans())
@example({"models": ["\udcff.h5"], "params": 1}, True)
def test_settings_are_used_or_refused(place: Path, value: Any, own_file: bool) -> None:
    lines = "\n".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) if isinstance(value, dict) else toml(value)  # fmt: skip
    name = "s.toml" if own_file else "pyproject.toml"
    (place / name).write_text("[tool.lstmdump.check]\n" + lines, "utf-8", "surrogatepass")
    try:
        require_clean("check", *(("--config", name) if own_file else ()), *(("m.h5",) if len(lines) % 2 else ()))
    finally:
        (place / name).unlink()


@anything
@given(st.binary(max_size=80), st.sampled_from(["s.toml", "list", "r.jsonl", "x.any"]))
@example(b"\xff\xfem\0.\0", "list")
@example(b"\xef\xbb\xbf\xff", "r.jsonl")
def test_any_bytes_are_used_or_refused(place: Path, data: bytes, name: str) -> None:
    (place / name).write_bytes(data)
    words = {"s.toml": ("check", "--config", name), "list": ("show", "-T", name), "r.jsonl": ("check", "m.h5", "--against", name),
             "x.any": ("show", name)}  # fmt: skip
    require_clean(*words[name])


lines = st.binary(max_size=8) | st.sampled_from([b"m.h5", b"a\0b", b"\xff.h5", b"\xed\xa0\x80", b".", b"..", b"/", b"-", b"\r"])  # fmt: skip


@anything
@given(st.lists(lines, max_size=4), st.booleans(), st.sampled_from([("show",), ("export", "-o", "out", "-f"), ("check", "--params", "1")]))  # fmt: skip
@example([b"a\0b"], False, ("show",))
@example([b"a\0b"], False, ("export", "-o", "out", "-f"))
def test_a_list_of_any_names_is_used_or_refused(place: Path, names: list[bytes], null: bool, words: Any) -> None:
    (place / "list").write_bytes((b"\0" if null else b"\n").join(names))
    require_clean(*words, "-T", "list", *(("-0",) if null else ()))


# --- words on the command line

VALUED = {
    "show": ["-l", "--gates", "--limit", "--format", "--plot", "--plot-kind", "-T", "-r", "--explain", "--color"],
    "export": ["-o", "-l", "--dtype", "--limit", "-j", "-r", "--layout"],
    "diff": ["m.h5", "-l", "--tolerance", "--format", "--limit"],
    "check": ["--params", "--total", "--layer-params", "--layer-shape", "--max-params", "--against", "--config", "--format", "-l"],
    "trace": ["-o", "-i", "--mask", "--initial-state", "--activation", "--recurrent-activation", "--forget-bias", "--dtype", "--into", "--plot", "-l"],
    "lags": ["-i", "--mask", "--initial-state", "--activation", "--forget-bias", "--into", "--top", "--plot", "-l"],
    "help": [], "version": [],
}  # fmt: skip
odd = (
    path_text
    | text
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(
        [
            "a\0b",
            "\ud800",
            "x=",
            "=x",
            "lstm_1=",
            "=3x4",
            "json-size=",
            "json-size=9" + "9" * 40 + "TiB",
            "9" * 5000,
            "٣",
            "[",
            "[!",
            "**",
            "NAME=x.npy",
            "x.npy",
            "=x.npy",
            "𝟛x𝟜",
        ]
    )
)


@pytest.mark.usefixtures("place")
@anything
@given(st.data())
def test_any_words_are_understood_or_refused(data: st.DataObject) -> None:
    command = data.draw(st.sampled_from(sorted(VALUED)))
    words = [command]
    if data.draw(st.booleans()):
        words.append("m.h5")
    if command in ("trace", "lags") and data.draw(st.booleans()):
        words += ["-i", "x.npy"]
    for option in data.draw(st.lists(st.sampled_from(VALUED[command]), max_size=3)) if VALUED[command] else []:
        words += [option, data.draw(odd)]
    words += data.draw(st.lists(odd, max_size=1))
    if not any("://" in word or word.startswith(("/", "~", "..")) for word in words):
        require_clean(*words)


@pytest.mark.usefixtures("place")
@pytest.mark.skipif(os.name != "posix", reason="Windows passes lone surrogates")
@pytest.mark.parametrize("word", ["a\0b", "\ud800"], ids=["NUL", "half a surrogate pair"])
@pytest.mark.parametrize("before", [(), ("show",), ("check", "--params", "1"), ("export", "-o")])
def test_words_that_no_system_can_pass_are_refused(before: tuple[str, ...], word: str) -> None:
    assert require_clean(*before, word) == 2
