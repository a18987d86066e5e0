"""Parsing of URLs, and their conversion to safe local paths, without access to the network."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from urllib.parse import unquote

_UNSAFE = re.compile(r'[<>:"|?*\\\x00-\x1f]')  # characters that some system forbids in file names


def is_http(url: str) -> bool:
    """Return whether `url` is an HTTP URL, in which characters are quoted and a query may follow the path."""
    return url.startswith(("http://", "https://"))


def split(url: str) -> tuple[str, str, str]:
    """Split `url` into what precedes the path, the path with host or bucket, and what follows it.

    The path of a chain is that of its first URL.
    """
    links = url.split("::")
    position = next((number for number, link in enumerate(links) if "://" in link), 0)
    scheme, mark, rest = links[position].partition("://")
    path, question, query = rest.partition("?") if is_http(links[position]) else (rest, "", "")
    return "::".join([*links[:position], scheme + mark]), path, "::".join([question + query, *links[position + 1 :]])


def as_path(url: str) -> str:
    """Return a local absolute path for `url`, made of scheme, host or bucket, and path, without user and password.

    The path never leads out of the directories named after the scheme and host.
    """
    return os.sep + os.sep.join(_UNSAFE.sub("_", name) for name in _split_names(url))  # noqa: PTH118 - a string's join


def _split_names(url: str) -> Iterator[str]:
    for link in reversed(url.split("::")):
        scheme, mark, path = link.partition("://")
        if not mark:
            continue
        authority, _, rest = (unquote(path.partition("?")[0]) if is_http(link) else path).partition("/")
        inside = posixpath.normpath("/" + rest.lstrip("/"))
        yield from (name for name in (scheme, authority.rpartition("@")[2], *inside.split("/")) if name)
