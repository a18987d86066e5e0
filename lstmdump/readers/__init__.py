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

from lstmdump.errors import RefusedModel
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format, detect


def read(location: Location) -> Model:
    """The model at LOCATION, open: names, shapes and dtypes are known, no numbers are read yet.

    Raises:
        UnreadableModel: what lies there is no model, or a damaged one; the message says which.
    """
    try:
        return _read(location, detect(location))
    except RecursionError as error:
        raise RefusedModel("what it nests is deeper than can be followed, whatever the limits allow") from error


def _read(location: Location, found: Format) -> Model:
    if found is Format.HDF5:
        from lstmdump.readers.keras import h5 as keras_h5

        return keras_h5.read(location)
    if found is Format.KERAS_ZIP:
        from lstmdump.readers.keras import archive as keras_archive

        return keras_archive.read(location)
    if found is Format.KERAS_WEIGHTS:
        from lstmdump.readers.keras.weights_h5 import reader as weights_h5

        return weights_h5.read_index(location)
    if found is Format.SAVED_MODEL:
        from lstmdump.readers.tensorflow import saved_model

        return saved_model.read(location)
    if found is Format.CHECKPOINT:
        from lstmdump.readers.tensorflow import checkpoint

        return checkpoint.read(location)
    from lstmdump.readers.tensorflow import frozen_graph

    return frozen_graph.read(location)
