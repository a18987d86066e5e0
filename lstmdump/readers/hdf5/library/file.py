"""HDF5 files: groups, attributes, and tensors that are read on demand.

A model file is untrusted. Keras writes hard links and data inside the file only, so soft and external links, external
storage and virtual datasets, all of which let a file read another one (CVE-2026-1669 in Keras), are refused before
anything is opened through them, and HDF5 filter plugins are not loaded. h5py's exceptions do not leave this package.
"""

from __future__ import annotations

import os
import weakref
from functools import cached_property
from typing import Any, BinaryIO, cast

os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # tells HDF5 to load no plugins, even if HDF5_PLUGIN_PATH is set

import h5py

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.location import Location
from lstmdump.model.opening import WatchedFile, changed, path_of
from lstmdump.model.tensor import Tensor
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.groups import Group, HDF5File, encode_path, too_many_links
from lstmdump.readers.hdf5.library.attributes import decode_text
from lstmdump.readers.hdf5.library.calls import FOREIGN_ERRORS, H5pyCall
from lstmdump.readers.hdf5.library.data import DatasetNumbers, HDF5Data
from lstmdump.readers.hdf5.library.datasets import describe_dataset, read_checked_attribute
from lstmdump.readers.hdf5.library.links import Links, find_links_below

_METADATA_CACHE = 8 * 2**20  # bytes; the metadata of 1,000 layers takes 4 MiB
_MAX_METADATA = 64 * 2**20  # bytes; a longer file consists mostly of numbers, which are budgeted when they are read
_TIMES, _COPIES = 5, 4  # a byte of metadata takes longer than a byte of numbers, and 20 bytes of memory


