"""The names by which a model refers to its other files. They are untrusted: only files beside the model are opened."""

from __future__ import annotations


def is_plain_file_name(name: str) -> bool:
    """Return whether `name` refers to a file in the same directory on every operating system."""
    has_directory = "/" in name or "\\" in name or name[1:2] == ":"  # as `C:name` on Windows
    return not has_directory and name not in ("", ".", "..") and name.isprintable()
