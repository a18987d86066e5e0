"""Numbers, lists of names and notes on layers, as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_MOST_NAMES = 8  # in a sentence


def count(number: int) -> str:
    """Return `number` with thousands separators: 19,712."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """Return `number` and `word`: `1 layer`, `2 layers`."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def conjoined(words: Sequence[str]) -> str:
    """Return all of `words` in a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def listed(names: Sequence[str]) -> str:
    """Return `names` in a sentence; of many, the first ones, and how many more."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:_MOST_NAMES])} and {rest:,} more"


def grouped(notes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return each note once, with the names of its layers; `notes` are pairs of the name of a layer and a note."""
    names: dict[str, dict[str, None]] = {}
    for name, note in notes:
        names.setdefault(note, {})[name] = None
    return {note: list(of) for note, of in names.items()}


def shared(notes: Iterable[tuple[str, str]], layers: int) -> Iterator[str]:
    """Yield each note once, after the names of its layers: `all 3 layers: …`.

    Args:
        notes: Pairs of the name of a layer and a note.
        layers: The number of layers of the model.
    """
    for note, names in grouped(notes).items():
        yield f"{f'all {layers:,} layers' if len(names) == layers > 2 else listed(names)}: {note}"
