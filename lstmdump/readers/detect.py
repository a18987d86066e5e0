"""The detection of formats: by the first bytes of a file or, for a directory, by the files in it.

The suffix is ignored: Keras 2.12 wrote HDF5 into files named `.keras`, and browsers save HTML pages as `.h5`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from lstmdump.errors import BrokenModel, CorruptModel, ModelPart, UnknownFormat, UnreadableModel
from lstmdump.model.named_tuple import NamedTuple

if TYPE_CHECKING:
    from lstmdump.model.limits import Limits
    from lstmdump.model.location import Location
    from lstmdump.model.zip.archives import Archive


class Format(enum.Enum):
    """The formats, named as in the key `format` of the JSON output; reading distinguishes the two formats in HDF5."""

    HDF5 = "keras-h5"
    KERAS_ZIP = "keras-zip"
    KERAS_WEIGHTS = "keras-weights-h5"
    SAVED_MODEL = "saved-model"
    CHECKPOINT = "tf-checkpoint"
    ORBAX = "orbax"
    GRAPH = "tf-graph"
    TFJS = "tfjs"
    PYTORCH = "pytorch"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    TFLITE = "tflite"

    @property
    def facts(self) -> FormatFacts:
        """The row of this format in `FORMATS`."""
        return _FACTS[self]


class FormatFacts(NamedTuple):
    """The facts about a format that the rest of the program uses.

    Attributes:
        format: the format.
        label: the name in the table of `show`.
        name_in_help: the name in the help; if it starts with a dot, it is the suffix of a Keras file.
        suffixes: the suffixes of the files that the pre-commit hook checks; detection ignores them.
        is_directory: whether a directory can be one model of this format; a directory of checkpoints may hold several.
        uses_hdf5: whether its files are HDF5, which the HDF5 library reads if they are not plain.
    """

    format: Format
    label: str
    name_in_help: str
    suffixes: tuple[str, ...]
    is_directory: bool
    uses_hdf5: bool


FORMATS = (
    FormatFacts(Format.HDF5, "Keras HDF5", ".h5", ("h5", "hdf5"),
                is_directory=False, uses_hdf5=True),
    FormatFacts(Format.KERAS_ZIP, "Keras model", ".keras", ("keras",),
                is_directory=True, uses_hdf5=True),
    FormatFacts(Format.KERAS_WEIGHTS, "Keras weights", ".weights.h5", ("weights.json",),
                is_directory=False, uses_hdf5=True),
    FormatFacts(Format.SAVED_MODEL, "SavedModel", "a SavedModel's directory", ("pb",),
                is_directory=True, uses_hdf5=False),
    FormatFacts(Format.CHECKPOINT, "TensorFlow checkpoint", "a checkpoint (its prefix, .index or directory)",
                ("index",), is_directory=False, uses_hdf5=False),
    FormatFacts(Format.ORBAX, "Orbax checkpoint", "an Orbax checkpoint's directory", (),
                is_directory=True, uses_hdf5=False),
    FormatFacts(Format.GRAPH, "TensorFlow graph", "a frozen graph", ("pb",),
                is_directory=False, uses_hdf5=False),
    FormatFacts(Format.TFJS, "TensorFlow.js", "the model.json of TensorFlow.js", (),
                is_directory=False, uses_hdf5=False),
    FormatFacts(Format.PYTORCH, "PyTorch", "a PyTorch file (.pt, .pth, .ckpt)", ("pt", "pth"),
                is_directory=False, uses_hdf5=False),
    FormatFacts(Format.SAFETENSORS, "safetensors", "a .safetensors file", ("safetensors",),
                is_directory=False, uses_hdf5=False),
    FormatFacts(Format.ONNX, "ONNX", "an ONNX model", ("onnx",),
                is_directory=False, uses_hdf5=False),
    FormatFacts(Format.TFLITE, "TensorFlow Lite", "a TensorFlow Lite model (.tflite)", ("tflite",),
                is_directory=False, uses_hdf5=False),
)  # fmt: skip
"""The table of formats; a new format needs a member of `Format`, a row here, a rule in `detect`, and a case in
`readers.read`."""

_FACTS: dict[Format, FormatFacts] = {row.format: row for row in FORMATS}


HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"  # the first member of an archive; APPNOTE.TXT 4.3.7
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""The first bytes of a pickle of each protocol that has any."""

