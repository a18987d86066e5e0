"""An open model as users of Python have it: a mapping of its LSTM layers, with what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.python.arguments import (
    computed_type,
    number_of_lags,
    number_of_unit,
    require_text,
    returned_type,
    run_options,
)
from lstmdump.python.keywords import python_words
from lstmdump.python.layer import LSTMLayer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from lstmdump.model.tensor import Array
    from lstmdump.python.given import FirstStates, Input, Path
    from lstmdump.python.lags import LagsResult
    from lstmdump.python.states import ModelStates
    from lstmdump.report.facts import Report

_MOST_LAYERS = 10  # in the text that `repr` returns


class OpenModel(LoadedModel, Mapping[str, LSTMLayer]):
    """A model file, open for reading: a mapping of the names of its LSTM layers to these.

    Use it as a context manager. Shapes and counts are known at once and stay; numbers are read when asked for, and
    only while the model is open.

    Attributes:
        path: The path as it was given.
        format: The value of the key `format` in the JSON output: `keras-h5`.
        producer: Who wrote the file, as far as it says: `keras 2.2.4 (tensorflow)`.
        lstms: The LSTM layers, in the model's order.
        model: The tree of all layers.
    """

    lstms: tuple[LSTMLayer, ...]

    @classmethod
    def of(cls, loaded: LoadedModel) -> OpenModel:
        """Return `loaded` with what Python users call."""
        made = cls(loaded.path, loaded.model, ())
        made.lstms = tuple([LSTMLayer.of(lstm, made) for lstm in loaded.lstms])
        return made

    def __getitem__(self, name: str) -> LSTMLayer:
        for lstm in self.lstms:
            if lstm.name == name:
                return lstm
        from lstmdump.report.facts import name_nearest

        raise KeyError(f"no LSTM layer is called {name!r}; {name_nearest(str(name), self.lstms)}")

    def __iter__(self) -> Iterator[str]:
        return (lstm.name for lstm in self.lstms)

    def __len__(self) -> int:
        return len(self.lstms)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open model is not copied or pickled: pass its path, and open it there")

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        from lstmdump.report.facts import describe
        from lstmdump.report.render.table import first_lines

        return first_lines(describe(self, self.lstms[:_MOST_LAYERS], with_others=False))

    def _repr_html_(self) -> str:
        from lstmdump.report.html.table import fragment

        return fragment(self._describe())

    def __str__(self) -> str:
        return repr(self)

    def _describe(self, *, with_others: bool = False) -> Report:
        from lstmdump.report.facts import describe

        return describe(self, with_others=with_others)

    def table(self, *, with_others: bool = False) -> str:
        """Return the table that `lstmdump show` prints; with `with_others`, as `--all` does."""
        from lstmdump.report.render.table import table

        return table(self._describe(with_others=with_others), width=None, colour=False, with_others=with_others).rstrip(
            "\n"
        )

    def record(self, *, with_others: bool = False) -> dict[str, Any]:
        """Return the object that `lstmdump show --json` prints; `lstmdump help json` lists the keys.

        Args:
            with_others: Whether to include the arrays that are not part of an LSTM layer.
        """
        from lstmdump.report import record

        return record.of(self._describe(with_others=with_others), with_others=with_others)

    def rows(self, *, with_others: bool = False) -> list[dict[str, Any]]:
        """Return a row for each stored array, ready for `pandas.DataFrame`, with the columns of `--format csv`.

        Args:
            with_others: Whether to include the arrays that are not part of an LSTM layer.
        """
        from lstmdump.report import rows

        return list(rows.of(self._describe(with_others=with_others), with_others=with_others))

    def explain(self, section: str | None = None) -> str:
        """Return the explanation that `lstmdump show --explain` prints.

        Args:
            section: Only equations, shapes, time, gates, states, parameters, forget-bias, activations or frameworks.

        Raises:
            ValueError: There is no such section.
        """
        from lstmdump.python import words

        return words.explain(self.lstms, self.producer, section)

    def trace(
        self,
        x: Input,
        *,
        layer: str | None = None,
        into: str | None = None,
        mask: ArrayLike | Path | None = None,
        initial: FirstStates | None = None,
        chain: bool = False,
        dtype: DTypeLike = "float32",
        activation: str | None = None,
        recurrent_activation: str | None = None,
        go_backwards: bool | None = None,
        forget_bias: float | None = None,
    ) -> ModelStates:
        """Run the model on an input, and return the states and gates of its LSTM layers at every step.

        It computes what `lstmdump trace` does, and its keyword arguments are the options of that command.

        Args:
            x: The input of the model, (batch, …) or one sequence, as an array or the path of an `.npy` file; a mapping
                of names to these for several inputs.
            layer: A pattern of the names of the LSTM layers to run; None for all, and for the outputs of the model.
            into: The name of the layer whose own input `x` is.
            mask: True where there is a step, (length,) or (batch, length); None for the masks of the model.
            initial: h and c before the first step, each (m,) or (batch, m); for several layers, a mapping of their
                names to such pairs. None for the states of the model.
            chain: Whether each layer takes the output of the one before, where the file describes no network.
            dtype: `float32`, in which frameworks compute, or `float64`.
            activation: Keras's name of the activation of candidate and output, instead of the file's.
            recurrent_activation: The same for the gates i, f and o.
            go_backwards: Whether the last step comes first, instead of as the file states.
            forget_bias: The constant that the cell adds to b_f, if the file does not hold it.

        Returns:
            The states of each layer by its name, the outputs of the model, and notes. A single sequence has no axis for
            the batch.

        Raises:
            BadInput: An array fits neither the inputs of the model nor a layer, or holds what is not a finite number.
            CannotReplay: A layer that is needed cannot be computed; the message names it.
            NoForgetBias: The file does not hold the forget bias, and none is given.
            NoLSTM: The model has no LSTM layer.
            NoSuchLayer: No layer has such a name.
            UnreadableModel: The numbers cannot be read.
            ValueError: `dtype` is another type, or `forget_bias` not a finite number.
        """
        from lstmdump.python import given, tracing

        require_text("layer", layer, "a pattern of the names of layers")
        require_text("into", into, "the name of a layer")
        name = computed_type(dtype)
        options = run_options(
            name, chain=chain, activation=activation, recurrent_activation=recurrent_activation,
            go_backwards=go_backwards, forget_bias=forget_bias,
        )  # fmt: skip
        with python_words("layer=NAME") as in_python:
            inputs = given.gather_some(x, mask=mask, initial=initial, dtype=name)
            wanted = tracing.TraceRequest(layer, into, mask is not None, initial is not None, options)
            found = tracing.run(self, inputs, wanted)
            return replace(found, notes=in_python(found.notes))

    def lags(
        self,
        x: Input | None = None,
        *,
        of: str | None = None,
        into: str | None = None,
        unit: int | None = None,
        most: int | None = None,
        mask: ArrayLike | Path | None = None,
        initial: FirstStates | None = None,
        activation: str | None = None,
        recurrent_activation: str | None = None,
        go_backwards: bool | None = None,
        forget_bias: float | None = None,
    ) -> LagsResult:
        """Return how much of the last output comes from each step of the input: ‖∂y/∂x_{T-k}‖ for every lag k.

        It computes what `lstmdump lags` does, in float64. `print(model.lags(x))` prints its table.

        Args:
            x: The input of the model, as for `trace`; None for x = 0, which says less.
            of: A pattern of the names of LSTM layers whose last output counts; None for the output of the model, or
                for all LSTM layers where the model cannot be run to its end.
            into: The name of the layer whose own input `x` is.
            unit: The only number of the output that counts, from 0; None for all.
            most: The number of lags to return; None for all.
            mask: See `trace`.
            initial: See `trace`.
            activation: See `trace`.
            recurrent_activation: See `trace`.
            go_backwards: See `trace`.
            forget_bias: See `trace`.

        Returns:
            The influence on each output by each input; where there is one of them, `shares`, `norms` and `lag_95` are
            those of this one.

        Raises:
            LstmdumpError: See `trace`.
            ValueError: `most` is less than 1, `unit` not a whole number, or `forget_bias` not a finite one.
        """
        from lstmdump.python import given, influence

        require_text("of", of, "a pattern of the names of layers")
        require_text("into", into, "the name of a layer")
        number, one = number_of_lags(most), number_of_unit(unit)
        options = run_options(
            influence.DTYPE, activation=activation, recurrent_activation=recurrent_activation,
            go_backwards=go_backwards, forget_bias=forget_bias,
        )  # fmt: skip
        with python_words("of=NAME") as in_python:
            inputs = given.gather(x, mask=mask, initial=initial, dtype=influence.DTYPE)
            wanted = influence.LagsRequest(of, into, inputs.describe(), mask is not None, initial is not None, options)
            return influence.run(self, inputs, wanted, unit=one, most=number).with_notes(in_python)

    def to_layout(self, layout: str, *, force: bool = False, dtype: DTypeLike = "keep") -> dict[str, Any] | str:
        """Return all LSTM layers as another runtime holds them, under the names of `lstmdump export --layout`.

        The halves of a Bidirectional are one module, where the target has such. What the arrays do not say, such as a
        forget bias that is included in b_f, is a `LayoutWarning`.

        Args:
            layout: One of the values of `--layout`: `pytorch`, `onnx`, `keras`, `flax`, …
            force: Whether to return also what the target computes otherwise.
            dtype: The type of the arrays; `keep` for that of the stored ones.

        Returns:
            Arrays by name; the parsed JSON for `rtneural` and `lwtnn`; the text of a header for `c`.

        Raises:
            ValueError: There is no such layout, or no such type.
            CannotExpress: The target cannot compute a layer, and `force` is false.
            NoForgetBias: The file does not hold the forget bias of a layer.
            UnreadableModel: The numbers cannot be read.
        """
        from lstmdump.python import layouts

        with python_words("model[NAME].to_layout"):
            return layouts.any_of(self.lstms, self.producer, layout, force=force, dtype=returned_type(dtype))

    def to_pytorch(self, *, force: bool = False) -> dict[str, Array]:
        """Return the state dict of a module with a `torch.nn.LSTM` for each layer: `lstm_1.weight_ih_l0`, ….

        Raises:
            LstmdumpError: See `to_layout`.
        """
        from lstmdump.python import layouts

        with python_words("model[NAME].to_pytorch"):
            return layouts.arrays_of(self.lstms, self.producer, "pytorch", force=force)
