"""The door: a path's format chooses the reader, and only that reader is imported.

============================  =========================================================================
`.h5`                         `keras_h5`, `keras_0`; names by `keras_leaves`, `keras_match`, `keras_places`
what Keras states             `keras_config`; of what a layer computes and takes `keras_settings`, `keras_sources`
`.keras`, `.weights.h5`       `keras_zip`, `keras_weights`, `keras_shards`; groups by `keras_groups`,
                              `keras_pairs`, `keras_walk`
checkpoints, SavedModels      `checkpoint`, `saved_model`; of objects by `object_models`, `object_graph`,
                              `saved_objects`, `object_scopes`, `keras_objects`
TensorFlow 1, frozen graphs   `tf1_models`, `frozen_graph`; cells by `tf1_variables`, `tf1_cells`, `graph_cells`;
                              what these compute and take by `tf1_settings`, `tf1_sources`, `cell_equations`,
                              `cell_inputs`, on a `graph_walk`
bytes, whatever they mean     `hdf5`; `protobuf`, `sstable`, `tensor_bundle`, `checkpoint_v1`, `graph_def`
============================  =========================================================================
"""

import importlib

from lstmdump.errors import RefusedModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format, detect


def read(location: Location, detected: Format | None = None) -> Model:
    """Open the model at `location`: names, shapes and dtypes are known, no numbers are read yet.

    Args:
        location: where the model is.
        detected: its format, where that is known already.

    Raises:
        UnreadableModel: what lies there is no model, or a damaged one; the message says which.
    """
    try:
        module, _, function = (detected or detect(location)).facts.reader.partition(":")
        model: Model = getattr(importlib.import_module(module), function)(location)
    except RecursionError as error:
        raise RefusedModel("what it nests is deeper than can be followed, whatever the limits allow") from error
    return model