LEVELDB_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # the last 8 bytes of a LevelDB table, such as an .index
_HEAD = 1024
_MAX_DIGITS = 19  # of a step
_INDEX = ".index"
_CHECKPOINT_LEFTOVERS = (".meta", ".data-00000-of-00001")
_RECORD = "__lstmdump__.npy"  # in the archives that lstmdump writes
_RECORD_HEAD = 1 << 15  # bytes of it that hold the model's path
_RECORD_MODEL = r'\{"model": ("(?:[^"\\]|\\.)*")'
CHECKPOINT_ENDINGS = (_INDEX, *_CHECKPOINT_LEFTOVERS)
"""Endings of files that show that a path is the prefix of a checkpoint."""
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
_BESIDE_SAVED_MODEL = ("keras_metadata.pb", "fingerprint.pb")
_BESIDE_CONFIG = ("metadata.json", "model.weights.h5", "model.weights.json")  # an extracted .keras has two of these

ORBAX_TREE_MARKS = ("manifest.ocdbt", "array_metadatas", "_sharding")
"""The names beside `_METADATA` of which one is in a directory of variables of Orbax."""

_ORBAX_METADATA = "_METADATA"
_ORBAX_STEP = "_CHECKPOINT_METADATA"
_ORBAX_PARTS = (_ORBAX_METADATA, _ORBAX_STEP, *ORBAX_TREE_MARKS)
_WEIGHTS_MEMBERS = ("model.weights.", "variables.h5")  # the latter in Keras 2.11
_SHARDS = ".weights.json"

# Most patterns are not compiled here: few runs need them, and each takes as long as the import of a module.
_SAVED_MODEL_PB = b"\x08\x01\x12"  # schema_version 1, then a MetaGraphDef
_CHECKPOINT_PART = r"(.+)\.(?:meta|(?P<data>data-\d{5}-of-\d{5}))"
_WEIGHT_MAP = rb'(?s)\s*\{.*"weight_map"\s*:\s*\{\s*("/|\})'  # only entries of Keras begin with /
_LEGACY_PYTORCH = rb"(?s)\x80[\x02-\x05](?:\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\."  # a pickle of a magic number
_SAFETENSORS = b"\0\0{"  # from byte 6 on: the end of the length of a text, and the text, JSON
_AFTER_BRACE = (b'"', b"}", b" ", b"\t", b"\n", b"\r")
_TFLITE = b"TFL3"  # the identifier of a FlatBuffer, behind the offset of its first table
PYTORCH_MEMBER = r"(?:[^/]+/)?data\.pkl"
"""A pattern of the member of a zip archive that makes it one of PyTorch."""

_EXPORTED_MEMBER = "/models/model.json"

_MODEL_FILES = (  # that may be kept in Git LFS, in the directory of a model
    "saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001",
    "config.json", "metadata.json", "model.weights.h5",
)  # fmt: skip
_LFS_POINTER = b"version https://git-lfs"
_CHECKPOINT_LIST = b"model_checkpoint_path:"
_HTML = rb"(?i)\s*<(!doctype html|html|\?xml|head|body)"
_MODEL_SUFFIXES = (  # of files that are meant to be models, whoever reads them
    ".h5", ".hdf5", ".keras", ".pb", ".index", ".pt", ".pth", ".onnx", ".tflite", ".safetensors"
)  # fmt: skip
_META_GRAPH = (  # a pattern: a MetaGraphDef, which begins with the operations that its graph uses: OpDefs with names
    rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f](?:\x0a[\x00-\x7f]{2,64})?"
    rb"\x12[\x80-\xff]{0,4}[\x00-\x7f]\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x0a[\x01-\x7f][A-Z_]"
)
_GRAPH_NODE = (  # a NodeDef of any length, whose first field is its name
    rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x0a[\x01-\x7f][A-Za-z0-9.]"
)

