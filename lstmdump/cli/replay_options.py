"""What the commands share that run layers: the options that say how, and the numbers that options take."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lstmdump.cli.selection import PATH

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmdump.replay.network import Wanted


class NumberType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A finite number, called NAME; only one above zero, where IS_POSITIVE."""

    def __init__(self, name: str = "N", *, is_positive: bool = False) -> None:
        self.name = name
        self._is_positive = is_positive

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """VALUE as a number, if it is one of these."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if self._is_positive and not 0 < number < math.inf:
            self.fail(f"{value!r} is no number above zero", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


class ActivationType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """What Keras calls an activation."""

    name = "NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """VALUE, if it is known."""
        from lstmdump.replay.activations import NAMES

        word = str(value)
        if word not in NAMES:
            self.fail(f"{word!r} is none of {', '.join(NAMES)}", param, ctx)
        return word

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin like what is there."""
        from click.shell_completion import CompletionItem

        from lstmdump.replay.activations import NAMES

        return [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]


class Running(NamedTuple):
    """How layers are to be run, as far as the user says; None is what the file says. MASK is the path of one."""

    mask: str | None
    activation: str | None
    recurrent_activation: str | None
    go_backwards: bool | None
    forget_bias: float | None

    def wanted(self, dtype: str, *, chain: bool = False) -> Wanted:
        """The same as the replay takes it."""
        from lstmdump.replay.network import Wanted

        return Wanted(dtype, chain, self.activation, self.recurrent_activation, self.go_backwards, self.forget_bias)


def running_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options that say how layers are run; COMMAND gets one `Running`."""

    @wraps(command)
    def with_running(*arguments: Any, **values: Any) -> int:
        running = Running(**{name: values.pop(name) for name in Running._fields})
        return command(*arguments, running=running, **values)

    for option in reversed(_OPTIONS):
        with_running = option(with_running)
    return with_running


_OPTIONS = (
    click.option("--mask", metavar="MASK.npy", type=PATH,
                 help="Pass over the steps where it is 0: (length,) or (batch, length)."),
    click.option("--activation", metavar="NAME", type=ActivationType(),
                 help="Take this one of Keras's, such as tanh, for candidate and output, whatever the file says."),
    click.option("--recurrent-activation", metavar="NAME", type=ActivationType(),
                 help="The same for the gates i, f and o: sigmoid, hard_sigmoid, …"),
    click.option("--go-backwards/--no-go-backwards", default=None,
                 help="Take the last step of the input first, or the first one, whatever the file says."),
    click.option("--forget-bias", type=NumberType(),
                 help="What the cell adds to b_f, where the file does not hold it."),
)  # fmt: skip
