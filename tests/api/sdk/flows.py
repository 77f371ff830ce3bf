"""All flows, by name."""

from collections.abc import Callable

from tests.api.sdk import (
    flows_agents,
    flows_answers,
    flows_environments,
    flows_errors,
    flows_events,
    flows_interrupts,
    flows_sessions,
    flows_threads,
)
from tests.api.sdk.world import World

_FAMILIES = [
    flows_agents,
    flows_environments,
    flows_sessions,
    flows_events,
    flows_threads,
    flows_answers,
    flows_interrupts,
    flows_errors,
]
FLOWS: dict[str, Callable[[World], None]] = {
    f"{family.__name__.rpartition('_')[2]}/{flow.__name__}": flow for family in _FAMILIES for flow in family.FLOWS
}