_KERAS_MEMBER = rb"PK\x03\x04(?s:.{26})(?:config\.json|metadata\.json|model\.weights\.h5|variables\.h5)"
_MEMBER_LENGTH = 64  # bytes that the pattern matches at most
_MOST_SCANNED = 1 << 28  # bytes of a pickle
_SCANNED_BLOCK = 1 << 20
_TFJS_MANIFEST = rb'"weightsManifest"\s*:\s*\['
_BARE_TFJS_MANIFEST = rb'\s*\[\s*\{\s*"(?:paths|weights)"\s*:\s*\['

TFJS_FILES = ("model.json", "weights_manifest.json")
"""The files of which one is in the directory of a model of TensorFlow.js, the first that is there."""

# The first bytes of files that are often mistaken for models, and what they are. Sources: the formats' specifications.
_FOREIGN_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", "a NumPy .npy array; if it is an input, give it to trace or lags with -i"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ", "xz-compressed; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"GGUF", "a GGUF file"),
    (b"%PDF", "a PDF document"),
    (b"CDF\x01", "a netCDF file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x7fELF", "a program"),
    *((start, "a Python pickle, which is never unpickled here; save the model itself") for start in PICKLES),
)

# The fields of a ModelProto; onnx.proto.
_ONNX_VERSION, _ONNX_PRODUCER, _ONNX_GRAPH = 1, 2, 7
_ONNX_NUMBERS = (_ONNX_VERSION, 5)  # all others are texts and messages
_ONNX_FIELDS = frozenset({*range(1, 9), 14, 20, 25, 26})
_ONNX_VERSIONS = 256  # of the format, so far up to 13


def formats_in_words() -> str:
    """Return the list of formats for the help: `a Keras file (.h5, …), … or a frozen graph`."""
    suffixes = ", ".join(row.name_in_help for row in FORMATS if row.name_in_help.startswith("."))
    *others, last = (row.name_in_help for row in FORMATS if not row.name_in_help.startswith("."))
    return f"{', '.join((f'a Keras file ({suffixes})', *others))} or {last}"


def detect(location: Location) -> Format:
    """Return the format of the model at `location`, which may also be the prefix of a checkpoint.

    Raises:
        UnknownFormat: The file is not a model; the message states what it is.
        BrokenModel: The file is not a model, but its name or content shows that it was meant to be one.
        ModelPart: The file is a part of a model.
        UnreadableModel: The file does not exist, or cannot be opened.
    """
    try:
        if location.is_dir():
            return _detect_directory(location)
        if not location.is_file():
            if location.exists():
                raise UnknownFormat("neither a file nor a directory")
            if location.name:
                if location.sibling(location.name + _INDEX).is_file():
                    return Format.CHECKPOINT
                _explain_missing_checkpoint(location)
        if (words := _describe_part(location)) is not None:
            with location.open() as file:
                _refuse_lfs_pointer(file.read(_HEAD))
            raise ModelPart(words)
        with location.open() as file:
            return _detect_file(file, location)
    except FileNotFoundError as error:
        raise UnreadableModel("no such file or directory") from error
    except ValueError as error:  # a NUL in the name
        raise UnreadableModel("not a valid path") from error
    except OSError as error:
        raise UnreadableModel(f"cannot be opened: {error.strerror or error}") from error


def _explain_missing_checkpoint(location: Location) -> None:
    """Raise a helpful error if `location`, which does not exist, looks like the prefix of a checkpoint."""
    prefix = location.name.rstrip(".")
    if prefix and location.sibling(prefix + _INDEX).is_file():
        raise UnreadableModel(f"no such file; the prefix of the checkpoint is {prefix}, without the dot")
    if any(location.sibling(location.name + ending).is_file() for ending in _CHECKPOINT_LEFTOVERS):
        raise UnreadableModel(
            f"a checkpoint whose index, {location.name}{_INDEX}, is missing; nothing can be read without it"
        )


