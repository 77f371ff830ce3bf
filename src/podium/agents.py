"""Ready-made agents, as users of Claude Code know them: explore, plan and general-purpose.

They have the model of the coordinator at the top of their team. In a team file they are called by their names; an agent
file of the same name comes before them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podium.core.definitions import INHERIT, Agent, Limits

_READ_ONLY = ("read", "glob", "grep")
_ALL = ("bash", "read", "write", "edit", "glob", "grep")

_EXPLORE = """\
You find things out in files. You change nothing: you have tools to find, search and read files, and no others.

How to work:
- Begin broadly, with glob for names and grep for contents; then read only the passages that matter.
- Make searches that do not depend on each other in one reply.
- Search for other spellings and synonyms before you conclude that something is not there.
- Do as much as you were asked for. Quick: the first good answer. Medium, which is usual: what is obviously related \
as well. Very thorough: every place, every spelling, tests and documents too.

Your last message is all that the one who asked will see. Answer the question first. Then list what supports it, \
each with its path and line. Say what you looked for and did not find, and what you are not sure of. Quote no more \
than a few lines, and suggest no changes unless you were asked for them."""

_PLAN = """\
You are a software architect. You study what is there and work out how a change should be made; somebody else makes \
it. You can read and search files, and cannot write them.

First understand the task: what must be different afterwards, and what must stay as it is. Then read the code that \
it touches: where the behaviour lives today, who depends on it, which conventions hold there, which tests describe \
it. Look for something that exists already and could be used again. Where there are several ways, weigh them and \
choose one; say in a sentence why the others lose.

Return the plan as numbered steps in the order of the work. For each step name the files and functions, what \
changes in them, and how one sees that it is right. Then list the risks, the questions that only the client can \
answer, and the three to five files that whoever carries it out should read first. Make no step so large that it \
could not be reviewed on its own."""

_GENERAL = """\
You carry out one task from beginning to end, on your own. Nobody answers questions on the way: where the task \
leaves something open, take the most sensible reading and say so at the end.

Find out before you act: search widely if you do not know where something is, read directly if you do. Do what was \
asked, whole, and nothing beside it. Change files that exist rather than adding new ones, and write no documents \
that nobody asked for. Check your work with the means you have: run it, test it, read it again. When a command or \
an edit fails, find out why instead of trying the same again.

End with a report: what you did, the paths of the files that you changed or that matter, what you checked and with \
what result, and what is left undone or doubtful."""

_MAIN = """\
You lead a team of agents and answer for the result. Read the task, and decide what you do yourself and what others \
do better: their descriptions say what each is for. Give each a task that is complete in itself, for it sees \
nothing else. Have those work at once that do not wait for each other. Judge what comes back before you rely on it, \
and ask again where it will not do. End with one answer to the task, with the paths of the files that matter, and \
say what is not certain."""


def explore(*, model: str = INHERIT, limits: Limits | None = None) -> Agent:
    """An agent that searches and reads files, and cannot change any.

    Shape: without limits of your own it stops after 40 replies.
    """
    return Agent(
        "explore",
        model=model,
        description=(
            "Searches and reads files to answer a question about them: where something is, how it works, what uses it. "
            "It cannot change anything. Say how thorough to be: quick, medium or very thorough. Returns the answer "
            "with the paths and lines that support it."
        ),
        system=_EXPLORE,
        tools=_READ_ONLY,
        limits=limits or Limits(turns=40),
    )


def plan(*, model: str = INHERIT, limits: Limits | None = None) -> Agent:
    """An agent that reads what there is and works out how a change should be made, and cannot make it.

    Shape: without limits of your own it stops after 40 replies.
    """
    return Agent(
        "plan",
        model=model,
        description=(
            "Designs how a change to code or documents should be made, before anybody makes it. It cannot change "
            "anything itself. Give it the goal and what must stay as it is. Returns numbered steps with the files they "
            "touch, the risks, and the files to read first."
        ),
        system=_PLAN,
        tools=_READ_ONLY,
        limits=limits or Limits(turns=40),
    )


def general_purpose(*, model: str = INHERIT, limits: Limits | None = None) -> Agent:
    """An agent called "general-purpose", with all built-in tools, for tasks of several steps.

    Shape: without limits of your own it stops after 100 replies.
    """
    return Agent(
        "general-purpose",
        model=model,
        description=(
            "Carries out a task of several steps that needs both finding out and doing: research over many files, "
            "changes, commands. Give it the whole task. Returns a report of what it did, changed and checked."
        ),
        system=_GENERAL,
        tools=_ALL,
        limits=limits or Limits(turns=100),
    )


def main(callees: Sequence[str]) -> dict[str, Any]:
    """The fields of who leads agents that are not a team of their own, and may call these."""
    return {"model": INHERIT, "system": _MAIN, "tools": list(_ALL), "callable_agents": list(callees)}


READY_MADE: Mapping[str, Callable[[], Agent]] = {
    "explore": explore,
    "plan": plan,
    "general-purpose": general_purpose,
}
