"""Options and parameter types of the commands that run layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lstmdump.cli.selection import PATH

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmdump.python.given import RunInputs
    from lstmdump.replay.network import RunOptions


class NumberType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A finite number.

    Args:
        name: The metavar of the option.
        is_positive: Whether the number must be greater than zero.
    """

    def __init__(self, name: str = "N", *, is_positive: bool = False) -> None:
        self.name = name
        self._is_positive = is_positive

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return `value` as a number, or fail."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if self._is_positive and not 0 < number < math.inf:
            self.fail(f"{value!r} is not a positive number", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class ActivationType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A Keras name of an activation."""

    name = "NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` if it is a known name, or fail."""
        from lstmdump.replay.activations import NAMES

        word = str(value)
        if word not in NAMES:
            self.fail(f"{word!r} is not one of {', '.join(NAMES)}", param, ctx)
        return word

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that start with `incomplete`."""
        from click.shell_completion import CompletionItem

        from lstmdump.replay.activations import NAMES

        return [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]


class Running(NamedTuple):
    """The user's settings for running layers; None stands for the setting of the file.

    Attributes:
        mask: The path of the mask.
        activation: Keras's name of the activation of candidate and output.
        recurrent_activation: Keras's name of the activation of the gates i, f and o.
        go_backwards: Whether the last step of the input comes first.
        forget_bias: The constant that the cell adds to b_f.
    """

    mask: str | None
    activation: str | None
    recurrent_activation: str | None
    go_backwards: bool | None
    forget_bias: float | None

    def run_options(self, dtype: str, *, chain: bool = False) -> RunOptions:
        """Return the settings in the form that the replay takes."""
        from lstmdump.replay.network import RunOptions

        return RunOptions(dtype, chain, self.activation, self.recurrent_activation, self.go_backwards, self.forget_bias)


class NetworkInputs(NamedTuple):
    """The inputs that the user gives to a model.

    Attributes:
        words: Each as given: `FILE`, or `NAME=FILE` for one of several inputs.
        into: The name of the layer whose own input the only file is; None if the user does not say.
    """

    words: tuple[str, ...]
    into: str | None

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [path for _, path in self._split()]

    def _split(self) -> list[tuple[str | None, str]]:
        """Return the name and the path of each input; what is a file as a whole has no name."""
        from lstmdump.model.location import Location

        pairs = [word.partition("=") for word in self.words]
        return [(None, word) if not sign or Location(word).exists() else (name, path)
                for word, (name, sign, path) in zip(self.words, pairs, strict=True)]  # fmt: skip

    def gather(self, dtype: str, *, mask: str | None, initial: str | None) -> RunInputs:
        """Read the arrays, and return them with the paths of a mask and of first states.

        Raises:
            BadInput: A file does not hold such an array.
        """
        from lstmdump.python.given import RunInputs
        from lstmdump.replay import inputs

        arrays = tuple(inputs.values(path, dtype) for path in self.paths)
        return RunInputs(arrays, tuple(name for name, _ in self._split()), tuple(self.paths), mask, initial)


def network_input_options(*, required: bool, words: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator that adds `--input` and `--into` to a command, which receives them as `given`."""

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def with_inputs(*arguments: Any, **values: Any) -> int:
            given = NetworkInputs(tuple(values.pop("words")), values.pop("into"))
            return command(*arguments, given=given, **values)

        into = click.option("--into", metavar="LAYER", help="Give the input to this layer itself, not to the model.")
        return click.option("-i", "--input", "words", metavar="[NAME=]X.npy", multiple=True, required=required,
                            type=PATH, help=words)(into(with_inputs))  # fmt: skip

    return decorate


def running_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options for running layers to `command`, which receives them as one `Running`."""

    @wraps(command)
    def with_running(*arguments: Any, **values: Any) -> int:
        running = Running(**{name: values.pop(name) for name in Running._fields})
        return command(*arguments, running=running, **values)

    for option in reversed(_OPTIONS):
        with_running = option(with_running)
    return with_running


_OPTIONS = (
    click.option("--mask", metavar="MASK.npy", type=PATH,
                 help="Skip the steps where the mask is 0: (length,) or (batch, length)."),
    click.option("--activation", metavar="NAME", type=ActivationType(),
                 help="Keras activation for candidate and output, such as tanh, instead of the file's."),
    click.option("--recurrent-activation", metavar="NAME", type=ActivationType(),
                 help="Keras activation for the gates i, f and o: sigmoid, hard_sigmoid, …"),
    click.option("--go-backwards/--no-go-backwards", default=None,
                 help="Process the input from the last step to the first, or not, instead of as the file states."),
    click.option("--forget-bias", type=NumberType(),
                 help="Constant that the cell adds to b_f, if the file does not hold it."),
)  # fmt: skip