def _describe_part(location: Location) -> str | None:
    """Return the message for a file that is part of a model, by its name and the files beside it, or None."""
    may_be_part = location.name.endswith(".meta") or ".data-" in location.name
    if may_be_part and (part := re.fullmatch(_CHECKPOINT_PART, location.name)):
        if location.sibling(part[1] + _INDEX).is_file():
            return f"a part of a checkpoint; give its prefix, {part[1]}, or its .index"
        if not part["data"] and location.sibling(part[1]).is_file():
            return f"a part of a checkpoint; give {part[1]}"
        if part["data"]:
            return f"a part of a checkpoint whose index, {part[1]}{_INDEX}, is missing; nothing can be read without it"
    if location.name in _ORBAX_PARTS and any(location.sibling(name).is_file() for name in _ORBAX_PARTS[:2]):
        return "a part of an Orbax checkpoint; give its directory"
    if location.name in _BESIDE_SAVED_MODEL and location.sibling("saved_model.pb").is_file():
        return "a part of a SavedModel; give its directory"
    return None


def _detect_directory(location: Location) -> Format:
    if any(location.child(name).is_file() for name in _SAVED_MODEL):
        return Format.SAVED_MODEL
    if location.child("config.json").is_file() and any(location.child(name).is_file() for name in _BESIDE_CONFIG):
        return Format.KERAS_ZIP
    names = [entry.name for entry, _ in location.entries()]
    if _is_orbax(location, names):
        return Format.ORBAX
    if "checkpoint" in names or any(name.endswith(_INDEX) for name in names):
        return Format.CHECKPOINT
    if find_index_of_shards(names) is not None:
        return Format.KERAS_WEIGHTS
    if any(_is_tfjs_file(location.child(name)) for name in TFJS_FILES if name in names):
        return Format.TFJS
    raise UnknownFormat(
        "a directory, but not a model: it holds no saved_model.pb, no config.json, no checkpoint; "
        "name a file in it; `lstmdump show --recursive` finds the models below it"
    )


def _is_tfjs_file(file: Location) -> bool:
    if not file.is_file():
        return False
    with file.open() as opened:
        head = opened.read(_HEAD)
    return _detect_json(head, file) is Format.TFJS


def _is_orbax(location: Location, names: Sequence[str]) -> bool:
    """Return whether `location`, a directory of these `names`, is of Orbax: variables, a step, or several steps."""
    if _ORBAX_STEP in names or (_ORBAX_METADATA in names and any(mark in names for mark in ORBAX_TREE_MARKS)):
        return True
    return any(location.child(step).child(_ORBAX_STEP).is_file() for step in orbax_steps(names)[-1:])


def orbax_steps(names: Iterable[str]) -> list[str]:
    """Return those of `names` that can be saved steps of Orbax, the last one last."""
    return sorted((name for name in names if name.isdecimal() and len(name) < _MAX_DIGITS), key=int)


def find_index_of_shards(names: Iterable[str]) -> str | None:
    """Return the only one of `names`, of files in a directory, that can list the shards of a model, or None."""
    found = [name for name in names if name.endswith(_SHARDS)]
    return found[0] if len(found) == 1 else None


def _detect_file(file: BinaryIO, location: Location) -> Format:
    head = file.read(_HEAD)
    broken = BrokenModel if location.name.lower().endswith(_MODEL_SUFFIXES) else UnknownFormat
    if not head:
        raise broken("an empty file")
    if head.startswith(HDF5_SIGNATURE):
        return Format.HDF5
    if head.startswith(ZIP_MAGIC):
        return _detect_zip(file, location.limits, broken)
    if head[257:262] == b"ustar":
        raise UnknownFormat("a tar archive; unpack it first")
    if (found := _detect_pytorch(head)) is not None:
        return found
    size = file.seek(0, 2)
    if _has_hdf5_after_user_block(file, size):
        return Format.HDF5
    file.seek(max(0, size - len(LEVELDB_MAGIC)))
    if file.read() == LEVELDB_MAGIC:
        return Format.CHECKPOINT
    return _detect_by_head(file, head, size, location)


def _detect_pytorch(head: bytes) -> Format | None:
    """Return the format of a file of PyTorch by its first bytes; to look for HDF5 farther on takes requests at URLs."""
    if head[6:9] == _SAFETENSORS and head[9:10] in _AFTER_BRACE:
        return Format.SAFETENSORS
    is_legacy = head[:1] == b"\x80" and re.match(_LEGACY_PYTORCH, head) is not None
    return Format.PYTORCH if is_legacy else None


