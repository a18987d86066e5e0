"""Models elsewhere, at URLs: the door to fsspec, which knows `https://`, `s3://`, `gs://` and many more.

Only what a user names comes here, never what a model file names: what is asked for within a model is a plain name in
the same directory. The exceptions of fsspec and of all that is behind it stop here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import SEEK_END
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote

import fsspec

from lstmdump.errors import MissingDependency, RefusedModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.model.range_cache import BLOCK, RangedFile, Ranges
from lstmdump.model.urls import is_http, split

_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""By the scheme of a URL, the extra of fsspec that reads it."""
_WHOLE = 16 * 2**20  # bytes of a file that comes only as a whole, as from `python -m http.server`
_CHUNK = 2**20
_PACKAGES = 2**25  # bytes that could be read in the processor time that packages for a store take to import
_NOT_THERE, _NO_ACCESS = (404, 410), (401, 403)  # RFC 9110

Known = Mapping[str, Any] | str
"""What a file system says of a path, or in words, that nothing is there."""


def at(url: str, limits: Limits = DEFAULTS) -> Location:
    """The location of that URL, which may be chained as fsspec chains them: `zip://model.h5::s3://bucket/all.zip`.

    Raises:
        MissingDependency: a package is needed for such URLs.
        UnreadableModel: there are no such URLs.
    """
    budget.allow(_PACKAGES)
    try:
        system, inner = fsspec.core.url_to_fs(url, **(_http_options() if is_http(url) else {}))
    except ImportError as error:
        scheme = url.partition("://")[0].rpartition("::")[2]
        help_ = f"pip install 'fsspec[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else _line(error)
        raise MissingDependency(f"models at {scheme}:// need a package that is not installed; {help_}") from error
    except Exception as error:
        raise UnreadableModel(_absence(error) or f"not a URL that can be read: {_line(error)}") from error
    return RemoteLocation(url, system, inner, {}, limits)


def _http_options() -> dict[str, Any]:
    """The user's own options for the web, and ours: proxies as the environment names them, and no packed content."""
    own = {**fsspec.config.conf.get("http", {}), **fsspec.config.conf.get("https", {})}
    return {
        "client_kwargs": {"trust_env": True, **own.get("client_kwargs", {})},
        "headers": {"Accept-Encoding": "identity", **own.get("headers", {})},
    }


class RemoteLocation(Location):
    """A file or a directory elsewhere, at a URL: INNER in the file system SYSTEM, of which some is KNOWN already.

    Whatever goes wrong is an `UnreadableModel`. What may not be looked at counts as not there: object stores say so of
    what is not there, too.
    """

    __slots__ = ("_known", "_ranges", "_system", "inner")

    is_here = False

    def __init__(
        self,
        url: str,
        system: fsspec.AbstractFileSystem,
        inner: str,
        known: dict[str, Known],
        limits: Limits = DEFAULTS,
    ) -> None:
        super().__init__(url, limits=limits)
        self._system = system
        self.inner = inner
        self._known = known
        self._ranges: Ranges | None = None

    @property
    def _is_http(self) -> bool:
        return is_http(self.inner)

    @property
    def name(self) -> str:
        """The last part of the path."""
        if not self._is_http:
            return self.inner.rstrip("/").rpartition("/")[2]
        return unquote(split(self.inner)[1].rstrip("/").rpartition("/")[2])

    @property
    def parent(self) -> RemoteLocation:
        """The directory that this file lies in."""
        return self._elsewhere(lambda path: path.rstrip("/").rpartition("/")[0] + "/")

    def child(self, name: str) -> RemoteLocation:
        """What is called NAME in this directory."""
        quoted = quote(name, safe="") if self._is_http else name
        return self._elsewhere(lambda path: path + ("" if path.endswith("/") or not path else "/") + quoted)

    def sibling(self, name: str) -> RemoteLocation:
        """What is called NAME beside this file."""
        return self.parent.child(name)

    def exists(self) -> bool:
        """Whether anything that can be looked at is here."""
        return self.is_dir() or self._found() is not None

    def is_file(self) -> bool:
        """Whether a file is here."""
        return self._found() is not None and not self.is_dir()

    def is_dir(self) -> bool:
        """Whether a directory is here; on the web, its URL ends with a slash, or leads to one that does."""
        if not self._is_http:
            return (self._found() or {}).get("type") == "directory"
        return _is_directory(self.inner) or _is_directory((self._found() or {}).get("url", self.inner))

    def size(self) -> int | None:
        """The bytes of this file; None where that is not known before it is read."""
        return (self._found() or {}).get("size")

    def entries(self) -> list[tuple[Location, bool]]:
        """The files and directories in this directory, by name, and whether each is a directory.

        Names that no URL can hold are left out: `::` is where fsspec's chains are cut.
        """
        with _told("cannot be listed"):
            listed = self._system.ls(self.inner, detail=True)
        found = {}
        for entry in listed:
            start, _, name = entry["name"].rstrip("/").rpartition("/")
            if start.strip("/") == self.inner.strip("/") and name and "::" not in name and not self._is_query(name):
                child = self.child(unquote(name) if self._is_http else name)
                if entry.get("size") is not None:
                    self._known[child.inner] = entry
                found[child.name] = child, entry["type"] == "directory"
        return [found[name] for name in sorted(found)]

    def open(self, *, buffered: bool = True) -> BinaryIO:  # noqa: ARG002 - what is kept of the file is its buffer
        """This file, open for reading at any position."""
        if self._ranges is None:
            self._ranges = self._opened()
        return cast("BinaryIO", RangedFile(self._ranges))

    def read(self) -> bytes:
        """All that is in this file."""
        with self.open() as file:
            data = bytearray(file.seek(0, SEEK_END))
            file.seek(0)
            file.readinto(data)  # type: ignore[attr-defined]  # typeshed: BinaryIO has none
        return bytes(data)

    def _is_query(self, name: str) -> bool:
        """Whether NAME, in a listing of the web, is this directory itself in another order."""
        return self._is_http and not set(name).isdisjoint("?#")

    def _elsewhere(self, change: Callable[[str], str]) -> RemoteLocation:
        inner = _with_path(self.inner, change) if self._is_http else change(self.inner)
        return RemoteLocation(_with_path(self.path, change), self._system, inner, self._known, self.limits)

    def _found(self) -> Mapping[str, Any] | None:
        """What the file system says of it; None where it says that nothing is there, or nothing for us."""
        found = self._look()
        return None if isinstance(found, str) else found

    def _look(self) -> Known:
        if self.inner not in self._known:
            try:
                self._known[self.inner] = self._system.info(self.inner)
            except Exception as error:
                if (why := _absence(error)) is None:
                    raise UnreadableModel(f"cannot be reached: {_line(_behind(error))}") from error
                self._known[self.inner] = why
        return self._known[self.inner]

    def _opened(self) -> Ranges:
        found = self._look()
        if isinstance(found, str):
            hint = "; the URL of a directory ends with a slash" if self._is_http else ""
            raise UnreadableModel(found + hint)
        size = found.get("size")
        if size is None or found.get("partial") is False:
            data = self._whole(size)
            return Ranges(len(data), lambda start, stop: data[start:stop])
        with _told("cannot be opened"):
            options = {"size": size} if self.inner == self.path else {}  # saves the web another question
            file = self._system.open(self.inner, "rb", block_size=BLOCK, cache_type="none", **options)
        return Ranges(size, _Parts(file, lambda: self._whole(size)))

    def _whole(self, size: int | None) -> bytes:
        """All of the file, whose SIZE may be known, read from its start on.

        Raises:
            RefusedModel: it is too long for that.
        """
        data = bytearray()
        if size is None or size <= _WHOLE:
            with _told("cannot be read"), self._system.open(self.inner, "rb", block_size=0) as file:
                while len(data) <= _WHOLE and (chunk := file.read(_CHUNK)):
                    data += chunk
        if len(data) > _WHOLE or (size or 0) > _WHOLE:
            raise RefusedModel(f"its server sends files only as a whole, and this has more than {_WHOLE >> 20} MiB; "
                               "download it first")  # fmt: skip
        return bytes(data)


