"""The names by which a model refers to its other files. They are untrusted: only files beside the model are opened."""

from __future__ import annotations

import ntpath
import posixpath


def is_plain_file_name(name: str) -> bool:
    """Return whether `name` refers to a file in the same directory on every operating system."""
    plain = posixpath.basename(name) == name == ntpath.basename(name)
    return plain and name not in ("", ".", "..") and name.isprintable()