def _detect_by_head(file: BinaryIO, head: bytes, size: int, location: Location) -> Format:
    """Return the format of a file of `size` bytes by its first ones, `head`, where no signature states it."""
    broken = BrokenModel if location.name.lower().endswith(_MODEL_SUFFIXES) else UnknownFormat
    if head.startswith(_SAVED_MODEL_PB):
        return Format.SAVED_MODEL
    if head[4:8] == _TFLITE:
        return Format.TFLITE
    if (found := _detect_json(head, location)) is not None:
        return found
    _refuse_lookalikes(head, file, location)
    _refuse_foreign(head, broken)
    if head[:1] == b"\n" and re.match(_GRAPH_NODE, head):
        return Format.GRAPH
    if _is_onnx(head, size):
        return Format.ONNX
    raise UnknownFormat("not a model file: its first bytes are not those of a known format")


def _is_onnx(head: bytes, size: int) -> bool:
    """Return whether a file of `size` bytes that begins with `head` is a `ModelProto` of ONNX, by its first fields.

    Each field must be one that this message has, of the right kind; the version of the format and the graph must be
    among those that `head` shows, or the name of the producer if the graph comes later.
    """
    from lstmdump.readers.protobuf import varint

    position, seen = 0, set[int]()
    try:
        while position < len(head) and _ONNX_GRAPH not in seen:
            key, position = varint(head, position)
            value, position = varint(head, position)
            if key & 7 != (0 if key >> 3 in _ONNX_NUMBERS else 2) or key >> 3 not in _ONNX_FIELDS:
                return False
            if key >> 3 == _ONNX_VERSION and not 0 < value < _ONNX_VERSIONS:
                return False
            if key & 7:
                position += value
            seen.add(key >> 3)
    except CorruptModel:  # a number is longer than 10 bytes, or cut short
        return False
    goes_on = _ONNX_PRODUCER in seen and len(head) <= position < size
    return _ONNX_VERSION in seen and (_ONNX_GRAPH in seen or goes_on)


def _refuse_lookalikes(head: bytes, file: BinaryIO, location: Location) -> None:
    """Raise an error if `file`, which begins with `head`, is a part of a model, or holds one, in a form not read."""
    if head[:1] == b"\n" and re.match(_META_GRAPH, head):
        raise UnknownFormat(
            "a MetaGraphDef, the graph of a checkpoint of TensorFlow 1; the weights are in other files: "
            "its .index and .data files"
        )
    if head.startswith(PICKLES) and _holds_keras_archive(file, location):
        raise UnknownFormat(
            "a Python pickle, which is never unpickled here; it holds a Keras archive: "
            "save the model itself, with model.save"
        )


