"""The names of outputs: beside a model, and those that look like a file where a directory is needed."""

from __future__ import annotations

import os

from lstmdump.readers.detect import FORMATS

_MODEL_ENDINGS = sorted((f".{suffix}" for row in FORMATS for suffix in row.suffixes), key=len, reverse=True)
_FILE_ENDINGS = frozenset((
    ".npz", ".npy", ".h5", ".hdf5", ".keras", ".pb", ".index", ".pt", ".pth", ".onnx", ".tflite", ".safetensors",
    ".json", ".jsonl", ".csv", ".txt", ".zip", ".tar", ".gz", ".h", ".pdf", ".png", ".svg",
))  # fmt: skip


def name_beside(model: str, suffix: str = ".npz") -> str:
    """Return the path of a file beside `model`, with its name and `suffix`: `weather.npz` for `weather.h5`."""
    place, name = os.path.split(model.rstrip(os.sep + (os.altsep or "")))
    if name in ("", os.curdir, os.pardir):
        place, name = os.path.split(os.path.abspath(model))
    ending = next((ending for ending in _MODEL_ENDINGS if name.lower().endswith(ending) and name != ending), "")
    return os.path.join(place, name[: len(name) - len(ending)] + suffix)


def refuse_file_name(out: str, models: int, suffixes: tuple[str, ...] = (".npz",)) -> str | None:
    """Return why `out` is not made a directory for the outputs of `models` models; None where it is right.

    An existing directory may have any name. `suffixes` are those of the files that can be written.
    """
    files = "".join(f"OUT{suffix}, " for suffix in suffixes).removesuffix(", ")
    advice = "give a directory" if models > 1 else f"give {files} or a directory"
    if out == "-":
        return f"export writes files, not to stdout: {advice}"
    ending = os.path.splitext(out)[1]
    if ending.lower() not in _FILE_ENDINGS or os.path.isdir(out) or (ending in suffixes and models == 1):
        return None
    if ending in suffixes:
        return f"{out} is one file, and there are {models:,} models: {advice}"
    return f"{out} looks like a file, and export writes {' or '.join(suffixes)} files: {advice}"
