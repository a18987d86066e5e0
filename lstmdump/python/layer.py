"""An LSTM layer as users of Python have it: its arrays, and what can be done with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lstmdump.lstm.cell import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.python.arguments import computed_type, number_of_lags, number_of_unit, returned_type, run_options
from lstmdump.python.keywords import python_words

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from lstmdump.model.tensor import Array
    from lstmdump.python.given import FirstStates, Input, Path
    from lstmdump.python.lags import LagsResult
    from lstmdump.python.states import LayerStates
    from lstmdump.report.facts import LayerFacts


class LSTMLayer(LSTM):
    """An LSTM layer or cell of an open model: `lstmdump.LSTM`.

    Shapes and counts are known; numbers are read when they are asked for.

    Attributes:
        name: The names that the user gave, outermost first: `bidirectional/forward_lstm`.
        kind: The class that the file states, or what the shapes say.
        input_dim: d, the width of the input.
        units: m, the number of units.
        projection: p, the width of the projected output, or None.
        weights: The arrays as they are stored.
        gates: By letter, i, f, c and o: the W (d, m), U (h, m), b (m,) and V (m,) of each gate, in one form for all
            layouts.
        forget_bias: What the cell adds to b_f at run time; 0.0 in Keras, where it is part of b_f; None where unknown.
        notes: What is particular about how this layer is stored.
    """

    __slots__ = ("_opened",)

    _opened: LoadedModel

    @classmethod
    def of(cls, lstm: LSTM, opened: LoadedModel) -> LSTMLayer:
        """Return `lstm`, a layer of `opened`, with what Python users call."""
        made = cls(
            lstm.name, lstm.kind, lstm.input_dim, lstm.units, lstm.weights, lstm.layout, lstm.gates, lstm.forget_bias,
            lstm.projection, lstm.notes, lstm.stated, kind_stated=lstm.kind_stated, producer=lstm.producer,
        )  # fmt: skip
        made._opened = opened
        return made

    def __repr__(self) -> str:
        from lstmdump.report.render.table import title

        return title(self._describe())

    def _repr_html_(self) -> str:
        from lstmdump.report.html.table import layer_fragment

        return layer_fragment(self._describe())

    def _describe(self) -> LayerFacts:
        from lstmdump.report.facts import describe_layer

        return describe_layer(self, self.producer)

    def record(self) -> dict[str, Any]:
        """Return the entry of the layer in the JSON of `lstmdump show --json`; `lstmdump help json` lists the keys."""
        from lstmdump.report import record

        return record.of_layer(self._describe())

    def explain(self, section: str | None = None) -> str:
        """Return the explanation that `lstmdump show --explain` prints.

        Args:
            section: Only equations, shapes, time, gates, states, parameters, forget-bias, activations or frameworks.
        """
        from lstmdump.python import words

        return words.explain([self], self.producer, section)

    def trace(
        self,
        x: ArrayLike | Path,
        *,
        mask: ArrayLike | Path | None = None,
        initial: FirstStates | None = None,
        dtype: DTypeLike = "float32",
        activation: str | None = None,
        recurrent_activation: str | None = None,
        go_backwards: bool | None = None,
        forget_bias: float | None = None,
    ) -> LayerStates:
        """Run the layer by itself on an input, and return its states and gates at every step.

        Args:
            x: The input of this layer, (length, d) or (batch, length, d), or the path of an `.npy` file.
            mask: True where there is a step, (length,) or (batch, length); None for no mask.
            initial: h and c before the first step, each (m,) or (batch, m); None for those of the model, or 0.
            dtype: `float32`, in which frameworks compute, or `float64`.
            activation: Keras's name of the activation of candidate and output, instead of the file's.
            recurrent_activation: The same for the gates i, f and o.
            go_backwards: Whether the last step comes first, instead of as the file states.
            forget_bias: The constant that the cell adds to b_f, if the file does not hold it.

        Returns:
            Arrays of (batch, length, m), or (length, m) for one sequence; notes on what was left out.

        Raises:
            BadInput: An array has another shape, or holds what is not a finite number.
            CannotReplay: The layer computes something else than the equations of an LSTM.
            NoForgetBias: The file does not hold the forget bias, and none is given.
            UnreadableModel: The numbers cannot be read.
            ValueError: `dtype` is another type, or `forget_bias` not a finite number.
        """
        from lstmdump.python import given, tracing

        name = computed_type(dtype)
        options = run_options(
            name, activation=activation, recurrent_activation=recurrent_activation, go_backwards=go_backwards,
            forget_bias=forget_bias,
        )  # fmt: skip
        with python_words() as in_python:
            inputs = given.gather_some(x, mask=mask, initial=initial, dtype=name)
            found = tracing.run_layer(self._opened, self, inputs, options)
            return replace(found[self.name], notes=in_python(found.notes))

    def lags(
        self,
        x: Input | None = None,
        *,
        mask: ArrayLike | Path | None = None,
        initial: FirstStates | None = None,
        unit: int | None = None,
        most: int | None = None,
        activation: str | None = None,
        recurrent_activation: str | None = None,
        go_backwards: bool | None = None,
        forget_bias: float | None = None,
    ) -> LagsResult:
        """Return how much of the last h of the layer comes from each step of its own input: ‖∂h_T/∂x_{T-k}‖.

        Args:
            x: The input of this layer, (length, d) or (batch, length, d); None for x = 0, which says less.
            mask: See `trace`.
            initial: See `trace`.
            unit: The only unit of h that counts, from 0; None for all.
            most: The number of lags to return; None for all.
            activation: See `trace`.
            recurrent_activation: See `trace`.
            go_backwards: See `trace`.
            forget_bias: See `trace`.

        Raises:
            LstmdumpError: See `trace`.
            ValueError: `most` is less than 1, `unit` not a whole number, or `forget_bias` not a finite one.
        """
        from lstmdump.python import given, influence

        number, one = number_of_lags(most), number_of_unit(unit)
        options = run_options(
            influence.DTYPE, activation=activation, recurrent_activation=recurrent_activation,
            go_backwards=go_backwards, forget_bias=forget_bias,
        )  # fmt: skip
        with python_words() as in_python:
            inputs = given.gather(x, mask=mask, initial=initial, dtype=influence.DTYPE)
            found = influence.run_layer(self._opened, self, inputs, options, unit=one, most=number)
            return found.with_notes(in_python)

    def to_layout(self, layout: str, *, force: bool = False, dtype: DTypeLike = "keep") -> dict[str, Any] | str:
        """Return the layer as another runtime holds it, under the names within the layer: `weight_ih_l0`.

        What the arrays do not say, such as a forget bias that is included in b_f, is a `LayoutWarning`.

        Args:
            layout: One of the values of `lstmdump export --layout`: `pytorch`, `onnx`, …
            force: Whether to return also what the target computes otherwise.
            dtype: The type of the arrays; `keep` for that of the stored ones.

        Returns:
            Arrays by name; the parsed JSON for `rtneural` and `lwtnn`; the text of a header for `c`.

        Raises:
            ValueError: There is no such layout, or no such type.
            CannotExpress: The target cannot compute the layer, and `force` is false.
            NoForgetBias: The file does not hold the forget bias.
            UnreadableModel: The numbers cannot be read.
        """
        from lstmdump.python import layouts

        with python_words():
            name = returned_type(dtype)
            return layouts.any_of([self], self.producer, layout, force=force, dtype=name, is_named=False)

    def to_keras(self, *, force: bool = False) -> dict[str, Array]:
        """Return `kernel` (d, 4m), `recurrent_kernel` (m, 4m) and `bias` (4m,), in the order of `set_weights`.

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("keras", force=force)

    def to_pytorch(self, *, force: bool = False) -> dict[str, Array]:
        """Return the state dict of `torch.nn.LSTM(d, m)`: `weight_ih_l0` (4m, d), `weight_hh_l0` (4m, m), biases (4m,).

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("pytorch", force=force)

    def to_onnx(self, *, force: bool = False) -> dict[str, Array]:
        """Return the inputs of ONNX's LSTM: W (1, 4m, d), R (1, 4m, m), B (1, 8m), and P (1, 3m) with peepholes.

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("onnx", force=force)

    def to_flax(self, *, force: bool = False) -> dict[str, Array]:
        """Return the parameters of `flax.linen.LSTMCell`: `ii/kernel` (d, m), …, `hi/kernel` (m, m), `hi/bias` (m,), ….

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("flax", force=force)

    def to_flax_nnx(self, *, force: bool = False) -> dict[str, Array]:
        """Return the parameters of `flax.nnx.LSTMCell`, as `to_flax` does but for the name `if_`.

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("flax-nnx", force=force)

    def to_openvino(self, *, force: bool = False) -> dict[str, Array]:
        """Return the inputs of OpenVINO's LSTMSequence: W (1, 4m, d), R (1, 4m, m), B (1, 4m).

        Raises:
            LstmdumpError: See `to_layout`.
        """
        return self._arrays("openvino", force=force)

    def _arrays(self, layout: str, *, force: bool) -> dict[str, Array]:
        from lstmdump.python import layouts

        with python_words():
            return layouts.arrays_of([self], self.producer, layout, force=force, is_named=False)
