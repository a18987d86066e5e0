"""Our one hand on h5py: attributes, links and lazy tensors of an HDF5 file, with h5py's exceptions stopped here.

A model file is untrusted. Keras writes hard links and data inside the file only, so soft and external links, external
storage and virtual datasets, all of which let a file read another one (CVE-2026-1669 in Keras), are refused before
anything is opened through them, and HDF5 filter plugins are not loaded.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any, BinaryIO

os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # HDF5's own word for: load no plugin, whatever HDF5_PLUGIN_PATH says

import h5py

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.attributes import decode_text
from lstmdump.readers.hdf5.calls import FOREIGN_ERRORS, H5pyCall
from lstmdump.readers.hdf5.data import DatasetNumbers, HDF5Data
from lstmdump.readers.hdf5.datasets import attribute_too_long, describe_dataset, read_checked_attribute
from lstmdump.readers.hdf5.links import Links, find_links_below, too_many_links

_METADATA = 8 * 2**20  # bytes; those of 1,000 layers come to 4 MiB
_DESCRIBING = 64 * 2**20  # bytes of a file; of a longer one most are numbers, which get their time when they are read
_TIMES, _COPIES = 5, 4  # a byte that describes arrays takes longer than one of a number, and 20 bytes of memory


class Group:
    """A group of an open file. Every link on a path is looked at before it is followed, so that none leaves the file.

    h5py's low level is used here: a model of a thousand layers has ten thousand links, and an h5py object for each, or
    one that stays open, takes longer than all the rest.
    """

    def __init__(
        self, top: h5py.h5g.GroupID, path: str, data: HDF5Data, *, within: bytes = b"", links: Links | None = None
    ) -> None:
        """The group WITHIN that at the TOP, the LINKS below which are known."""
        self._top = top
        self._within = within
        self._links = links
        self._data = data
        self._inside: set[bytes] = set()
        self.path = path

    def look_ahead(self) -> None:
        """Look up all links below this group at once, which pays where most of them are going to be asked for."""
        if self._links is None and (found := find_links_below(self._top, self._data.declared.limits)) is not None:
            self._links = found
            self._data.describe(found.addresses.values())

    def group(self, path: str) -> Group | None:
        """The group at PATH below this one, or None where there is none."""
        if self._links is not None and (within := self._extend_path(_encode(path))) in self._links.names:
            return Group(self._top, self._join(path), self._data, within=within, links=self._links)
        found = self._find(path)
        return Group(found, self._join(path), self._data) if isinstance(found, h5py.h5g.GroupID) else None

    def tensor(self, path: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        """The dataset at PATH below this group, or None where there is none.

        OPAQUE_IS_BFLOAT16: whether two bytes of no known type are a bfloat16, which HDF5 has no type for.
        """
        if self._links is not None and self._data.headers is not None:
            address = self._links.addresses.get(self._extend_path(_encode(path)))
            if address is not None and (plain := self._data.headers.plain(address)) is not None:
                whole_path = self._join(path)
                self._data.take(whole_path, plain.size, plain.start)
                numbers = DatasetNumbers(whole_path, self._data, is_bfloat16=False)
                return Tensor(whole_path, plain.shape, "float32", numbers.fetch, numbers.rows)
        found = self._find(path)
        if not isinstance(found, h5py.h5d.DatasetID):
            return None
        return describe_dataset(found, self._join(path), self._data, opaque_is_bfloat16=opaque_is_bfloat16)

    @property
    def address(self) -> int:
        """Where it stands in the file: no other has this number, and what was written first has the lowest."""
        if self._links is not None and self._within:
            return self._links.addresses[self._within]
        with H5pyCall(f"looking up {self.path or '/'}"):
            return int(h5py.h5o.get_info(self._id).addr)

    def names(self) -> list[str]:
        """The names of all that lies in this group, in the file's order (alphabetical, as a rule)."""
        if self._links is not None:
            return [decode_text(name) for name in self._links.names.get(self._within, ())]
        with H5pyCall(f"listing {self.path or '/'}"):
            if self._id.get_num_objs() > self._data.declared.limits.objects:
                raise too_many_links(self._data.declared.limits)
            return [decode_text(name) for name in self._id]

    def attribute(self, name: str) -> Any:
        """The attribute NAME: str for text, a list for an array, else a number; None where there is none."""
        return read_checked_attribute(self._id, name, self.path, self._data)

    def has_attribute(self, name: str) -> bool:
        """Whether there is an attribute NAME; its value, which may be long, is not read."""
        with H5pyCall(f"looking for the attribute {name} of {self.path or '/'}"):
            return bool(h5py.h5a.exists(self._id, name.encode()))

    def text(self, name: str) -> str | None:
        """The attribute NAME where it is text, else None."""
        value = self.attribute(name)
        return value if isinstance(value, str) else None

    def strings(self, name: str) -> list[str] | None:
        """The list of names in attribute NAME, joined from `NAME0`, `NAME1`, … where it was too long for one.

        A layer without weights has an empty array of float64 here, in every version of Keras.

        Raises:
            CorruptModel: the attribute holds no names.
        """
        whole = self.attribute(name)
        if whole is None:
            pieces: list[Any] = []
            length = 0
            while (piece := self.attribute(f"{name}{len(pieces)}")) is not None:
                pieces.append(piece)
                length += sum(map(len, map(str, piece))) if isinstance(piece, list) else 0
                if length > self._data.most_text:
                    raise attribute_too_long(name, self.path, length)
            if not pieces:
                return None
            whole = [item for piece in pieces for item in (piece if isinstance(piece, list) else [piece])]
        if not isinstance(whole, list) or not all(isinstance(item, str) for item in whole):
            raise CorruptModel(f"the attribute {name} of {self.path or '/'} holds no list of names")
        return whole

    @cached_property
    def _id(self) -> h5py.h5g.GroupID:
        """The group, opened when something of it is asked for that its links do not tell."""
        if not self._within:
            return self._top
        with H5pyCall(f"looking up {self.path}"):
            return h5py.h5g.open(self._top, self._within)

    def _extend_path(self, path: bytes) -> bytes:
        return self._within + b"/" + path if self._within else path

    def _join(self, path: str) -> str:
        return f"{self.path}/{path}" if self.path else path

    def _find(self, path: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
        here = b""
        with H5pyCall(f"looking up {self._join(path)}"):
            if self._links is not None and self._extend_path(_encode(path)) in self._links.addresses:
                return h5py.h5o.open(self._id, _encode(path))
            for step in filter(None, path.split("/")):
                outer, here = here, (here + b"/" if here else b"") + _encode(step)
                if here in self._inside:
                    continue
                if (kind := self._read_link_kind(outer, here)) is None:
                    return None
                if kind != h5py.h5l.TYPE_HARD:
                    raise RefusedModel(f"{self._join(path)} is a link to another place or file; Keras writes none")
                self._inside.add(here)
            return h5py.h5o.open(self._id, here) if here else self._id

    def _read_link_kind(self, outer: bytes, here: bytes) -> int | None:
        """The kind of the link HERE; None where there is none, perhaps because what is at OUTER is no group."""
        if b"\0" in here:
            return None
        try:
            return int(self._id.links.get_info(here).type)
        except FOREIGN_ERRORS:
            in_group = not outer or isinstance(h5py.h5o.open(self._id, outer), h5py.h5g.GroupID)
            if in_group and self._id.links.exists(here):
                raise
            return None


class HDF5File(Group):
    """An HDF5 file, open for reading.

    IN_MEMORY: whether all of it is read when it is opened, which pays where most of it is going to be asked for, and
    SOURCE is no file that HDF5 can read itself.

    DECLARED are the arrays of a model that lies in several files, or in an archive, where its file has STORED bytes.

    Raises:
        CorruptModel: libhdf5 cannot open it: cut short, or damaged.
    """

    def __init__(
        self,
        source: Location | BinaryIO,
        *,
        in_memory: bool = False,
        declared: Declared | None = None,
        stored: int | None = None,
    ) -> None:
        if declared is None:
            declared = Declared(source.limits if isinstance(source, Location) else DEFAULTS)
        if isinstance(source, Location) and not source.is_here:
            source = source.open()
        try:
            with H5pyCall():
                if isinstance(source, Location):
                    self._file = h5py.File(source.inside(), "r")
                else:
                    self._file = h5py.File(h5py.h5f.open_file_image(source.read()) if in_memory else source, "r")
                budget.allow(min(self._file.id.get_filesize(), _DESCRIBING) * _TIMES, copies=_COPIES)
                _keep_metadata(self._file.id)
        except FOREIGN_ERRORS as error:
            words = " ".join(str(error).split())
            if "truncated file" in words:
                raise CorruptModel("HDF5, but cut short: the file ends before its data does; copy it anew") from error
            raise CorruptModel(f"HDF5, but it cannot be opened ({words})") from error
        try:
            with H5pyCall("looking up /"):
                root = h5py.h5g.open(self._file.id, b"/")
        except BaseException:
            self._file.close()
            raise
        at_hand = in_memory or isinstance(source, Location)
        super().__init__(root, "", HDF5Data(source, self._file, at_hand=at_hand, declared=declared, stored=stored))

    @property
    def limits(self) -> Limits:
        """How far the model is trusted."""
        return self._data.declared.limits

    def check_declared_sizes(self) -> None:
        """What the arrays that have been looked up declare may be what is stored: each has its own bytes.

        Raises:
            CorruptModel: two lie over each other.
            RefusedModel: all of the model together declare far more.
        """
        self._data.check_declared_sizes()

    def close(self) -> None:
        """Let go of the file."""
        self._data.close()
        self._file.close()


def _keep_metadata(file: h5py.h5f.FileID) -> None:
    """Let HDF5 keep more than 2 MiB of what describes the arrays: a group is met twice, by its links and its arrays."""
    settings = file.get_mdc_config()
    settings.set_initial_size, settings.initial_size = True, _METADATA
    file.set_mdc_config(settings)


def _encode(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def library_version() -> str:
    """Return the version of the HDF5 library that h5py is linked to."""
    return str(h5py.version.hdf5_version)
