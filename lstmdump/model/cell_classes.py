"""The classes of recurrent layers and cells: one table for the readers, which know the names, and for `lstm`.

A class that is not in the table is one of the user's own: it is an LSTM if its arrays have the shapes of one.
"""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.model.named_tuple import NamedTuple

KERAS_ORDER = "ifco"
"""The order of the gates in Keras 2 and 3, and in `BlockLSTMV2`."""

TF1_ORDER = "icfo"
"""The order of the gates in the cells of TensorFlow 1."""


class CellClass(NamedTuple):
    """A class of layers or cells, and what follows from its name.

    Attributes:
        name: The name of the class, without its module.
        must_fit: Whether arrays of other shapes than an LSTM's are an error in a layer of this class.
        is_other: Whether it is never an LSTM, whatever shapes its arrays have.
        is_keras_lstm: Whether it is one of the LSTM classes that Keras itself has had.
        is_layer: Whether it is an LSTM layer of Keras, not a cell: such a layer keeps the name that it was given.
        is_cudnn: Whether its arrays are in CuDNN's layout.
        gates: How many gates its kernel holds side by side; None where the configuration is not checked for it.
        fused_order: The order of the gates in a kernel over input and state; empty where it has no such kernel.
        forget_bias: What every cell of the class adds to its forget gate; None where each cell has its own.
        block_operation: The operation of TensorFlow that takes its arrays and computes all steps, if there is one.
        scopes: What TensorFlow 1 calls its variable scopes, in lower case and without underscores.
        difference: What tells it from an LSTM of four gates, although it is called one: `one of three gates`.
    """

    name: str
    must_fit: bool = False
    is_other: bool = False
    is_keras_lstm: bool = False
    is_layer: bool = False
    is_cudnn: bool = False
    gates: int | None = None
    fused_order: str = ""
    forget_bias: float | None = None
    block_operation: str | None = None
    scopes: tuple[str, ...] = ()
    difference: str = ""


class BlockOperation(NamedTuple):
    """An operation of TensorFlow that is a whole cell. Its inputs after the kernel: three peepholes, then the bias.

    Attributes:
        name: The name of the operation, and of the class where no scope names another one.
        takes_sequence: Whether it takes all steps of the input at once.
        input_at: The place of x among its inputs.
        kernel_at: The place of the kernel.
        forget_bias: What it adds to the forget gate if the node does not say.
        cell_clip: The bound of the cell state if the node does not say, in all releases; 0 for none.
        names_class: Whether it is the class of the cell, whatever the scope is called.
    """

    name: str
    takes_sequence: bool
    input_at: int
    kernel_at: int
    forget_bias: float
    cell_clip: float
    names_class: bool


BLOCK_OPERATIONS: Mapping[str, BlockOperation] = {
    operation.name: operation
    for operation in (
        BlockOperation("LSTMBlockCell", False, 0, 3, 1.0, 3.0, True),
        BlockOperation("BlockLSTM", True, 1, 4, 1.0, 3.0, False),
        BlockOperation("BlockLSTMV2", True, 1, 4, 0.0, 0.0, True),
    )
}
"""The operations that are a whole cell, by name."""

