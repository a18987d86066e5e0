"""Models at URLs, read by fsspec, which supports `https://`, `s3://`, `gs://` and many more.

Only URLs that the user names are opened, never URLs from a model file: the files of a model are plain names in its
directory. Exceptions of fsspec and of the libraries behind it are converted here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import SEEK_END
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote

import fsspec

from lstmdump.errors import MissingDependency, RefusedModel, UnreadableModel
from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location, require_short_listing
from lstmdump.model.remote.range_cache import BLOCK, RangedFile, Ranges
from lstmdump.model.remote.urls import is_http, split

_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""The extra of fsspec for each URL scheme."""
_WHOLE = 16 * 2**20  # bytes at most of a file whose server ignores ranges, as `python -m http.server` does
_CHUNK = 2**20
_PACKAGES = 2**25  # bytes that could be read in the CPU time of importing the packages for a store
_MISSING, _NO_ACCESS = (404, 410), (401, 403)  # RFC 9110

Known = Mapping[str, Any] | str
"""What a file system reports about a path, or the message that nothing is there."""


def at(url: str, limits: Limits = DEFAULTS) -> Location:
    """Return the location of `url`, which may be a chain as in fsspec: `zip://model.h5::s3://bucket/all.zip`.

    Raises:
        MissingDependency: A package for such URLs is not installed.
        UnreadableModel: The URL is invalid or does not exist.
    """
    budget.allow(_PACKAGES)
    try:
        system, inner = fsspec.core.url_to_fs(url, **(_http_options() if is_http(url) else {}))
    except ImportError as error:
        scheme = url.partition("://")[0].rpartition("::")[2]
        help_ = f"pip install 'fsspec[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else _format_message(error)
        raise MissingDependency(f"models at {scheme}:// need a package that is not installed; {help_}") from error
    except Exception as error:
        raise UnreadableModel(
            _describe_absence(error) or f"the URL cannot be read: {_format_message(error)}"
        ) from error
    return RemoteLocation(url, system, inner, {}, limits)


def _http_options() -> dict[str, Any]:
    """Return the user's fsspec options for HTTP, with ours: proxies of the environment, and no compressed content."""
    from lstmdump.model.remote.http_requests import client_options

    own = {**fsspec.config.conf.get("http", {}), **fsspec.config.conf.get("https", {})}
    return {
        "client_kwargs": {"trust_env": True, **client_options(), **own.get("client_kwargs", {})},
        "headers": {"Accept-Encoding": "identity", **own.get("headers", {})},
    }


