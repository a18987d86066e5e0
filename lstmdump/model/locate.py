"""Locate the model that a path or URL names."""

from __future__ import annotations

import os

from lstmdump.errors import MissingDependency
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location


def at(path: str | os.PathLike[str], limits: Limits = DEFAULTS, below: str = "") -> Location:
    """Return the location of `path`, which is a URL if it looks like one and no file of this name exists.

    Args:
        path: A path or a URL.
        limits: The limits for what is read from the location.
        below: The directory whose search has found `path`, which links must not lead out of; empty where none has.

    Raises:
        UnreadableModel: The URL cannot be read, or only with a package that is not installed.
    """
    text = os.fspath(path)
    if not is_url(text):
        return Location(text, limits=limits, below=below)
    try:
        from lstmdump.model.remote import files
    except ImportError as error:
        raise MissingDependency("models at URLs need fsspec; pip install 'fsspec[http]'") from error
    return files.at(text, limits)


def is_url(path: str) -> bool:
    """Return whether `path` is a URL; a scheme has at least two letters, unlike a Windows drive."""
    scheme, mark, _ = path.partition("://")
    return bool(mark) and len(scheme) > 1 and not set(scheme) & set("/\\") and not os.path.lexists(path)


def absolute(path: str) -> str:
    """Return `path` as an absolute path; a URL becomes a portable path of its scheme, host or bucket, and path."""
    if is_url(path):
        from lstmdump.model.remote import urls

        path = urls.as_path(path)
    return os.path.abspath(path)