def _holds_keras_archive(file: BinaryIO, location: Location) -> bool:
    """Return whether a pickle on this machine holds a member of a Keras archive, without unpickling it."""
    if not location.is_here:
        return False
    member = re.compile(_KERAS_MEMBER)
    file.seek(0)
    end = b""
    for _ in range(_MOST_SCANNED // _SCANNED_BLOCK):
        block = end + file.read(_SCANNED_BLOCK)
        if len(block) == len(end):
            return False
        if member.search(block):
            return True
        end = block[-_MEMBER_LENGTH:]
    return False


def _detect_json(head: bytes, location: Location) -> Format | None:
    """Return the format of the JSON at `location`, which begins with `head`, by what it holds."""
    first = head.lstrip()[:1]
    if first == b"[":
        return Format.TFJS if re.match(_BARE_TFJS_MANIFEST, head) else None
    if first != b"{":
        return None
    if b'"weight_map"' in head and re.match(_WEIGHT_MAP, head):
        return Format.KERAS_WEIGHTS
    from lstmdump.readers import json_text

    try:
        return Format.TFJS if re.search(_TFJS_MANIFEST, json_text.content(location)) else None
    except UnreadableModel:  # too long for a JSON text
        return None


def _refuse_lfs_pointer(head: bytes) -> None:
    """Raise an error if the file that begins with `head` stands for one that Git LFS has not fetched."""
    if head.startswith(_LFS_POINTER):
        raise BrokenModel("a Git LFS pointer, not the model itself; fetch it with `git lfs pull`")


def find_lfs_pointer(location: Location) -> str | None:
    """Return the name of a file of the model at `location`, on this machine, that is a Git LFS pointer, or None."""
    if not location.is_here:
        return None
    if location.is_dir():
        files = [location.child(name) for name in _MODEL_FILES]
    else:
        prefix = location.name.removesuffix(_INDEX)
        files = [location.sibling(prefix + ending) for ending in CHECKPOINT_ENDINGS]
    for file in files:
        if file.is_file():
            with file.open() as opened:
                if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
                    return file.name
    return None


def _refuse_foreign(head: bytes, broken: type[UnknownFormat]) -> None:
    """Raise an error if it is known what begins with `head`: `broken` for what may stand in place of a model."""
    _refuse_lfs_pointer(head)
    if head.startswith(_CHECKPOINT_LIST):
        raise ModelPart("a list of checkpoints, not a checkpoint; give its directory")
    if head.lstrip()[:1] == b"<" and re.match(_HTML, head):
        raise broken("an HTML page, not the model; the download failed")
    if (words := _name_foreign(head)) is not None:
        raise UnknownFormat(words)
    if (text := _decode_text(head)) is not None:
        words = (
            "JSON text; an architecture alone holds no weights" if text.lstrip()[:1] in ("{", "[") else "a text file"
        )
        raise broken(f"not a model file: {words}")


def _name_foreign(head: bytes) -> str | None:
    """Return what the file that begins with `head` is, and what to do, or None if it is unknown."""
    return next((words for start, words in _FOREIGN_STARTS if head.startswith(start)), None)


def _has_hdf5_after_user_block(file: BinaryIO, size: int) -> bool:
    """Return whether the signature is at 512, 1024, 2048, … (HDF5 file format, II.A)."""
    offset = 512
    while offset + len(HDF5_SIGNATURE) <= size:
        file.seek(offset)
        if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return True
        offset *= 2
    return False


def _detect_zip(file: BinaryIO, limits: Limits, broken: type[UnknownFormat]) -> Format:
    from lstmdump.model.zip import archives

    try:
        archive = archives.Archive(file, limits)
        members = archive.names()
        source = _read_source(archive) if _RECORD in members else None
    except (NotImplementedError, ValueError, OSError) as error:
        raise broken("a zip archive that is truncated or damaged") from error
    if "config.json" in members and any(name.startswith(_WEIGHTS_MEMBERS) for name in members):
        return Format.KERAS_ZIP
    if any(re.fullmatch(PYTORCH_MEMBER, name) for name in members):
        return Format.PYTORCH
    if any(name.endswith(_EXPORTED_MEMBER) for name in members):
        raise UnknownFormat("an archive of torch.export (.pt2), which is not read; save the state dict with torch.save")
    if members and all(name.endswith(".npy") for name in members):
        if source is not None:
            raise UnknownFormat(f"a NumPy .npz archive, exported from {source}; give that model, or use numpy.load")
        raise UnknownFormat("a NumPy .npz archive")
    raise UnknownFormat("a zip archive, but neither a Keras model, with config.json and model.weights.h5, nor a "
                        "PyTorch file, with data.pkl")  # fmt: skip


def _read_source(archive: Archive) -> str | None:
    """Return the model that `archive`, which lstmdump wrote, was exported from: the first key of its record."""
    import json

    try:
        record = [member for member in archive.members if member.filename == _RECORD][-1]
        with archive.open(record) as content:
            head = content.read(_RECORD_HEAD)
        start = head.find(b"\n") + 1  # of the text, which NumPy stores in UTF-32
        text = head[start:].decode("utf-32-le", "replace")
        found = re.match(_RECORD_MODEL, text)
        return None if found is None else str(json.loads(found[1], strict=False))
    except Exception:  # noqa: BLE001 - whatever is wrong with the record, it names no model
        return None


def _decode_text(head: bytes) -> str | None:
    """Return `head` as UTF-8 text, or None if it is not text; the last character may be incomplete."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < _HEAD or error.start < len(head) - 3:
            return None
        text = head[: error.start].decode("utf-8")
    return None if any(ord(sign) < 32 and sign not in "\t\n\r\f\x1b" for sign in text) else text
