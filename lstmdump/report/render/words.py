"""Numbers and shapes as text, and bars of text."""

from __future__ import annotations

from lstmdump.model.sentences import count, plural

__all__ = ["bar", "count", "plural", "shape_with_reason"]

_EIGHTHS = " ▏▎▍▌▋▊▉"


def shape_with_reason(shape: tuple[int, ...], formula: str) -> str:
    """Return a shape and the reason for it: `(76, 256) = (12+64)×4·64`."""
    return f"{shape} = {formula}"


def bar(share: float, width: int) -> str:
    """Return a bar for `share`, 0 to 1, of `width` columns; a share above 0 is always visible."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
