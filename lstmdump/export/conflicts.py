"""Outputs of which one would take the place of another, or of a model: told before anything is written."""

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
    """Check that each of MODELS goes to a file of its own below OUT, in one of DIRECTORIES there.

    PLACES are the absolute paths of MODELS, and OUTPUT gives the file for one. Two paths are one file, too, where links
    lead from the one to the other, and where the disk does not tell capitals apart, or two ways of writing é.

    Raises:
        OutputClash: two go to one file, or one to a model.
    """
    if len(places) < len(models):
        _refuse_pair(models, output, str)
    if _may_be_alike(places) and (alike := _find_folding(out)) is not None:
        _refuse_pair(models, output, alike, f", as the disk of {out} does not tell their names apart")
    if os.path.isdir(out):
        there = _list_file_numbers(map(output, models))
        if len(set(there)) < len(there) or _has_links(out, directories):
            _refuse_pair(models, output, os.path.realpath, ", to which links lead")
        _require_no_model(models, output, set(there))


def require_local_path(path: str) -> None:
    """Check that `path` is on this machine.

    Raises:
        OutputUnwritable: it is a URL.
    """
    if locate.is_url(path):
        raise OutputUnwritable(f"{path} is a URL; files are written on this machine only")


def require_writable(path: str, *, overwrite: bool, models: Iterable[str] = (), inputs: Iterable[str] = ()) -> None:
    """Check that `path` may become an output: it is local, none of the files that are read, and not there already.

    Args:
        path: the output.
        overwrite: whether it may be there already, as a file.
        models: the paths of the models that are read.
        inputs: the paths of other files that are read.

    Raises:
        OutputUnwritable: it is a URL.
        OutputClash: it is one of `models` or `inputs`.
        OutputExists: it is a directory, or there already and `overwrite` is false.
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
        OutputClash: it is that file.
    """
    _require_no_model([model], lambda _: out, set(_list_file_numbers([out])))


def require_not_an_input(out: str, inputs: Iterable[str]) -> None:
    """Check that `out` is another file than each of `inputs`, which the user gives beside the models.

    Raises:
        OutputClash: it is one of them.
    """
    if any(os.path.exists(path) and os.path.exists(out) and os.path.samefile(path, out) for path in inputs):
        raise OutputClash(f"{out} is itself one of the files to be read; nothing was written")


def _require_no_model(models: Sequence[str], output: Callable[[str], str], there: set[int]) -> None:
    """Files are compared, not their names: links lead to them on many ways."""
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
    """Whether any disk could take two of PLACES, which differ, for one."""
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
    """What paths that the disk of OUT takes for one have in common; None where no two are one."""
    if not _is_case_sensitive(out):
        return _fold_name
    return _decompose if sys.platform == "darwin" else None


def _is_case_sensitive(out: str) -> bool:
    """Whether the directory OUT, or the one in which it is to be made, has room for `a` beside `A`."""
    while not os.path.isdir(out) and out:
        out = os.path.dirname(out)
    name = hidden_name()
    path = os.path.join(out, name)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError:  # to be told when an output is written
        return True
    try:
        lock(descriptor)
        return not os.path.lexists(os.path.join(out, name.upper()))
    finally:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(path)


def _has_links(out: str, directories: Iterable[str]) -> bool:
    """Whether one of DIRECTORIES, all below OUT, lies behind a link from there."""
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
    """The numbers that those files of PATHS have on their disks which are there."""
    numbers = []
    for path in paths:
        with suppress(OSError, ValueError):
            numbers.append(os.stat(path).st_ino)
    return numbers
