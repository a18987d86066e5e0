"""The door: a path's format chooses the reader, and only that reader is imported.

============================  =========================================================================
`.h5`                         `keras_h5`, `keras_0`; names by `keras_leaves`, `keras_match`, `keras_places`
`.keras`, `.weights.h5`       `keras_zip`, `keras_weights`, `keras_shards`; groups by `keras_groups`,
                              `keras_pairs`, `keras_walk`
checkpoints, SavedModels      `checkpoint`, `saved_model`; of objects by `object_models`, `object_graph`,
                              `saved_objects`, `object_scopes`, `keras_objects`
TensorFlow 1, frozen graphs   `tf1_models`, `frozen_graph`; cells by `tf1_variables`, `tf1_cells`, `graph_cells`
bytes, whatever they mean     `hdf5`; `protobuf`, `sstable`, `tensor_bundle`, `checkpoint_v1`, `graph_def`
============================  =========================================================================
"""

from pathlib import Path

from lstmdump.formats import Format, detect
from lstmdump.model import Model


def read(path: Path) -> Model:
    """The model at PATH, open: names, shapes and dtypes are known, no numbers are read yet.

    Raises:
        UnreadableModel: what lies there is no model, or a damaged one; the message says which.
    """
    found = detect(path)
    if found is Format.HDF5:
        from lstmdump.readers import keras_h5

        return keras_h5.read(path)
    if found is Format.KERAS_ZIP:
        from lstmdump.readers import keras_zip

        return keras_zip.read(path)
    if found is Format.KERAS_WEIGHTS:
        from lstmdump.readers import keras_weights

        return keras_weights.read_index(path)
    if found is Format.SAVED_MODEL:
        from lstmdump.readers import saved_model

        return saved_model.read(path)
    if found is Format.CHECKPOINT:
        from lstmdump.readers import checkpoint

        return checkpoint.read(path)
    from lstmdump.readers import frozen_graph

    return frozen_graph.read(path)
