"""URLs as text. Nothing is looked at, and what a URL becomes on this machine is safe as a path."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

_UNSAFE = re.compile(r'[<>:"|?*\\\x00-\x1f]')  # what names of files may not have, on one system or another


def is_http(url: str) -> bool:
    """Whether URL is of the web: there, signs are quoted, and a query may follow the path."""
    return url.startswith(("http://", "https://"))


def split(url: str) -> tuple[str, str, str]:
    """URL as what stands before its path, the path, and what follows: host or bucket belong to the path.

    The path of a chain is the first in it.
    """
    links = url.split("::")
    turn = next((number for number, link in enumerate(links) if "://" in link), 0)
    scheme, mark, rest = links[turn].partition("://")
    path, question, query = rest.partition("?") if is_http(links[turn]) else (rest, "", "")
    return "::".join([*links[:turn], scheme + mark]), path, "::".join([question + query, *links[turn + 1 :]])


def as_path(url: str) -> str:
    """An absolute path on this machine for what is made of URL: scheme, host or bucket, and path, without a password.

    Nothing in URL leads out of the directories that are called like its scheme and host.
    """
    return os.sep + os.sep.join(_UNSAFE.sub("_", name) for name in _names(url))  # noqa: PTH118 - a string's join


def _names(url: str) -> Iterator[str]:
    for link in reversed(url.split("::")):
        scheme, mark, path = link.partition("://")
        if not mark:
            continue
        authority, _, rest = (unquote(path.partition("?")[0]) if is_http(link) else path).partition("/")
        inside = posixpath.normpath("/" + rest.lstrip("/"))
        yield from (name for name in (scheme, authority.rpartition("@")[2], *inside.split("/")) if name)
