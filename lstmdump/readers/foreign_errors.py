"""Conversion of exceptions of other libraries to exceptions of this package."""

from __future__ import annotations

from types import TracebackType

from lstmdump.errors import CorruptModel, LstmdumpError


class stopped:  # noqa: N801 - used like `contextlib.suppress`, and a class, like that: it is entered for each link
    """Convert exceptions of `kinds`, of a damaged file, to `CorruptModel`: `said`, then their text in brackets."""

    __slots__ = ("_kinds", "_said")

    def __init__(self, kinds: tuple[type[Exception], ...], said: str) -> None:
        self._kinds = kinds
        self._said = said

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self._kinds) and not isinstance(error, LstmdumpError):
            raise as_corrupt(error, self._said) from error


def as_corrupt(error: Exception, said: str) -> CorruptModel:
    """Return the `CorruptModel` for `error`: `said`, then the text of the error in brackets."""
    return CorruptModel(f"{said} ({' '.join(str(error).split()) or type(error).__name__})")
