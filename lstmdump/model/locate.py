"""Find what a path names: a file or a directory on this machine, or at a URL."""

from __future__ import annotations

import os

from lstmdump.errors import MissingDependency
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location


def at(path: str | os.PathLike[str], limits: Limits = DEFAULTS) -> Location:
    """What lies at PATH, which is a URL where it looks like one, unless there is such a file; read up to `limits`.

    Raises:
        UnreadableModel: no such URL can be read, or not without another package.
    """
    text = os.fspath(path)
    if not is_url(text):
        return Location(text, limits=limits)
    try:
        from lstmdump.model import remote
    except ImportError as error:
        raise MissingDependency("models at URLs need fsspec; pip install 'fsspec[http]'") from error
    return remote.at(text, limits)


def is_url(path: str) -> bool:
    """Whether PATH is read as a URL. The drives of Windows have one letter."""
    scheme, mark, _ = path.partition("://")
    return bool(mark) and len(scheme) > 1 and not set(scheme) & set("/\\") and not os.path.lexists(path)


def absolute(path: str) -> str:
    """PATH from the root on; of a URL, scheme, host or bucket, and what follows, as a path that any system can have."""
    if is_url(path):
        from lstmdump.model import urls

        path = urls.as_path(path)
    return os.path.abspath(path)
