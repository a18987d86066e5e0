"""TensorFlow checkpoints of objects (TensorFlow 2, `save_weights` of Keras 2) and of named variables (TensorFlow 1).

A checkpoint is given by its prefix, its `.index`, or its directory, whose file `checkpoint` names the latest one.
"""

from __future__ import annotations

import os
import re
from contextlib import closing

from lstmdump.errors import UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format
from lstmdump.readers.tensorflow.wire import bundle as wire_bundle
from lstmdump.readers.tensorflow.wire.bundle import OBJECT_GRAPH_KEY, Bundle, note_missing_files
from lstmdump.readers.tensorflow.wire.file_bytes import FileBytes
from lstmdump.readers.tensorflow.wire.sstable import Table

_LATEST = rb'(?m)^model_checkpoint_path: "((?:[^"\\\n]|\\.)*)"'
_ESCAPED = rb"\\(?:([0-7]{1,3})|(.))"  # protobuf's text form: octal, or one character
_INDEX = ".index"
_VARIABLES = "variables"  # a SavedModel's folder, and the prefix in it
_STATE = "checkpoint"
_MAX_STATE = 1 << 20  # bytes; the file names the latest checkpoint first


def read(location: Location) -> Model:
    """Return the model in the checkpoint at `location`: a prefix, an index, a file of the first format, or a directory.

    Raises:
        UnreadableModel: There is no checkpoint, or several and none is named the latest; or it is damaged.
    """
    if not location.is_dir():
        return _read_one(location)
    found, notes = _choose_checkpoint(location)
    model = _read_one(found)
    return model._replace(notes=(*notes, *model.notes)) if notes else model


def _read_one(location: Location) -> Model:
    if not location.is_file():
        return _read_bundle(location)
    if _is_index(location):
        return _read_bundle(location.sibling(location.name.removesuffix(_INDEX)))
    from lstmdump.readers.tensorflow.tf1 import model as tf1_model

    return tf1_model.read_first_format(location)


def _read_bundle(prefix: Location) -> Model:
    kind, bundle = Format.CHECKPOINT, Bundle(prefix)
    try:
        notes = [*_note_saved_model(prefix), *note_missing_files(bundle)]
        if OBJECT_GRAPH_KEY in bundle:
            from lstmdump.readers.tensorflow.objects import checkpoint

            return checkpoint.read(bundle, notes)
        from lstmdump.readers.tensorflow.tf1 import model as tf1_model

        return tf1_model.of_names(prefix, {name: bundle.tensor(name) for name in bundle.names()}, kind, notes, bundle)
    except BaseException:
        bundle.close()
        raise


def _note_saved_model(prefix: Location) -> list[str]:
    """Return the note that the checkpoint at `prefix` is the `variables` of a SavedModel, which knows more, or none."""
    folder = prefix.parent
    here = folder.path == os.curdir
    if prefix.name != _VARIABLES or not (here or folder.name == _VARIABLES):
        return []
    model = Location(os.pardir, limits=prefix.limits) if here else folder.parent
    is_model = any(model.child(name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))
    return [f"a part of a SavedModel; give {model.path}"] if is_model else []


def _is_index(location: Location) -> bool:
    """Return whether the table at `location` is the index of a bundle, and not a checkpoint of the first format."""
    with closing(FileBytes(location)) as data:
        header = Table(data, location.limits).get(b"")
        return header is not None and wire_bundle.is_bundle_header(header)


def _choose_checkpoint(directory: Location) -> tuple[Location, list[str]]:
    """Return the checkpoint that the file `checkpoint` in `directory` names, or the only one, and notes on the choice.

    Only the last step of the path in that file is used, as the path is that of the machine where it was written.
    """
    prefixes = _list_prefixes(directory)
    latest = _read_latest(directory.child(_STATE))
    if latest and any(directory.child(latest + ending).is_file() for ending in (_INDEX, "")):
        several = len(prefixes) > 1
        return directory.child(latest), [
            f"{latest} is the latest of {len(prefixes)} checkpoints here"
        ] if several else []
    if len(prefixes) == 1:
        gone = f"this is {prefixes[0]}; the file `{_STATE}` names {latest}, which is missing"
        return directory.child(prefixes[0]), [gone] if latest else []
    named = f"its file `{_STATE}` names {latest}, which is missing" if latest else "none is named the latest"
    if not prefixes:
        raise UnreadableModel(f"the directory holds no checkpoint: {named}")
    names = ", ".join(prefixes[:5])
    raise UnreadableModel(f"the directory holds {len(prefixes)} checkpoints and {named}; give one: {names}")


def _list_prefixes(directory: Location) -> list[str]:
    """Return the prefixes of the checkpoints in `directory`; none if the directory cannot be listed."""
    try:
        names = [entry.name for entry, _ in directory.entries()]
    except (OSError, UnreadableModel):
        return []
    return [name.removesuffix(_INDEX) for name in names if name.endswith(_INDEX)]


def _read_latest(state: Location) -> str:
    """Return the last step of the path of the latest checkpoint in the file `state`, or an empty text."""
    try:
        found = re.search(_LATEST, _read_beginning(state)) if state.is_file() else None
    except OSError as error:
        raise UnreadableModel(f"its file `{_STATE}` cannot be read: {error.strerror or error}") from error
    if found is None:
        return ""
    path = re.sub(_ESCAPED, lambda sign: bytes([int(sign[1], 8) & 0xFF]) if sign[1] else sign[2], found[1])
    last = re.split(r"[/\\]", path.decode("utf-8", "surrogateescape"))[-1]
    return os.path.basename(last)  # noqa: PTH119 - on Windows, without a drive: `D:x` is in that drive's own current directory


def _read_beginning(file: Location) -> bytes:
    with file.open() as opened:
        return opened.read(_MAX_STATE)
