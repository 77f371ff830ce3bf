"""What each command's exit code says; docs/cli.md has the same table."""

from enum import IntEnum

from podium.errors import BadInput, NotFound, PodiumError, Refused


class ExitCode(IntEnum):
    """How it went, for scripts."""

    SUCCESS = 0
    FAILED = 1
    BAD_INPUT = 2
    WAITS_FOR_PERSON = 3
    LIMIT_REACHED = 4
    INTERRUPTED = 130


MEANING = {
    ExitCode.SUCCESS: "the work is done, or all is well",
    ExitCode.FAILED: "the agent failed, or Podium or the machine did",
    ExitCode.BAD_INPUT: "what was given cannot be used, or is not allowed now; nothing was changed",
    ExitCode.WAITS_FOR_PERSON: "the session waits for a person",
    ExitCode.LIMIT_REACHED: "a limit or budget was reached; the partial result is printed",
    ExitCode.INTERRUPTED: "interrupted, by Ctrl-C, a signal or `podium interrupt`; the session can go on",
}

_BY_STOP_REASON = {
    "end_turn": ExitCode.SUCCESS,
    "requires_action": ExitCode.WAITS_FOR_PERSON,
    "budget_reached": ExitCode.LIMIT_REACHED,
}


def of_session(stop_reason: str, *, interrupted: bool) -> ExitCode:
    """The code for how a session stopped."""
    return ExitCode.INTERRUPTED if interrupted else _BY_STOP_REASON.get(stop_reason, ExitCode.FAILED)


def of_error(error: PodiumError) -> ExitCode:
    """The code for an error that kept a command from doing its work."""
    return ExitCode.BAD_INPUT if isinstance(error, BadInput | NotFound | Refused) else ExitCode.FAILED
