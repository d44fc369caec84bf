"""The command line: finds commands by file name, and turns every failure into a message and an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import click

COMMANDS = {
    "run": "run a recipe to its end, resuming what is there",
    "plan": "what a recipe will do and cost, before it is run",
    "lint": "what is wrong with a recipe's prompts, before a cent is spent",
    "compare-teachers": "the same prompts to several teachers, side by side",
    "look": "what a run holds: the funnel, its cost, documents",
    "why": "one document's whole history through a run",
    "journal": "what was asked and answered: stats, verify, compact, export, redrive, batches",
    "step": "run one stage alone on files",
    "stages": "the stages there are, their knobs and sources",
    "new": "write the three files of a new stage",
    "models": "embedded teachers: list, pull, path",
    "doctor": "what works on this machine, and how to get the rest",
    "completion": "completion for bash, zsh or fish",
}


class _Lazy(click.Group):
    """Knows the names and short helps of all commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hornbook.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from hornbook.core.errors import UserError, nearest

            like = nearest(args[0], COMMANDS)
            hint = f"did you mean `hornbook {like}`? " if like else ""
            raise UserError(f"no command `{args[0]}`", fix=f"{hint}`hornbook --help` lists them")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from hornbook import __version__

        click.echo(f"hornbook {__version__}")
        ctx.exit()


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show it and exit.")
@click.option("--trace", is_flag=True, help="Show the full traceback of a failure.")
@click.pass_context
def command(ctx: click.Context, trace: bool) -> None:
    """Write textbooks for language models, and prove what they teach."""
    ctx.obj = {"trace": trace}


def main() -> None:
    """The `hornbook` program. Exit codes: 0 done, 1 failed, 2 user's mistake, 3 budget, 130 interrupted."""
    signal.signal(signal.SIGTERM, _stop)
    _tell_blas()
    gc.set_threshold(50_000, 20, 100)  # libraries make 200,000 objects that stay: 0.1 s of looking for cycles in vain
    sys.path.append(str(Path.cwd()))  # a user's own stages: `use: mypkg.stages.mine`
    code = run(sys.argv[1:])
    gc.freeze()  # the end need not look for cycles among all that is loaded: 0.3 s
    sys.exit(code)


def _tell_blas() -> None:
    """Tell pip's OpenBLAS that the processor has AVX-512.

    It takes processors younger than itself for Haswell and loses half its speed (measured: sgemm 96-222
    against 415-449 GFLOP/s on a Zen 5). It reads this once, when numpy is imported.
    """
    try:
        wide = "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    if wide:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def run(args: list[str]) -> int:
    """Run the command line and return its exit code; every failure is explained on standard error."""
    try:
        code = command.main(args, prog_name="hornbook", standalone_mode=False)
    except click.exceptions.Abort:
        return _say_interrupted()
    except KeyboardInterrupt:
        return _say_interrupted()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _explain(error, trace="--trace" in args)
    return code if isinstance(code, int) else 0


def _explain(error: Exception, *, trace: bool) -> int:
    from hornbook.core.errors import HornbookError, UserError

    if trace:
        import traceback

        traceback.print_exception(error)
    if not isinstance(error, HornbookError):
        error = _system(error) if isinstance(error, OSError) else _fault(error)
    click.echo(str(error), err=True)
    return error.exit_code if isinstance(error, (HornbookError, UserError)) else 1


def _system(error: OSError) -> Exception:
    """What the operating system refused, in our words."""
    from hornbook.core.errors import HornbookError, UserError

    where = str(error.filename or "")
    if error.errno == errno.ENOSPC:
        return HornbookError(
            "no space left on the disk", where=where, fix="make room and run again: what is done is kept"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError("no permission to write or read", where=where, fix="check its owner and mode, or --runs DIR")
    if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
        return UserError(f"{error.strerror or error}", where=where, fix="check the path")
    return _fault(error)


def _fault(error: Exception) -> Exception:
    """A fault of our own: said in one screen, with its place."""
    import traceback

    from hornbook.core.errors import HornbookError

    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    where = f"{last.filename}:{last.lineno} in {last.name}" if last else ""
    return HornbookError(
        f"{type(error).__name__}: {error}",
        where=where,
        fix="this is a fault of hornbook or of a stage: `hornbook --trace …` shows all of it; what is done is kept",
    )


def _say_interrupted() -> int:
    click.echo("stopped: what is done is kept; run the same command again to go on", err=True)
    return 130


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
