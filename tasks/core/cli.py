"""How a command line is read, and with which exit code it ends: the same for every stage and for ``driftline``.

Exit codes: 0 done; 1 the work failed, or its answer is no; 2 refused, or a command line that cannot be read; 130 and
143 ended by Ctrl-C and by a termination signal.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer

from tasks.core import faults, recorded, timings
from tasks.core.errors import UserError
from tasks.core.paths import WindowName
from tasks.core.shown import VisibleStream, message

FINE, FAILED, REFUSED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
NO_MEMORY = f"error: {faults.SENTENCES[errno.ENOMEM]}\n".encode()
CALLER_FOLDER = ContextVar("the folder where the command was typed, when that is not the working one", default=Path())


def from_caller(name: str | Path) -> Path:
    """The path that was typed: a relative one counts from the caller's folder; a default, from the working one."""
    return name if isinstance(name, Path) else CALLER_FOLDER.get() / name


def file_option(about: str, metavar: str = "FILE") -> Any:
    """An option that takes a path as the caller typed it."""
    return typer.Option(metavar=metavar, parser=from_caller, help=about)


WindowOption = Annotated[WindowName, typer.Option("--window", help="Which window to work on.")]


def application(main: Callable[..., None]) -> typer.Typer:
    """The command line of one function: its parameters are the options.

    Its docstring is the help; of a stage's ``main`` it is the module's.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    about = sys.modules["__main__"].__doc__ if main.__module__ == "__main__" else main.__doc__
    app.command(help=(about or "").replace("``", "`"))(main)
    return app


def run(main: Callable[..., None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Read the command line, by default this process's, call ``main`` with it, and exit.

    A stage, ``main`` of ``tasks.<stage>``, is refused where its inputs are not as they were made. Standard input is
    closed: a stage, and a library that it uses, asks nobody.
    """
    timings.imported()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.exit(exit_code(application(_checked(main)), arguments))


def _checked(main: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(main)
    def checked(**options: Any) -> None:
        module = sys.modules[main.__module__]
        stage = (module.__spec__.name if module.__spec__ else main.__module__).split(".")[1:2]
        window = options.get("window")
        name = "".join(stage) + (f"@{window}" if window else "")
        with timings.spent_on("reading"):
            recorded.require_inputs(name)
        main(**options)
        with timings.spent_on("writing"):
            recorded.note_outputs(name)
        timings.note(name)

    return checked if main.__name__ == "main" else main


def exit_code(app: typer.Typer, arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run the command that ``arguments`` name; an error that a user is meant to read ends as one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign must not fail the stage
    _end_on_termination()
    try:
        with redirect_stdout(cast("TextIO", VisibleStream(sys.stdout))):
            code = typer.main.get_command(app).main(arguments, program, standalone_mode=False)
            sys.stdout.flush()
    except UserError as error:
        return _refuse(str(error), error.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        said = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        return _refuse(f"{said}: see {context.command_path} --help" if context else said)
    except BrokenPipeError:  # whoever read the output, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except typer.Abort:
        return _refuse("interrupted", INTERRUPTED)
    except MemoryError:
        os.write(sys.stderr.fileno(), NO_MEMORY)  # what takes no memory to say
        return FAILED
    except BaseException as error:
        if not (isinstance(error, Exception) or faults.is_panic(error)):
            raise
        # whoever started it reads one sentence
        return _refuse(faults.sentence(error) or faults.unforeseen(error), FAILED)
    return code if isinstance(code, int) else FINE


def _end_on_termination() -> None:
    """Let SIGTERM unwind this process, so that what it has started and half written goes with it."""

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait
        raise SystemExit(TERMINATED)

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, end)


def _refuse(why: str, code: int = REFUSED) -> int:
    print(f"error: {message(why)}", file=sys.stderr, flush=True)
    return code
