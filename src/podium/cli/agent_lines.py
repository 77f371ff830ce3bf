"""Agents and models in words, before anything is spent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from podium.cli.text import one_line
from podium.core.definitions import INHERIT, Agent

if TYPE_CHECKING:
    from podium.config import Config


def agent_parts(agent: Agent) -> list[str]:
    """What there is to say of an agent: its model, tools, callees, limits."""
    calls = ", ".join(callee if isinstance(callee, str) else callee.name for callee in agent.callable_agents)
    parts = [f"model {agent.model}", *([f"effort {agent.effort}"] if agent.effort else [])]
    parts += [f"tools {', '.join(map(str, agent.tools))}"] if agent.tools else []
    asks = [tool for tool, permission in agent.permissions.items() if permission == "always_ask"]
    parts += [f"asks before {', '.join(asks)}"] if asks else []
    parts += [f"calls {calls}"] if calls else []
    parts += ["defines agents"] if agent.inline_agents else []
    parts += [f"retries {_retries(agent.retries)}"] if agent.retries else []
    parts += [f"join {agent.join}"] if agent.join != "best_effort" else []
    limits = [f"{name} {value}" for name, value in vars(agent.limits).items() if value is not None]
    parts += [f"limits {', '.join(limits)}"] if limits else []
    return parts


def _retries(retries: int | Mapping[str, int]) -> str:
    by_name = {"": retries} if isinstance(retries, int) else retries
    return ", ".join(f"{name} {number}".strip() for name, number in by_name.items())


def told_model(model: str, config: "Config") -> str:
    """Who serves it, for how much, and what is missing for it."""
    if model == INHERIT:
        return f"model {model}: nobody is there to inherit it from; --model names one"
    price, missing, named = config.facts_of(model).price, config.missing_key(model), config.name_of(model)
    parts = [f"provider {config.provider_of(model).upstream.provider}"]
    parts += [f"there {named}"] if named != model else []
    if price is None:
        parts.append("price unknown")
    else:
        parts.append(f"{_dollars(price.input)} in, {_dollars(price.output)} out for a million tokens")
    parts += [f"its key is missing: ${missing} is not set"] if missing is not None else []
    return one_line(f"model {model}: {'; '.join(parts)}")


def _dollars(amount: Decimal) -> str:
    return f"${amount.normalize():f}"
