"""The architecture in a JSON file beside weights: `model.json` of `to_json()` beside `model.h5` of `save_weights()`.

It has the name of the file with the weights, but the ending `.json`. It is no part of that file, so that it is used
only if it fits the arrays, and a note says so.
"""

from __future__ import annotations

from lstmdump.errors import UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers import json_text
from lstmdump.readers.keras.architecture.config import ConfigLayer, describe_architecture
from lstmdump.readers.keras.architecture.file_names import list_names_beside


class ArchitectureBeside(NamedTuple):
    """An architecture, and the name of the file that holds it."""

    layer: ConfigLayer
    file: str

    @property
    def note(self) -> str:
        """The note for a model that the architecture describes."""
        return f"names, classes and activations are from {self.file}, which lies beside the file"

    def note_unused(self, reason: str) -> str:
        """Return the note for a model that the architecture does not describe, for `reason`."""
        return f"{self.file}, which lies beside the file, is not used: {reason}"


def find_architecture(location: Location) -> ArchitectureBeside | None:
    """Return the architecture beside the weights at `location`, or None if there is no file that holds one."""
    for name in list_names_beside(location.name):
        file = location.sibling(name)
        try:
            if not file.is_file():
                continue
            text = json_text.content(file)
            if b'"class_name"' not in text:
                continue
            layer = describe_architecture(json_text.parse(text, name, file.limits), file.limits)
        except (UnreadableModel, OSError):  # of another kind, or too long: the weights can be read without it
            continue
        if layer is not None and layer.children:
            return ArchitectureBeside(layer, name)
    return None