CELL_CLASSES: Mapping[str, CellClass] = {
    kind.name: kind
    for kind in (
        # Keras; its LSTMCell has the name of one in TensorFlow 1
        CellClass("LSTM", must_fit=True, is_keras_lstm=True, is_layer=True, gates=4),
        CellClass("LSTMCell", must_fit=True, is_keras_lstm=True, gates=4, fused_order=TF1_ORDER, scopes=("lstmcell",)),
        CellClass("CuDNNLSTM", must_fit=True, is_keras_lstm=True, is_layer=True, is_cudnn=True, gates=4),
        CellClass("PeepholeLSTMCell", is_keras_lstm=True),  # tf.keras.experimental, TensorFlow 1.14 and later
        CellClass("GRU", is_other=True, gates=3),
        CellClass("GRUCell", is_other=True, gates=3, scopes=("grucell", "gru")),
        CellClass("CuDNNGRU", is_other=True, gates=3),
        CellClass("SimpleRNN", is_other=True, gates=1),
        CellClass("SimpleRNNCell", is_other=True),
        CellClass("ConvLSTM1D", is_other=True),
        CellClass("ConvLSTM2D", is_other=True),
        CellClass("ConvLSTM3D", is_other=True),
        CellClass("ConvLSTM2DCell", is_other=True),
        CellClass("ConvRecurrent2D", is_other=True),
        # ONNX
        CellClass("RNN", is_other=True),
        CellClass("CoupledLSTM", is_other=True),  # a node LSTM with `input_forget`
        # TensorFlow 1
        CellClass("BasicLSTMCell", fused_order=TF1_ORDER, scopes=("basiclstmcell",)),
        CellClass("LSTMBlockCell", fused_order=TF1_ORDER, block_operation="BlockLSTM", scopes=("lstmblockcell",)),
        CellClass("LSTMBlockFusedCell", fused_order=TF1_ORDER, block_operation="BlockLSTM",
                  scopes=("lstmblockfusedcell", "lstmblockwrapper", "lstmfusedcell")),
        CellClass("LayerNormBasicLSTMCell", fused_order=TF1_ORDER, scopes=("layernormbasiclstmcell",)),
        CellClass("CudnnCompatibleLSTMCell", fused_order=TF1_ORDER, forget_bias=0.0, block_operation="BlockLSTM",
                  scopes=("cudnncompatiblelstmcell",)),
        CellClass("BlockLSTM", fused_order=TF1_ORDER, block_operation="BlockLSTM"),
        CellClass("BlockLSTMV2", fused_order=KERAS_ORDER, block_operation="BlockLSTMV2"),
        CellClass("CoupledInputForgetGateLSTMCell", is_other=True, scopes=("coupledinputforgetgatelstmcell",),
                  difference="one of three gates"),
        CellClass("GridLSTMCell", is_other=True, scopes=("gridlstmcell", "bidirectionalgridlstmcell"),
                  difference="one of several dimensions"),
        CellClass("TimeFreqLSTMCell", is_other=True, scopes=("timefreqlstmcell",),
                  difference="one over time and frequency"),
        CellClass("PhasedLSTMCell", is_other=True, scopes=("phasedlstmcell",), difference="one with a time gate"),
        CellClass("GLSTMCell", is_other=True, scopes=("glstmcell",), difference="one of groups"),
        CellClass("ConvLSTMCell", is_other=True, scopes=("convlstmcell",)),
        CellClass("Conv1DLSTMCell", is_other=True, scopes=("conv1dlstmcell",)),
        CellClass("Conv2DLSTMCell", is_other=True, scopes=("conv2dlstmcell",)),
        CellClass("Conv3DLSTMCell", is_other=True, scopes=("conv3dlstmcell",)),
        CellClass("GRUBlockCell", is_other=True, scopes=("grublockcell",)),
        CellClass("CudnnCompatibleGRUCell", is_other=True, scopes=("cudnncompatiblegrucell",)),
        CellClass("SRUCell", is_other=True, scopes=("srucell",)),
        CellClass("IndRNNCell", is_other=True, scopes=("indrnncell",)),
        CellClass("IndyGRUCell", is_other=True, scopes=("indygrucell",)),
        CellClass("IndyLSTMCell", is_other=True, scopes=("indylstmcell",),
                  difference="one whose units do not take each other's outputs"),
        CellClass("MinimalRNNCell", is_other=True, scopes=("minimalrnncell",)),
        CellClass("CFNCell", is_other=True, scopes=("cfncell",)),
        CellClass("BasicRNNCell", is_other=True, scopes=("basicrnncell",)),
        CellClass("UGRNNCell", is_other=True, scopes=("ugrnncell",)),
        CellClass("NASCell", is_other=True, scopes=("nascell",)),
        CellClass("IntersectionRNNCell", is_other=True, scopes=("intersectionrnncell",)),
    )
}  # fmt: skip
"""The classes of recurrent layers and cells, by name."""

_UNKNOWN = CellClass("")


def class_named(name: str | None) -> CellClass:
    """Return what is known of a class; for one that is not in the table, or not stated, nothing is."""
    return _UNKNOWN if name is None else CELL_CLASSES.get(name, _UNKNOWN)
