"""The wall at which the exceptions of other libraries stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lstmdump.errors import CorruptModel, LstmdumpError


@contextmanager
def stopped(kinds: tuple[type[Exception], ...], said: str) -> Iterator[None]:
    """Turn exceptions of KINDS, raised over a damaged file, into `CorruptModel`: SAID, and in brackets their words."""
    try:
        yield
    except LstmdumpError:
        raise
    except kinds as error:
        raise as_corrupt(error, said) from error


def as_corrupt(error: Exception, said: str) -> CorruptModel:
    """The `CorruptModel` that ERROR becomes: SAID, and in brackets its words."""
    return CorruptModel(f"{said} ({' '.join(str(error).split()) or type(error).__name__})")
