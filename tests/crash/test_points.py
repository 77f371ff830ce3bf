"""A driver is killed before and after every call of a port, for every one of them, and the session goes on elsewhere.

After each death and at each end the invariants hold (tests/invariants.py): each call has one result, each effect came
after its committed tool.started, and no effect came more often than its call was started. Here it is counted besides
that what is not idempotent was not repeated.
"""

from collections import Counter

import pytest

from podium.core.content import plain
from podium.core.events import AgentToolResult, AgentToolUse
from podium.core.facts import ToolStarted
from podium.core.records import answers
from podium.engine.recover import MOST_ATTEMPTS, UNKNOWN_OUTCOME
from tests.crash.play import Build, Play, slowly
from tests.crash.plays import ALL, interrupt, small
from tests.crash.points import essence, killed_at
from tests.crash.rules import (
    approval_violations,
    attempt_violations,
    money_violations,
    repetitions,
    workflow_violations,
)
from tests.lab.log import Played

STRIDE = 11  # of the quick subset that runs with all tests


def verify(play: Play, played: Played, deaths: list[str]) -> None:
    """What must be true at the end, beside the invariants."""
    log, state = played.records, played.state
    idempotent = {name for (_, name), tool in play.lab.tools.items() if tool.idempotent}
    wrong = repetitions(played.effects, idempotent)
    wrong += approval_violations(log, played.effects)
    wrong += attempt_violations(log)
    wrong += money_violations(state.id, state.definitions, log, play.caps)
    wrong += workflow_violations(log)
    assert not wrong, f"killed {deaths}: {wrong}"
    attempts = Counter(record.event.call for record in log if isinstance(record.event, ToolStarted))
    results = Counter(answers(record.event) for record in log if answers(record.event) is not None)
    assert set(results.values()) <= {1}
    unknown = {
        record.event.tool_use_id
        for record in log
        if isinstance(record.event, AgentToolResult) and plain(record.event.content) == UNKNOWN_OUTCOME
    }
    names = {record.event.id: record.event.name for record in log if isinstance(record.event, AgentToolUse)}
    assert all(attempts[call] == (MOST_ATTEMPTS if names[call] in idempotent else 1) for call in unknown)
    assert play.is_repeatable or deaths or not unknown


def check_returned(play: Play, played: Played, deaths: list[str]) -> None:
    """A workflow comes to the same result however often its process is killed."""
    if play.returns is not None:
        assert played.state.run is not None
        assert played.state.run.output == play.returns, deaths


def kill_everywhere(build: Build, first: int, stride: int) -> int:
    """Kill one process of the play at every stride-th boundary; how many boundaries it has."""
    point, calm = first, essence(killed_at(build)[1].state)
    while True:
        play, played, deaths = killed_at(build, point)
        verify(play, played, deaths)
        check_returned(play, played, deaths)
        if not deaths:
            return point
        if play.is_repeatable:
            assert essence(played.state) == calm, deaths
        point += stride


@pytest.mark.parametrize("name", sorted(ALL))
def test_session_killed_at_some_boundaries_goes_on(name: str) -> None:
    assert kill_everywhere(ALL[name], len(name) % STRIDE, STRIDE) > 2 * STRIDE


@pytest.mark.crash
@pytest.mark.parametrize("name", sorted(ALL))
def test_session_killed_at_any_boundary_goes_on(name: str) -> None:
    assert kill_everywhere(ALL[name], 0, 1) > 2 * STRIDE


@pytest.mark.crash
@pytest.mark.parametrize("name", sorted(ALL))
def test_session_on_a_slow_store_killed_at_any_boundary_goes_on(name: str) -> None:
    assert kill_everywhere(slowly(ALL[name]), 0, 1) > 2 * STRIDE


def kill_twice(build: Build, stride: int) -> int:
    """Kill the process at every stride-th boundary, and the one that recovers at every stride-th of its own.

    Shape: how many pairs of boundaries there were.
    """
    pairs, first, calm = 0, 0, essence(killed_at(build)[1].state)
    while killed_at(build, first)[2]:
        second = first % stride
        while True:
            play, played, deaths = killed_at(build, first, second)
            verify(play, played, deaths)
            check_returned(play, played, deaths)
            if play.is_repeatable:
                assert essence(played.state) == calm, deaths
            if len(deaths) < 2:
                break
            pairs += 1
            second += stride
        first += stride
    return pairs


def test_session_killed_again_while_it_recovers_goes_on() -> None:
    assert kill_twice(small, STRIDE) > 20


@pytest.mark.crash
@pytest.mark.parametrize("build", [small, interrupt], ids=["small", "interrupt"])
def test_session_killed_again_at_any_boundary_of_its_recovery_goes_on(build: Build) -> None:
    assert kill_twice(build, 1) > 1000


@pytest.mark.crash
@pytest.mark.parametrize("name", sorted(ALL))
def test_session_killed_twice_at_some_boundaries_goes_on(name: str) -> None:
    assert kill_twice(ALL[name], 2 * STRIDE + 1) > 0
