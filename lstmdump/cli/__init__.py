"""The command line: arguments in, text and exit status out. Nothing outside this package prints or exits."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

import lstmdump
from lstmdump.cli import terminal
from lstmdump.cli.exit_status import FAILED, INTERRUPTED, Ended
from lstmdump.errors import LstmdumpError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from click.shell_completion import CompletionItem

_COMMANDS = {
    "show": "A table for people, or JSON: shapes with their reasons, counts, gates.",
    "export": "Per-gate arrays into .npz files.",
    "check": "Compare counts and shapes with what is expected; for CI.",
    "trace": "Every state and gate at every step of an input, into an .npz file.",
    "lags": "How much of the last output comes from each step of the input.",
    "verify": "Run the layers in TensorFlow and in numpy, and compare.",
    "help": "The pages of the manual, and the help of each command.",
    "version": "The versions of lstmdump, Python and the libraries.",
}
_COMPUTING = frozenset({"verify"})  # with products of large matrices
_WRITING = frozenset({"export", "check", "trace", "lags"})  # files, of which nothing half done is left
_OBJECTS = 50_000  # new ones before garbage is looked for; Python's 700 take a quarter of the time of a large model
_FORMATS_HERE = "FORMATS"  # in the help, which alone needs their names
_EPILOG = """\b
Examples:
  lstmdump weather.h5
  lstmdump export weather.h5 -o weather.npz
  lstmdump check weather.h5 --params 240
  lstmdump trace weather.h5 -i x.npy -o states.npz

\b
Exit status: 0 done, all agree; 1 a difference was found; 2 it could not be done."""


class _Commands(click.Group):
    """A group that imports a command when it is run, and in which `lstmdump model.h5` is `lstmdump show model.h5`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lstmdump.cli.commands.{name}")
        found: click.Command = getattr(module, f"{name}_command")
        return found

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from lstmdump.readers.detect import formats_in_words

        self.help = (self.help or "").replace(_FORMATS_HERE, formats_in_words())
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and files, because a model may stand in a command's place."""
        from click.shell_completion import CompletionItem

        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for param in self.get_params(ctx) for name in param.opts}
        if args and args[0] not in own and args[0] not in _COMMANDS:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=False,
    subcommand_metavar="COMMAND [ARGS]...",
    invoke_without_command=True,
)
@click.version_option(lstmdump.__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def command(ctx: click.Context) -> int:
    """LSTM layers in Keras and TensorFlow model files: shown, exported, checked, run, without the framework.

    lstmdump MODEL is short for lstmdump show MODEL. A MODEL is FORMATS; its content decides which. It may be
    a URL: https://, s3://, gs://.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return 0


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with ARGUMENTS, those of the process where None, and return the exit status."""
    try:
        status = command.main(
            None if arguments is None else list(arguments), prog_name="lstmdump", standalone_mode=False
        )
        terminal.flush()
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "lstmdump"
        terminal.tell(f"{error.format_message().rstrip('.')}; see `{where} --help`")
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
    except (LstmdumpError, OSError) as error:
        terminal.tell(terminal.sentence(error))
    except Exception as error:  # noqa: BLE001 - the last wall: a bug is told in one line, too
        terminal.tell(terminal.tell_bug(error))
    else:
        return int(status or 0)
    return FAILED


def main() -> None:
    """The entry point of the command `lstmdump`."""
    if not _COMPUTING.intersection(sys.argv[1:2]):
        # OpenBLAS, which numpy loads, starts a thread per processor at once: a third of the time that h5py takes to
        # import. A replay is many small products, after each of which they wait for each other: on a busy machine, two
        # take ten times as long as one. The user's own setting goes first, and a process that only calls `run` keeps
        # what it has.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(_OBJECTS)
    terminal.fill_streams()
    sys.unraisablehook = _raise_again
    if _WRITING.intersection(sys.argv[1:2]):
        from lstmdump.cli import signals

        signals.heed()
    status = run()
    terminal.drop_unwritten()
    sys.exit(status)


def _raise_again(dropped: UnraisableHookArgs) -> None:
    from lstmdump.cli import signals

    signals.raise_again(dropped)
