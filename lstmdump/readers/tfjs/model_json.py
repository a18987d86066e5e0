"""The `model.json` of TensorFlow.js: a topology, and a manifest of the weights in files beside it.

The manifest may be alone, as in the `weights_manifest.json` of early converters: then classes are not known.
"""

from __future__ import annotations

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers import json_text
from lstmdump.readers.detect import TFJS_FILES
from lstmdump.readers.tfjs.manifest import read_groups
from lstmdump.readers.tfjs.weights import StoredWeights


def read(location: Location) -> Model:
    """Return the model whose JSON file is at `location`, or in this directory.

    Raises:
        CorruptModel: The JSON or the files beside it are damaged, or disagree.
        RefusedModel: The JSON refers to files that are not beside it, or exceeds a limit.
        UnreadableModel: A file cannot be read.
    """
    file = _find_json(location) if location.is_dir() else location
    try:
        value = json_text.parse(json_text.content(file), file.name, file.limits)
    except OSError as error:
        raise UnreadableModel(f"{file.name} cannot be read: {error.strerror or error}") from error
    if not isinstance(value, (dict, list)):
        raise CorruptModel(f"{file.name} is valid JSON, but not a model of TensorFlow.js")
    stated = value if isinstance(value, dict) else {"weightsManifest": value}
    stored = StoredWeights(file, read_groups(stated.get("weightsManifest"), file.name))
    try:
        return _read(stated.get("modelTopology"), stated.get("generatedBy"), stored, file)
    except BaseException:
        stored.close()
        raise


def _find_json(directory: Location) -> Location:
    found = (directory.child(name) for name in TFJS_FILES)
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        raise UnreadableModel("the directory has changed: it no longer holds a model.json")
    return file


def _read(topology: object, generated_by: object, stored: StoredWeights, file: Location) -> Model:
    if isinstance(topology, dict) and "node" in topology:
        from lstmdump.readers.tfjs import graph_model

        return graph_model.read_graph(topology, stored, generated_by, file.name, file.limits)
    from lstmdump.readers.tfjs import layers_model

    return layers_model.read_layers(topology, stored, file.name, file.limits)
