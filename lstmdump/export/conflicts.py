"""Check, before anything is written, that no output replaces another one, a model, or another input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

from lstmdump.errors import OutputClash, OutputExists, OutputUnwritable
from lstmdump.export.atomic import already_there, hidden_name, lock
from lstmdump.model import locate
from lstmdump.model.escape import visible


def check_output_conflicts(
    models: Sequence[str], output: Callable[[str], str], out: str, places: Collection[str], directories: Iterable[str]
) -> None:
    """Check that each model is written to a file of its own below `out`.

    Two paths are one file also where links lead from one to the other, and where the file system ignores case, or
    treats the two encodings of é as equal.

    Args:
        models: The paths of the models.
        output: Returns the file for a model.
        out: The directory for all outputs.
        places: The absolute paths of the models.
        directories: The directories of the outputs, below `out`.

    Raises:
        OutputClash: Two models are written to one file, or one over a model.
    """
    if len(places) < len(models):
        _refuse_pair(models, output, str)
    if _may_be_alike(places) and (alike := _find_folding(out)) is not None:
        _refuse_pair(models, output, alike, f": the file system of {out} treats these names as equal")
    if os.path.isdir(out):
        there = _list_file_numbers(map(output, models))
        if len(set(there)) < len(there) or _has_links(out, directories):
            _refuse_pair(models, output, os.path.realpath, ", through links")
        _require_no_model(models, output, set(there))


def require_local_path(path: str) -> None:
    """Check that `path` is on this machine.

    Raises:
        OutputUnwritable: `path` is a URL.
    """
    if locate.is_url(path):
        raise OutputUnwritable(f"{path} is a URL; files are written on this machine only")


def require_writable(path: str, *, overwrite: bool, models: Iterable[str] = (), inputs: Iterable[str] = ()) -> None:
    """Check that `path` may be written: it is local, not one of the files that are read, and does not exist yet.

    Args:
        path: The output.
        overwrite: Whether `path` may be an existing file.
        models: The paths of the models that are read.
        inputs: The paths of other files that are read.

    Raises:
        OutputUnwritable: `path` is a URL.
        OutputClash: `path` is one of `models` or `inputs`.
        OutputExists: `path` is a directory, or exists and `overwrite` is false.
    """
    require_local_path(path)
    for model in models:
        require_not_a_model(path, model)
    require_not_an_input(path, inputs)
    if os.path.isdir(path):
        raise OutputExists(f"{visible(path)} is a directory")
    if not overwrite and os.path.lexists(path):
        raise already_there(visible(path))


def require_not_a_model(out: str, model: str) -> None:
    """Check that `out` is another file than `model`.

    Raises:
        OutputClash: They are the same file.
    """
    _require_no_model([model], lambda _: out, set(_list_file_numbers([out])))


def require_not_an_input(out: str, inputs: Iterable[str]) -> None:
    """Check that `out` is another file than each of `inputs`, which the user gives in addition to the models.

    Raises:
        OutputClash: `out` is one of them.
    """
    if any(os.path.exists(path) and os.path.exists(out) and os.path.samefile(path, out) for path in inputs):
        raise OutputClash(f"{out} is itself one of the files to be read; nothing was written")


def _require_no_model(models: Sequence[str], output: Callable[[str], str], there: set[int]) -> None:
    """Compare files, not their names: different links may lead to one file."""
    both = there.intersection(_list_file_numbers(models)) if there else there
    for path in map(output, models) if both else ():
        if both.intersection(_list_file_numbers([path])) and any(
            os.path.exists(model) and os.path.samefile(model, path) for model in models
        ):
            raise OutputClash(f"{path} is itself one of the models to be read; nothing was written")


def _refuse_pair(
    models: Sequence[str], output: Callable[[str], str], identity: Callable[[str], str], reason: str = ""
) -> None:
    first: dict[str, str] = {}
    for model in models:
        path = output(model)
        same = identity(path)
        if same in first:
            raise OutputClash(f"{first[same]} and {model} would both be written to {path}{reason}; nothing was written")
        first[same] = model


def _may_be_alike(places: Collection[str]) -> bool:
    """Return whether any file system could treat two of `places`, which differ, as equal."""
    text = "\0".join(places)
    if text.isascii() and text.lower() == text:
        return False
    return len(set(_fold_name(text).split("\0"))) < len(places)


def _fold_name(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _decompose(_decompose(text).casefold())


def _decompose(text: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFD", text)


def _find_folding(out: str) -> Callable[[str], str] | None:
    """Return a function that maps paths to one text if the file system of `out` treats them as equal, or None."""
    if not _is_case_sensitive(out):
        return _fold_name
    return _decompose if sys.platform == "darwin" else None


def _is_case_sensitive(out: str) -> bool:
    """Return whether the directory `out`, or the one in which it will be created, can hold both `a` and `A`."""
    while not os.path.isdir(out) and out != (above := os.path.dirname(out)):  # a missing drive is its own parent
        out = above
    name = hidden_name()
    path = os.path.join(out, name)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError:  # reported when an output is written
        return True
    try:
        lock(descriptor)
        return not os.path.lexists(os.path.join(out, name.upper()))
    finally:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(path)


def _has_links(out: str, directories: Iterable[str]) -> bool:
    """Return whether there is a link on the way from `out` to one of `directories`, all below it."""
    seen = {out}
    for directory in directories:
        path = directory
        while path and path not in seen:
            if os.path.islink(path):
                return True
            seen.add(path)
            path = os.path.dirname(path)
    return False


def _list_file_numbers(paths: Iterable[str]) -> list[int]:
    """Return the inode numbers of those `paths` that exist."""
    numbers = []
    for path in paths:
        with suppress(OSError, ValueError):
            numbers.append(os.stat(path).st_ino)
    return numbers
