"""What patterns are given: checked before anything is called, in words that say what to change."""

from collections.abc import Mapping
from typing import Any, TypedDict

from podium.core.definitions import Agent, Limits
from podium.errors import BadInput
from podium.workflows.given import MOST_NAME

MOST = 10_000


class How(TypedDict, total=False):
    """How each call of a pattern is made. Shape: as in `run.agent`; without them, with the agent's own limits, once."""

    limits: Limits | None
    retries: int


def count(where: str, name: str, value: Any, *, most: int = MOST) -> int:
    """The value, if it is a whole number from 1 to `most`. Errors: BadInput."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise BadInput(f"{where}: {name} is a whole number from 1 to {most:,}, not {value!r:.40}")
    return value


def share(where: str, name: str, value: Any) -> float:
    """The value, if it is a number from 0 to 1. Errors: BadInput."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadInput(f"{where}: {name} is a number from 0 to 1, not {value!r:.40}")
    return float(value)


def an_agent(where: str, name: str, value: Any) -> Agent:
    """The value, if it is an agent. Errors: BadInput."""
    if not isinstance(value, Agent):
        raise BadInput(f"{where}: {name} is an Agent(...), not {value!r:.80}")
    return value


def told_in_words(where: str, name: str, value: Any) -> Agent:
    """The value, if it is an agent that takes a task in words. Errors: BadInput."""
    agent = an_agent(where, name, value)
    if agent.input_schema is not None:
        raise BadInput(f"{where}: {name} is told what to do in words, and agent '{agent.name}' has an input_schema")
    return agent


def a_text(where: str, name: str, value: Any) -> str:
    """The value, if it is a text that says something. Errors: BadInput."""
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{where}: {name} is a text that is not empty, not {value!r:.80}")
    return value


def named(where: str, name: str, value: Any, *, least: int = 1) -> Mapping[str, Any]:
    """The value, if it is a mapping of so many names to something. Errors: BadInput."""
    if not isinstance(value, Mapping) or len(value) < least:
        shown = f"{len(value)}" if isinstance(value, Mapping) else f"{value!r:.80}"
        raise BadInput(f"{where}: {name} is a mapping of at least {least} names, not {shown}")
    for each in value:
        if a_text(where, f"a name in {name}", each) != each.strip() or len(each) > MOST_NAME:
            raise BadInput(
                f"{where}: a name in {name} has at most {MOST_NAME} characters, and no spaces at its ends, "
                f"not {each!r:.80}"
            )
    return value
