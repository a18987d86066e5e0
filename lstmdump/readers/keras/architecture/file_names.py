"""The names of files with an architecture that lie beside files with weights."""

from __future__ import annotations

_ENDINGS = (".weights", "_weights")


def list_names_beside(weights: str) -> list[str]:
    """Return the names that a file with the architecture of the file `weights` may have, in the same directory."""
    stem = weights.rpartition(".")[0]
    stems = dict.fromkeys((stem, *(stem.removesuffix(ending) for ending in _ENDINGS)))
    return [f"{stem}.json" for stem in stems if stem]
