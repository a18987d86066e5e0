"""The command `lstmdump`: its subcommands, which are imported when they run, its help, and the end of a run."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

import lstmdump
from lstmdump.cli import INTERRUPTED, terminal
from lstmdump.cli.exit_status import FAILED, Ended

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from click.shell_completion import CompletionItem

_F = TypeVar("_F", bound=Callable[..., Any])

_COMMANDS = {
    "show": "Show the layers as a table or JSON: shapes, counts, gates.",
    "export": "Export the arrays of each gate to .npz files.",
    "check": "Compare counts and shapes with expected values; for CI.",
    "trace": "Write every state and gate at every step to an .npz file.",
    "lags": "Show how much of the last output comes from each step of the input.",
    "diff": "Compare the LSTM layers of two models, gate by gate.",
    "verify": "Run the layers in TensorFlow and in numpy, and compare the outputs.",
    "help": "Show the pages of the manual, or the help of a command.",
    "version": "Show the versions of lstmdump, Python and the libraries.",
}
_MULTI_THREADED = frozenset({"verify"})  # commands that multiply large matrices
_WRITING = frozenset({"export", "check", "trace", "lags"})  # commands that remove unfinished files when they are ended
_SIGNS_OF_A_PATH = frozenset("./:" + os.sep + (os.altsep or ""))
_HELP_COLUMNS, _FEWEST_HELP_COLUMNS = 80, 50  # as in click, which imports shutil to count them
_FORMATS_HERE = "FORMATS"  # replaced in the help, the only place that needs the names of the formats
_EPILOG = """\b
Examples:
  lstmdump weather.h5                               layers, shapes, counts
  lstmdump weather.h5 --explain                     what all of it means
  lstmdump export weather.h5 -o weather.npz         the arrays of each gate
  lstmdump check weather.h5 --params 240            for CI
  lstmdump trace weather.h5 -i x.npy -o states.npz  c and h of every step
  lstmdump lags weather.h5 -i x.npy                 which steps matter

\b
Exit status: 0 done, all agree; 1 a difference was found; 2 failure.
`lstmdump help` lists the pages of the manual."""


class _Context(click.Context):
    """A context whose help has plain text in place of signs that the encoding of stdout lacks."""

    def get_help(self) -> str:
        return terminal.printable(super().get_help())

    def make_formatter(self) -> click.HelpFormatter:
        width = min(terminal.count_columns(), self.max_content_width or _HELP_COLUMNS) - 2
        return click.HelpFormatter(width=self.terminal_width or max(width, _FEWEST_HELP_COLUMNS))


def _printing_option(*names: str, text: Callable[[click.Context], str], words: str) -> Callable[[_F], _F]:
    """Return a decorator that adds an option that prints `text` and exits; `words` are its help.

    Those of click translate their words, which imports `locale`: 2 % of `show` of a small model.
    """

    def print_text(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
        if given and not ctx.resilient_parsing:
            click.echo(text(ctx), color=ctx.color)
            ctx.exit()

    return click.option(*names, is_flag=True, expose_value=False, is_eager=True, callback=print_text, help=words)


_version_option = _printing_option(
    "-V", "--version",
    text=lambda ctx: f"{ctx.find_root().info_name} {lstmdump.__version__}", words="Show the version and exit.",
)  # fmt: skip
_help_option = _printing_option("-h", "--help", text=lambda ctx: ctx.get_help(), words="Show this message and exit.")


class _Commands(click.Group):
    """A group that imports a command when it runs, and takes `lstmdump model.h5` for `lstmdump show model.h5`."""

    context_class = _Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lstmdump.cli.commands.{name}")
        found: click.Command = getattr(module, f"{name}_command")
        found.context_class = _Context
        if found.get_help_option_names(ctx):  # until it has the option
            _help_option(found)
        return found

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from lstmdump.readers.detect import formats_in_words

        self.help = (self.help or "").replace(_FORMATS_HERE, formats_in_words())
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the completions: commands, and files, as a model may take the place of a command."""
        from click.shell_completion import CompletionItem

        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not _are_of_the_system(args):
            raise click.UsageError("an argument holds NUL or half a surrogate pair, which no system can pass", ctx)
        own = {name for param in self.get_params(ctx) for name in param.opts}
        if args and args[0] not in own and args[0] not in _COMMANDS:
            if not ctx.resilient_parsing and _is_unknown_word(args[0]):
                raise click.ClickException(_refuse_word(args[0]))
            args = ["show", *args]
        return super().parse_args(ctx, args)


