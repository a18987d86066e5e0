"""The wall at which the exceptions of other libraries stop."""

from __future__ import annotations

from types import TracebackType

from lstmdump.errors import CorruptModel, LstmdumpError


class stopped:  # noqa: N801 - used as contextlib's `suppress` is, and a class, as that is, for it is entered for every link
    """Turn exceptions of KINDS, raised over a damaged file, into `CorruptModel`: SAID, and in brackets their words."""

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
    """The `CorruptModel` that ERROR becomes: SAID, and in brackets its words."""
    return CorruptModel(f"{said} ({' '.join(str(error).split()) or type(error).__name__})")