class RemoteLocation(Location):
    """A file or directory at a URL.

    Every failure is an `UnreadableModel`. A path without access counts as missing: object stores deny access to missing
    objects, too.

    Args:
        url: The URL.
        system: The file system of fsspec.
        inner: The path in that file system.
        known: What the file system has reported about paths so far; shared by locations derived from each other.
        limits: The limits for what is read here.
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
        """The directory that contains this file."""
        return self._derive(lambda path: path.rstrip("/").rpartition("/")[0] + "/")

    def child(self, name: str) -> RemoteLocation:
        """Return the location of `name` in this directory."""
        quoted = quote(name, safe="") if self._is_http else name
        return self._derive(lambda path: path + ("" if path.endswith("/") or not path else "/") + quoted)

    def sibling(self, name: str) -> RemoteLocation:
        """Return the location of `name` in the directory of this file."""
        return self.parent.child(name)

    def exists(self) -> bool:
        """Return whether a file or directory exists here and is accessible."""
        return self.is_dir() or self._info() is not None

    def is_file(self) -> bool:
        """Return whether this is a file."""
        return self._info() is not None and not self.is_dir()

    def is_dir(self) -> bool:
        """Return whether this is a directory; over HTTP, its URL ends with a slash or redirects to one that does."""
        if not self._is_http:
            return (self._info() or {}).get("type") == "directory"
        return _is_directory(self.inner) or _is_directory((self._info() or {}).get("url", self.inner))

    def size(self) -> int | None:
        """Return the size of this file in bytes, or None if it is not known before the file is read."""
        return (self._info() or {}).get("size")

    def entries(self) -> list[tuple[Location, bool]]:
        """Return the entries of this directory by name, each with whether it is a directory.

        Names that cannot be part of a URL are left out: fsspec splits chains at `::`.

        Raises:
            RefusedModel: It has more than `limits` allow.
        """
        with _convert_errors("cannot be listed"):
            listed = self._system.ls(self.inner, detail=True)
        require_short_listing(len(listed), self.limits)
        found = {}
        for entry in listed:
            start, _, name = entry["name"].rstrip("/").rpartition("/")
            if start.strip("/") == self.inner.strip("/") and name and "::" not in name and not self._is_query(name):
                child = self.child(unquote(name) if self._is_http else name)
                if entry.get("size") is not None:
                    self._known[child.inner] = entry
                found[child.name] = child, entry["type"] == "directory"
        return [found[name] for name in sorted(found)]

    def open(self, *, buffered: bool = True) -> BinaryIO:  # noqa: ARG002 - the cached blocks are its buffer
        """Open this file for reading at any position."""
        if self._ranges is None:
            self._ranges = self._open_ranges()
        return cast("BinaryIO", RangedFile(self._ranges))

    def read(self) -> bytes:
        """Return the contents of this file."""
        with self.open() as file:
            data = bytearray(file.seek(0, SEEK_END))
            file.seek(0)
            file.readinto(data)  # type: ignore[attr-defined]  # not in typeshed's BinaryIO
        return bytes(data)

    def _is_query(self, name: str) -> bool:
        """Return whether `name`, in a listing over HTTP, is a link to this listing in another order."""
        return self._is_http and not set(name).isdisjoint("?#")

    def _derive(self, change: Callable[[str], str]) -> RemoteLocation:
        inner = _with_path(self.inner, change) if self._is_http else change(self.inner)
        return RemoteLocation(_with_path(self.path, change), self._system, inner, self._known, self.limits)

    def _info(self) -> Mapping[str, Any] | None:
        """Return what the file system reports about this location; None if it is missing or without access."""
        found = self._query_info()
        return None if isinstance(found, str) else found

    def _query_info(self) -> Known:
        if self.inner not in self._known:
            try:
                self._known[self.inner] = self._system.info(self.inner)
            except Exception as error:
                if (why := _describe_absence(error)) is None:
                    raise UnreadableModel(f"cannot be reached: {_format_message(_find_cause(error))}") from error
                self._known[self.inner] = why
        return self._known[self.inner]

    def _open_ranges(self) -> Ranges:
        found = self._query_info()
        if isinstance(found, str):
            hint = "; the URL of a directory ends with a slash" if self._is_http else ""
            raise UnreadableModel(found + hint)
        size = found.get("size")
        if size is None or found.get("partial") is False:
            data = self._download(size)
            return Ranges(len(data), lambda start, stop: data[start:stop])
        with _convert_errors("cannot be opened"):
            options = {"size": size} if self.inner == self.path else {}  # saves an HTTP request
            file = self._system.open(self.inner, "rb", block_size=BLOCK, cache_type="none", **options)
        return Ranges(size, _PartReader(file, lambda: self._download(size)))

    def _download(self, size: int | None) -> bytes:
        """Download the whole file, whose `size` may be known.

        Raises:
            RefusedModel: The file is too large for that.
        """
        data = bytearray()
        if size is None or size <= _WHOLE:
            with _convert_errors("cannot be read"), self._system.open(self.inner, "rb", block_size=0) as file:
                while len(data) <= _WHOLE and (chunk := file.read(_CHUNK)):
                    data += chunk
        if len(data) > _WHOLE or (size or 0) > _WHOLE:
            raise RefusedModel(f"the server sends only whole files, and this one has more than {_WHOLE >> 20} MiB; "
                               "download it first")  # fmt: skip
        return bytes(data)


class _PartReader:
    """The function that reads parts of `file`, or cuts them out of the `whole` file if the server ignores ranges."""

    def __init__(self, file: BinaryIO, whole: Callable[[], bytes]) -> None:
        self._file = file
        self._download = whole
        self._data: bytes | None = None

    def __call__(self, start: int, stop: int) -> bytes:
        data = self._read_part(start, stop) if self._data is None else self._data[start:stop]
        if len(data) != stop - start:
            raise UnreadableModel(f"cannot be read: only {len(data)} of {stop - start} bytes from {start} on were sent")
        return data

    def _read_part(self, start: int, stop: int) -> bytes:
        with _convert_errors("cannot be read"):
            self._file.seek(start)
            try:
                return self._file.read(stop - start)
            except ValueError:  # raised by fsspec when a server ignores the requested range
                self._data = self._download()
        return self._data[start:stop]


def _is_directory(url: str) -> bool:
    """Return whether `url`, an HTTP URL, is that of a directory."""
    path = split(url)[1]
    return path.endswith("/") or "/" not in path


def _with_path(url: str, change: Callable[[str], str]) -> str:
    before, path, after = split(url)
    return before + change(path) + after


@contextmanager
def _convert_errors(what: str) -> Iterator[None]:
    """Convert any exception raised in the block to an `UnreadableModel` whose message starts with `what`."""
    try:
        yield
    except UnreadableModel:
        raise
    except Exception as error:
        raise UnreadableModel(_describe_absence(error) or f"{what}: {_format_message(_find_cause(error))}") from error


def _describe_absence(error: Exception) -> str | None:
    """Return the message for `error` if it reports a missing file or denied access, else None."""
    error = _find_cause(error)
    status = getattr(error, "status", None)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) or status in _MISSING:
        return "no such file or directory"
    if isinstance(error, PermissionError) or status in _NO_ACCESS or str(error).startswith("Forbidden"):  # of gcsfs
        return f"access denied ({_format_message(error)})"
    return None


def _find_cause(error: Exception) -> Exception:
    """Return the cause of `error`: over HTTP, fsspec reports every failure as a missing file."""
    reason = error.__cause__
    is_of_web = type(reason).__module__.partition(".")[0] in ("aiohttp", "asyncio") or isinstance(reason, TimeoutError)
    return reason if is_of_web and isinstance(reason, Exception) else error


def _format_message(error: Exception) -> str:
    """Return the message of `error` in one line."""
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        with suppress(ImportError):
            from lstmdump.model.remote.http_requests import describe_timeout

            return describe_timeout(error) or "the server has not answered in time"
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    return f"{status} {message}" if status and message else " ".join(str(error).split()) or type(error).__name__
