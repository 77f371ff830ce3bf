"""`podium approve`: answer the calls that wait for a person."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.analysis.trace import Approval, Trace
from podium.cli.data import existing, meant, traced
from podium.cli.options import Data
from podium.cli.text import DATA, command, count, tell, told_call
from podium.core.rows import SessionRow
from podium.errors import BadInput, Refused

if TYPE_CHECKING:
    from podium.cli.bar import Answer

WIDTH = 100  # where there is no terminal


def approve(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")],
    call: Annotated[
        str | None, typer.Argument(help="The call's id, or its end; may be left out if one waits, or to be asked.")
    ] = None,
    allow: Annotated[
        bool, typer.Option("--allow", help="Allow it; without an answer you are asked for each call.")
    ] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Refuse it.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is denied: the agent is told.")] = "",
    data: Data = DATA,
) -> None:
    """Answer the calls that wait for a person.

    Each is shown exactly as it would run. An answer holds for the input that was shown, and no other.
    """
    if allow and deny:
        raise typer.BadParameter("--allow and --deny contradict each other; give one of them")
    if reason and not deny:
        raise typer.BadParameter("--reason goes with --deny: it tells the agent why its call was refused")
    from podium.cli.bar import answer_of

    row, made, waiting = asyncio.run(_waiting(session, data))
    if call is not None:
        waiting = [_called(call, waiting, made)]
    if not allow and not deny:  # while a person thinks, the data folder is not open here
        answers = _asked(made, waiting)
    else:
        approval = _only(waiting, row, data)
        _show(made, approval, 1, 1)
        answers = [answer_of(approval, allow=allow, reason=reason)]
    raise typer.Exit(asyncio.run(_give(row, answers, waiting, data)))


async def _waiting(name: str, data: Path) -> tuple[SessionRow, Trace, list[Approval]]:
    async with existing(data) as podium:
        store = podium.parts.store
        row = await meant(store, name)
        calls = await store.open_calls(row.id)
        made = await traced(store, row.id)
    asks = {open_call.id for open_call in calls if open_call.state == "asks"}
    waiting = [approval for approval in made.asking.values() if approval.call in asks]
    lent = [f"{open_call.id} ({open_call.name})" for open_call in calls if open_call.state == "client"]
    if not waiting and lent:
        raise BadInput(
            f"no call of session {row.id} waits for a person. For the session's client there "
            f"{'waits' if len(lent) == 1 else 'wait'} {', '.join(lent)}: the program that has this tool runs it, and "
            "sends a user.custom_tool_result"
        )
    if not waiting:
        raise BadInput(f"no call of session {row.id} waits for an answer; {command('show', row.id, data)} tells more")
    return row, made, waiting


def _called(name: str, waiting: Sequence[Approval], made: Trace) -> Approval:
    """The waiting call of this id, or of the id that ends so. Errors: BadInput if there is not just one."""
    found = [approval for approval in waiting if approval.call == name or approval.call.endswith(name)]
    if len(found) > 1:
        raise BadInput(f"call '{name}' may be any of {_named(found)}; give more of the id")
    if not found:
        said = "is not known" if all(it.call != name for it in made.approvals) else "waits for no answer any more"
        raise BadInput(f"call '{name}' {said}. What waits: {_named(waiting)}")
    return found[0]


def _only(waiting: list[Approval], row: SessionRow, data: Path) -> Approval:
    if len(waiting) > 1:
        raise BadInput(
            f"{count(len(waiting), 'call')} of session {row.id} wait for an answer: {_named(waiting)}. "
            f"Name one: {command('approve', row.id, data)} CALL"
        )
    return waiting[0]


def _named(approvals: Iterable[Approval]) -> str:
    return ", ".join(f"{it.call} {told_call(it.name, it.input, 40)}" for it in approvals)


def _asked(made: Trace, waiting: list[Approval]) -> list["Answer"]:
    """What a person at the terminal says to each call; those that are skipped are left out."""
    from podium.cli.bar import answer_of

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise BadInput(f"nobody can be asked here: say --allow or --deny. It waits: {_named(waiting)}")
    answers = []
    if len(waiting) > 1:
        tell("your answers are given together, after the last one; Ctrl-C gives none")
    for place, approval in enumerate(waiting, start=1):
        _show(made, approval, place, len(waiting))
        try:
            said = _typed("y allows it, n refuses it, Enter leaves it waiting: ", ("y", "n", ""))
            if said:
                reason = "" if said == "y" else _typed("refused, because (Enter for no reason): ")
                answers.append(answer_of(approval, allow=said == "y", reason=reason))
        except EOFError:  # what was answered so far is given all the same
            print(file=sys.stderr)
            break
        except KeyboardInterrupt:
            tell("\nnone of your answers was given")
            return []
    return answers


def _show(made: Trace, approval: Approval, place: int, of: int) -> None:
    from podium.cli.bar import told_approval

    width = os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else WIDTH
    for line in told_approval(made, approval, place, of, width):
        print(line, file=sys.stderr)


def _typed(question: str, known: tuple[str, ...] | None = None) -> str:
    while True:
        print(question, end="", file=sys.stderr, flush=True)
        said = input().strip()
        if known is None or said.lower() in known:
            return said if known is None else said.lower()


async def _give(row: SessionRow, answers: list["Answer"], waiting: list[Approval], data: Path) -> int:
    from podium.cli.follow import Desk, go_on_if_needed

    if not answers:
        tell(f"{count(len(waiting), 'call')} left waiting")
        return 0
    async with existing(data) as podium:
        desk, refusals = Desk(podium, row.id), []
        for answer in answers:
            try:
                await desk.take(answer)
            except Refused as error:  # answered by somebody else meanwhile, say; the other answers still count
                refusals.append(error)
                tell(f"podium: {error}")
        if not desk.has_answered:
            raise refusals[0]
        given = len(answers) - len(refusals)
        return await go_on_if_needed(podium, row, data, done=f"{count(given, 'answer')} given")
