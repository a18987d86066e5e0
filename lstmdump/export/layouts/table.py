"""The table of targets: a row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lstmdump.export.layouts import arrangements, texts
from lstmdump.export.layouts.arrangements import TargetArray
from lstmdump.export.layouts.limits import ANYTHING, TargetLimits
from lstmdump.export.layouts.modules import LayerModule
from lstmdump.export.layouts.texts import WriteText

GATES = "gates"
"""The layout of lstmdump itself: the arrays of each gate."""

_ARRAYS = (".npz", ".safetensors")
_HARD_SIGMOIDS = ("hard_sigmoid(0.2x+0.5)", "hard_sigmoid(x/6+0.5)")


class TargetLayout(NamedTuple):
    """A row of the table.

    Attributes:
        word: the value of the option `--layout`.
        label: the name of the target.
        suffixes: the suffixes of the files that it can be written to; the first is the usual one.
        limits: what it can say beside the arrays.
        arrange: yields the arrays of a module; None for a target that takes a text.
        word_text: yields the text of all modules, for such a target.
        joins_halves: whether both halves of a Bidirectional are one module.
        keeps_stacks: whether the layers `l0`, `l1` of a stack stay together.
        takes_activations: where the user states activations that are not tanh and sigmoid; empty if nowhere.
        goes_backwards: what to state for a layer that goes backwards; empty if its input has to be reversed.
        keeps_order: whether such a layer returns its steps in the order of the input.
    """

    word: str
    label: str
    suffixes: tuple[str, ...]
    limits: TargetLimits
    arrange: Callable[[LayerModule], Iterator[TargetArray]] | None = None
    word_text: WriteText | None = None
    joins_halves: bool = False
    keeps_stacks: bool = False
    takes_activations: str = ""
    goes_backwards: str = ""
    keeps_order: bool = False


_OF_ONNX = (*_HARD_SIGMOIDS, "tanh", "sigmoid", "relu", "softsign", "softplus", "elu", "linear")

LAYOUTS = (
    TargetLayout("keras", "Keras", _ARRAYS, TargetLimits(None, None), arrangements.keras,
                 takes_activations="the arguments activation and recurrent_activation",
                 goes_backwards="go_backwards=True"),
    TargetLayout("pytorch", "torch.nn.LSTM", _ARRAYS, TargetLimits(projection=True), arrangements.pytorch,
                 joins_halves=True, keeps_stacks=True),
    TargetLayout("onnx", "ONNX", (*_ARRAYS, ".onnx"), TargetLimits(_OF_ONNX, _OF_ONNX, peepholes=True),
                 arrangements.onnx, joins_halves=True, takes_activations="the attributes activations, activation_alpha "
                 "and activation_beta", goes_backwards="the direction reverse", keeps_order=True),
    TargetLayout("flax", "Flax", _ARRAYS, TargetLimits(None, None), arrangements.flax,
                 takes_activations="the arguments activation_fn and gate_fn"),
    TargetLayout("flax-nnx", "Flax", _ARRAYS, TargetLimits(None, None), arrangements.flax_nnx,
                 takes_activations="the arguments activation_fn and gate_fn"),
    TargetLayout("openvino", "OpenVINO", _ARRAYS, TargetLimits(("tanh", "sigmoid", "relu"), ("sigmoid",)),
                 arrangements.openvino, joins_halves=True, takes_activations="the attribute activations",
                 goes_backwards="the direction reverse", keeps_order=True),
    TargetLayout("rtneural", "RTNeural", (".json",), TargetLimits(), word_text=texts.rtneural),
    TargetLayout("lwtnn", "lwtnn", (".json",), TargetLimits(("tanh",), ("sigmoid", _HARD_SIGMOIDS[0])),
                 word_text=texts.lwtnn),
    TargetLayout("c", "C", (".h",), ANYTHING, word_text=texts.c_header, takes_activations="your own code"),
)  # fmt: skip
"""All targets; a new one needs a row here, and a function in `arrangements` or a writer of its own."""

CHECKED = frozenset({"pytorch", "onnx"})
"""The layouts whose runtime `--check` runs."""

WORDS = (GATES, *(row.word for row in LAYOUTS))
"""The values of the option `--layout`."""


def find(word: str) -> TargetLayout | None:
    """Return the row of the layout `word`, or None for the one of lstmdump itself."""
    return next((row for row in LAYOUTS if row.word == word), None)