class LibraryGroup(Group):
    """A group read by h5py; each link of a path is checked before it is followed, so that none leaves the file.

    The low-level API of h5py is used: a model of a thousand layers has ten thousand links, and an h5py object for each
    of them, or an identifier that stays open, takes longer than everything else.
    """

    def __init__(
        self, top: h5py.h5g.GroupID, path: str, data: HDF5Data, *, within: bytes = b"", links: Links | None = None
    ) -> None:
        """Open the group at the path `within` below the group `top`; `links` are the known links below `top`."""
        self._top = top
        self._within = within
        self._links = links
        self._data = data
        self.limits = data.limits
        self._inside: set[bytes] = set()
        self.path = path

    def look_ahead(self) -> None:
        """Look up all links below this group at once, which is faster if most of them are going to be used."""
        if self._links is None and (found := find_links_below(self._top, self.limits)) is not None:
            self._links = found
            self._data.describe(found.addresses.values())

    def group(self, path: str) -> LibraryGroup | None:
        """Return the group at `path` below this one, or None if it does not exist."""
        if self._links is not None and (within := self._extend_path(encode_path(path))) in self._links.names:
            return LibraryGroup(self._top, self._join(path), self._data, within=within, links=self._links)
        found = self._open(path)
        return LibraryGroup(found, self._join(path), self._data) if isinstance(found, h5py.h5g.GroupID) else None

    def tensor(self, path: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        """Return the dataset at `path` below this group, or None if it does not exist.

        HDF5 has no type for bfloat16. With `opaque_is_bfloat16`, opaque elements of two bytes are taken for it.
        """
        if self._links is not None and self._data.headers is not None:
            address = self._links.addresses.get(self._extend_path(encode_path(path)))
            if address is not None and (plain := self._data.headers.plain(address)) is not None:
                whole_path = self._join(path)
                self._data.storage.take(whole_path, plain.size, plain.start)
                numbers = DatasetNumbers(whole_path, self._data, is_bfloat16=False)
                return Tensor(whole_path, plain.shape, "float32", numbers.fetch, numbers.rows)
        found = self._open(path)
        if not isinstance(found, h5py.h5d.DatasetID):
            return None
        return describe_dataset(found, self._join(path), self._data, opaque_is_bfloat16=opaque_is_bfloat16)

    @property
    def address(self) -> int:
        """The address in the file, which is unique; objects that were written earlier have lower addresses."""
        if self._links is not None and self._within:
            return self._links.addresses[self._within]
        with H5pyCall(f"looking up {self.path or '/'}"):
            return int(h5py.h5o.get_info(self._id).addr)

    def names(self) -> list[str]:
        """Return the names of the members of this group, in the order of the file (usually alphabetical)."""
        if self._links is not None:
            return [decode_text(name) for name in self._links.names.get(self._within, ())]
        with H5pyCall(f"listing {self.path or '/'}"):
            if self._id.get_num_objs() > self.limits.objects:
                raise too_many_links(self.limits)
            return [decode_text(name) for name in self._id]

    def attribute(self, name: str) -> Any:
        """Return the attribute `name`: str for text, a list for an array, else a number; None if it is absent."""
        return read_checked_attribute(self._id, name, self.path, self._data)

    def has_attribute(self, name: str) -> bool:
        """Return whether the attribute `name` exists, without reading the value, which may be long."""
        with H5pyCall(f"looking for the attribute {name} of {self.path or '/'}"):
            return bool(h5py.h5a.exists(self._id, name.encode()))

    @cached_property
    def _id(self) -> h5py.h5g.GroupID:
        """The open group, for what the known links do not show."""
        if not self._within:
            return self._top
        with H5pyCall(f"looking up {self.path}"):
            return h5py.h5g.open(self._top, self._within)

    def _extend_path(self, path: bytes) -> bytes:
        return self._within + b"/" + path if self._within else path

    def _open(self, path: str) -> h5py.h5g.GroupID | h5py.h5d.DatasetID | None:
        here = b""
        with H5pyCall(f"looking up {self._join(path)}"):
            if self._links is not None and self._extend_path(encode_path(path)) in self._links.addresses:
                return h5py.h5o.open(self._id, encode_path(path))
            for step in filter(None, path.split("/")):
                outer, here = here, (here + b"/" if here else b"") + encode_path(step)
                if here in self._inside:
                    continue
                if (kind := self._read_link_kind(outer, here)) is None:
                    return None
                if kind != h5py.h5l.TYPE_HARD:
                    raise RefusedModel(f"{self._join(path)} is a soft or external link, which Keras never writes")
                self._inside.add(here)
            return h5py.h5o.open(self._id, here) if here else self._id

    def _read_link_kind(self, outer: bytes, here: bytes) -> int | None:
        """Return the type of the link `here`, or None if there is none, for instance because `outer` is a dataset."""
        if b"\0" in here:
            return None
        try:
            return int(self._id.links.get_info(here).type)
        except FOREIGN_ERRORS:
            in_group = not outer or isinstance(h5py.h5o.open(self._id, outer), h5py.h5g.GroupID)
            if in_group and self._id.links.exists(here):
                raise
            return None


class LibraryFile(LibraryGroup, HDF5File):
    """An HDF5 file that h5py has opened for reading.

    Args:
        source: the location of the file, or the open file.
        in_memory: whether to read a file that HDF5 cannot open itself at once, which is faster if most of it is used.
        declared: the sizes of all arrays of the model, if it consists of several files.
        stored: the bytes that the file takes where it is stored, for instance in an archive; by default its size.

    Raises:
        CorruptModel: HDF5 cannot open the file: it is cut short or damaged.
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
        at_hand = in_memory or (isinstance(source, Location) and source.is_here)
        own = _open(source) if isinstance(source, Location) else None
        opened = cast("BinaryIO", own or source)
        try:
            self._file = _open_with_h5py(opened, in_memory=in_memory)
            with H5pyCall("looking up /"):
                root = h5py.h5g.open(self._file.id, b"/")
                data = HDF5Data(opened, self._file, at_hand=at_hand, declared=declared, stored=stored)
        except BaseException:
            if own is not None:
                own.close()
            raise
        if own is not None:
            weakref.finalize(data, own.close)  # if the model is not closed
        self._opened = own
        super().__init__(root, "", data)

    def check_declared_sizes(self) -> None:
        """Check the arrays looked up so far against the stored bytes.

        Raises:
            CorruptModel: Two arrays overlap.
            RefusedModel: The arrays of the model declare far more bytes in total than are stored.
        """
        self._data.storage.check_declared_sizes()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._opened is not None:
            self._opened.close()


def _open(location: Location) -> BinaryIO:
    try:
        return location.open(buffered=not location.is_here)
    except FOREIGN_ERRORS as error:
        raise CorruptModel(f"HDF5, but it cannot be opened ({' '.join(str(error).split())})") from error


def _open_with_h5py(opened: BinaryIO, *, in_memory: bool) -> h5py.File:
    """Open with h5py what is open already, on this machine by a path.

    Raises:
        CorruptModel: HDF5 cannot open it: it is cut short or damaged.
    """
    try:
        with H5pyCall():
            if isinstance(opened, WatchedFile):
                file = h5py.File(path_of(opened), "r")
                if not os.path.samestat(os.fstat(opened.fileno()), os.fstat(file.id.get_vfd_handle())):
                    raise changed(opened.path)
            else:
                file = h5py.File(h5py.h5f.open_file_image(opened.read()) if in_memory else opened, "r")
            budget.allow(min(file.id.get_filesize(), _MAX_METADATA) * _TIMES, copies=_COPIES)
            _enlarge_metadata_cache(file.id)
    except FOREIGN_ERRORS as error:
        words = " ".join(str(error).split())
        if "truncated file" in words:
            raise CorruptModel("HDF5, but cut short: the file ends before its data; copy it again") from error
        raise CorruptModel(f"HDF5, but it cannot be opened ({words})") from error
    return file


def _enlarge_metadata_cache(file: h5py.h5f.FileID) -> None:
    """Let HDF5 cache more than 2 MiB of metadata: each group is accessed twice, for its links and for its arrays."""
    settings = file.get_mdc_config()
    settings.set_initial_size, settings.initial_size = True, _METADATA_CACHE
    file.set_mdc_config(settings)


def library_version() -> str:
    """Return the version of the HDF5 library that h5py is linked to."""
    return str(h5py.version.hdf5_version)
