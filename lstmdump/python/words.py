"""What is said of models in words."""

from __future__ import annotations

from collections.abc import Sequence

from lstmdump.lstm import LSTM
from lstmdump.python.arguments import is_text


def explain(lstms: Sequence[LSTM], producer: str, section: str | None) -> str:
    """Return the explanation of `lstms`, 80 columns wide.

    Args:
        lstms: The layers.
        producer: The program that wrote the model.
        section: The only section; None for all.

    Raises:
        ValueError: There is no such section.
    """
    from lstmdump.report.explain import SECTIONS, explanation

    if section is not None and (not is_text(section) or section not in SECTIONS):
        raise ValueError(f"{section!r} is not a section; there are {', '.join(SECTIONS)}")
    return explanation(lstms, producer, width=None, colour=False, section=section).rstrip("\n")