def _are_of_the_system(args: Sequence[str]) -> bool:
    """Return whether a system can pass `args` to a program, which those given to `run` need not be."""
    joined = "".join(args)
    try:
        return "\0" not in joined and os.fsencode(joined) is not None
    except UnicodeEncodeError:
        return False


def _is_unknown_word(word: str) -> bool:
    """Return whether `word`, which is not a command, cannot be a model either."""
    if not word or word.startswith("-") or any(sign in word for sign in _SIGNS_OF_A_PATH):
        return False
    from lstmdump.readers.detect import CHECKPOINT_ENDINGS

    return not any(os.path.lexists(word + ending) for ending in ("", *CHECKPOINT_ENDINGS))


def _refuse_word(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), _COMMANDS, 1)
    advice = f'did you mean "{near[0]}"?' if near else "see `lstmdump --help`"
    return f'no command or file "{word}"; {advice}'


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    subcommand_metavar="COMMAND [ARGS]...",
    invoke_without_command=True,
)
@_version_option
@_help_option
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show, export, check and run the LSTM layers in Keras, TensorFlow and PyTorch files, without the framework.

    lstmdump MODEL is short for lstmdump show MODEL. A MODEL is FORMATS; its content decides which. It may be
    a URL: https://, s3://, gs://.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: The arguments after the program name; those of the process if None.
    """
    try:
        status = command.main(
            None if arguments is None else list(arguments), prog_name="lstmdump", standalone_mode=False
        )
        terminal.flush()
    except click.UsageError as error:
        terminal.tell(_describe_usage_error(error))
    except click.ClickException as error:
        terminal.tell(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Ended as ended:
        return ended.status
    except terminal.OutputFailed as error:
        terminal.abandon(sys.stdout)
        if not error.pipe_closed:
            terminal.tell(str(error))
    except Exception as error:  # noqa: BLE001 - a bug is reported in one line, too
        terminal.tell(terminal.sentence(error))
    else:
        return int(status or 0)
    return FAILED


def _describe_usage_error(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx is not None else "lstmdump"
    if not isinstance(error, click.NoSuchOption):
        return f"{error.format_message().rstrip('.')}; see `{where} --help`"
    near = f"; did you mean {error.possibilities[0]}? See" if error.possibilities else "; see"
    return f"no such option {error.option_name}{near} `{where} --help`"


def main() -> None:
    """Run the command and exit."""
    if not _MULTI_THREADED.intersection(sys.argv[1:2]):
        # OpenBLAS, which numpy loads, starts one thread per processor at once: a third of the time to import h5py. A
        # replay is many small products, after each of which the threads wait for each other: on a busy machine, two
        # threads take ten times as long as one. The user's own setting takes precedence, and a process that only calls
        # `run` keeps its setting.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    terminal.fill_streams()
    sys.unraisablehook = _raise_lost_signal
    if _WRITING.intersection(sys.argv[1:2]):
        from lstmdump.cli import signals

        signals.install_handlers()
    status = run()
    terminal.drop_unwritten()
    gc.freeze()  # at exit, Python would search all objects for cycles: 9 % of `show` of a small model
    sys.exit(status)


def _raise_lost_signal(dropped: UnraisableHookArgs) -> None:
    from lstmdump.cli import signals

    signals.reraise_dropped(dropped)
