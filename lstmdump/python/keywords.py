"""Options of the command line as Python has them: what errors and notes tell users to give.

Errors and notes are worded below, where they arise, for the command line. Users of Python read of `into=LAYER` in
place of `--into LAYER`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from lstmdump.errors import LstmdumpError

_KEYWORDS: Final = {
    "--into LAYER": "into=LAYER",
    "--mask": "mask",
    "--initial-state": "initial",
    "--chain": "chain=True",
    "--dtype float64": 'dtype="float64"',
    "--dtype float32": 'dtype="float32"',
    "--activation": "activation",
    "--recurrent-activation": "recurrent_activation",
    "--no-go-backwards": "go_backwards=False",
    "--go-backwards": "go_backwards=True",
    "--forget-bias N": "forget_bias=N",
    "--forget-bias": "forget_bias",
    "--averages": "averages",
    "with -i": "as x",
    "-i NAME=FILE": "x={NAME: …}",
    "-i FILE": "x",
    "-i": "x",
}
_CHOICE = "-l"
_START, _END = r"(?:(?<=\s)|^)", r"(?![\w=-])"
_LONGEST_FIRST = sorted([*_KEYWORDS, _CHOICE], key=len, reverse=True)
_OPTION = re.compile(f"{_START}({'|'.join(map(re.escape, _LONGEST_FIRST))}){_END}")
_LIMIT = re.compile(rf"{_START}--limit ([a-z-]+)=(\d+)(MiB)?[a-z]*{_END}")


def translate(text: str, *, choice: str) -> str:
    """Return `text`, an error or a note, with keyword arguments in place of options.

    Args:
        text: The text.
        choice: What takes the place of `-l`, which chooses layers.
    """
    words = {**_KEYWORDS, _CHOICE: choice}
    return _LIMIT.sub(_word_limit, _OPTION.sub(lambda found: words[found[1]], text))


def _word_limit(found: re.Match[str]) -> str:
    name, number, unit = found.groups()
    return f"limits=lstmdump.Limits({name.replace('-', '_')}={number}{' * 2**20' if unit else ''})"


def translate_notes(notes: Iterable[str], *, choice: str) -> tuple[str, ...]:
    """Return `notes`, each as `translate` does."""
    return tuple([translate(note, choice=choice) for note in notes])


@contextmanager
def python_words(choice: str = "") -> Iterator[Callable[[Iterable[str]], tuple[str, ...]]]:
    """Translate the errors that are raised within, and give the function that translates notes.

    Args:
        choice: See `translate`.
    """
    try:
        yield lambda notes: translate_notes(notes, choice=choice)
    except LstmdumpError as error:
        if error.args and isinstance(error.args[0], str):
            error.args = (translate(error.args[0], choice=choice), *error.args[1:])
        raise
