"""The command line: `main` is `podium`. One file per command; what only one of them needs is imported when it runs."""

import logging
import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from podium.cli import (
    approval,
    check,
    compare,
    cost,
    doctor,
    interrupt,
    key,
    plan,
    resume,
    run,
    send,
    serve,
    sessions,
    show,
    watch,
)
from podium.cli.exit_codes import ExitCode, of_error
from podium.cli.text import Told, one_line, tell
from podium.errors import PodiumError

app = typer.Typer(
    name="podium",
    help="Runs teams of agents on a durable log.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("show")(show.show)
app.command("sessions")(sessions.sessions)
app.command("resume")(resume.resume)
app.command("watch")(watch.watch)
app.command("approve")(approval.approve)
app.command("send")(send.send)
app.command("interrupt")(interrupt.interrupt)
app.command("cost")(cost.cost)
app.command("compare")(compare.compare)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.add_typer(key.app, name="key")
app.add_typer(plan.app, name="plan")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"podium {version('podium-agents')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None: ...


def main() -> None:
    """The `podium` command. It exits with an `ExitCode`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not end the program
            stream.reconfigure(errors="backslashreplace")
    logging.getLogger("podium").addHandler(Told(logging.WARNING))
    try:
        app(prog_name="podium")
    except PodiumError as error:
        tell(f"podium: {error}")
        sys.exit(of_error(error))
    except BrokenPipeError:  # whoever read our output has gone, as `head` does; nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    except Exception as error:  # the edge: anything left is a bug of ours, or of the user's own code
        if os.environ.get("PODIUM_TRACEBACK"):
            traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        tell(
            f"podium: unexpected {type(error).__name__}: {one_line(str(error))} ({place.filename}:{place.lineno}). "
            "This should not happen; PODIUM_TRACEBACK=1 shows where it came from. Sessions can be resumed."
        )
        sys.exit(ExitCode.FAILED)
