"""What the methods of a run are given: checked at once, in words that say what to change."""

from collections.abc import Callable
from typing import Any, get_type_hints

from podium.core.definitions import Agent, Limits
from podium.core.facts import CallLimits
from podium.core.joins import MOST_RETRIES
from podium.core.json import JSON
from podium.errors import BadInput
from podium.workflows.values import checked_text, context_text, to_json

MOST_NAME = 64  # characters. Source: contract D.6


def given_to(agent: Agent, task: Any, context: Any, expected_output: str, where: str) -> dict[str, JSON]:
    """What the agent is called with. Errors: BadInput."""
    if agent.input_schema is not None:
        given = to_json(task, f"{where}: the task")
        if not isinstance(given, dict):
            raise BadInput(
                f"{where}: the agent has an input_schema, so the task is an object that fits it, not {task!r:.80}"
            )
        if context is not None or expected_output:
            raise BadInput(f"{where}: the agent has an input_schema; what it is to know stands in its input")
        return given
    if not isinstance(task, str) or not task.strip():
        raise BadInput(f"{where}: the task is a text that says what to do, not {task!r:.80}")
    parts = {"context": context_text(context), "expected_output": expected_output}
    given = {"task": task, **{name: said for name, said in parts.items() if said}}
    return {name: checked_text(said, f"{where}: the {name}") for name, said in given.items()}


def call_limits(limits: Limits | None) -> CallLimits:
    """The limits of a call, as the log has them."""
    if limits is None:
        return CallLimits()
    usd: Any = limits.usd  # a Decimal: Limits has made it one
    seconds = None if limits.seconds is None else float(limits.seconds)
    return CallLimits(turns=limits.turns, seconds=seconds, tokens=limits.tokens, usd=usd)


def checked_retries(retries: Any, where: str) -> int:
    """The number of retries. Errors: BadInput."""
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
        raise BadInput(f"{where}: retries is a whole number from 0 to {MOST_RETRIES}, not {retries!r:.40}")
    return retries


def checked_name(name: Any, where: str) -> str:
    """The name as it is shown. Errors: BadInput."""
    if not isinstance(name, str) or len(name) > MOST_NAME:
        raise BadInput(f"{where}: a name is a text of at most {MOST_NAME} characters, not {name!r:.80}")
    return checked_text(name, f"{where}: the name").strip()


def returned_by(function: Callable[..., Any]) -> Any:
    """What the function says that it returns."""
    try:
        return get_type_hints(function).get("return", Any)
    except Exception:  # of a callable without any, or with names that cannot be looked up: it is read as JSON
        return Any