class _Parts:
    """The parts of FILE, read when they are asked for; taken out of the WHOLE where it proves to be given only so."""

    def __init__(self, file: BinaryIO, whole: Callable[[], bytes]) -> None:
        self._file = file
        self._whole = whole
        self._data: bytes | None = None

    def __call__(self, start: int, stop: int) -> bytes:
        data = self._part(start, stop) if self._data is None else self._data[start:stop]
        if len(data) != stop - start:
            raise UnreadableModel(f"cannot be read: of the {stop - start} bytes from {start} on, {len(data)} came")
        return data

    def _part(self, start: int, stop: int) -> bytes:
        with _told("cannot be read"):
            self._file.seek(start)
            try:
                return self._file.read(stop - start)
            except ValueError:  # so fsspec tells that a server ignores which part it is asked for
                self._data = self._whole()
        return self._data[start:stop]


def _is_directory(url: str) -> bool:
    """Whether URL, of the web, is that of a directory."""
    path = split(url)[1]
    return path.endswith("/") or "/" not in path


def _with_path(url: str, change: Callable[[str], str]) -> str:
    before, path, after = split(url)
    return before + change(path) + after


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell whatever is raised within as an `UnreadableModel` that says WHAT cannot be done."""
    try:
        yield
    except UnreadableModel:
        raise
    except Exception as error:
        raise UnreadableModel(_absence(error) or f"{what}: {_line(_behind(error))}") from error


def _absence(error: Exception) -> str | None:
    """What ERROR says where it says that nothing is there, or nothing for us; None where it says something else."""
    error = _behind(error)
    status = getattr(error, "status", None)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) or status in _NOT_THERE:
        return "no such file or directory"
    if isinstance(error, PermissionError) or status in _NO_ACCESS or str(error).startswith("Forbidden"):  # so gcsfs
        return f"no access to it ({_line(error)})"
    return None


def _behind(error: Exception) -> Exception:
    """The reason of ERROR: on the web, fsspec says whatever happens that nothing is there."""
    reason = error.__cause__
    is_of_web = type(reason).__module__.partition(".")[0] in ("aiohttp", "asyncio") or isinstance(reason, TimeoutError)
    return reason if is_of_web and isinstance(reason, Exception) else error


def _line(error: Exception) -> str:
    """The words of ERROR in one line."""
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    return f"{status} {message}" if status and message else " ".join(str(error).split()) or type(error).__name__
