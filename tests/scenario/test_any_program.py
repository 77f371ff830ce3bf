"""Any workflow of up to 200 calls: gathers in gathers by every rule, tasks, functions, checkpoints, retries, limits.

Order, overlap and rules are held by the moments in which each call begins and ends: all of them are worked out by
themselves (`any_program.py`). The same programs are killed anywhere, and run under any limit in dollars.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from podium import SessionLimits
from podium.core.facts import CheckpointAnswered, DelegationClosed, StepAsked, StepEnded
from podium.core.inputs import Update
from podium.core.money import ModelFacts, Price
from podium.core.records import Record, answers
from tests.crash.rules import money_violations, workflow_violations
from tests.lab.log import Played
from tests.scenario.any_program import Maker, Span, Tie, expected, on_the_way_out, without_time
from tests.scenario.any_trial import Trial

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # a seed draws programs whole: there is nothing to shrink
MANY = settings.default.max_examples  # type: ignore[union-attr]
CLOSE = 10_000  # microseconds: a limit of time is met up to a millisecond late

PRICE = Price(input=Decimal(10), output=Decimal(50), cache_write=Decimal("12.5"), cache_read=Decimal(1))
PRICED = ModelFacts(price=PRICE, max_tokens=1_200)
MOST_USD = Decimal("0.02")  # what the programs' calls cost at most, or nearly

seeds = st.integers(0, 1 << 32)
sizes = st.one_of(st.integers(1, 20), st.integers(1, 200))
shorter = sizes if MANY > 100 else st.integers(1, 40)  # of programs that are played and looked at many times
kills = st.lists(st.floats(0, 1), max_size=4)


def returned(log: Played) -> Any:
    """What the program gave."""
    run = log.state.run
    assert run is not None
    assert (run.has_returned, run.error) == (True, "")
    return run.output


def spans(records: list[Record]) -> list[Span]:
    """When each call of the log was under way, each attempt by itself."""
    names: dict[str, tuple[str, int]] = {}
    found = []
    for record in records:
        at = round((record.at - records[0].at).total_seconds() * 1e6)
        if isinstance(record.event, StepAsked):
            names[record.event.call] = record.event.name, at
        elif (call := answers(record.event)) in names:
            name, begin = names.pop(call)
            found.append(Span(name, begin, at))
    return found


def differences(found: list[Span], meant: list[Span]) -> list[str]:
    """Calls that were under way when they were not to be, and the other way round."""
    wrong = []
    for name in {span.name for span in (*found, *meant)}:
        is_there = sorted((span.begin, span.end) for span in found if span.name == name)
        is_meant = sorted((span.begin, span.end) for span in meant if span.name == name)
        pairs = zip(is_there, is_meant, strict=False)
        is_close = all(abs(a - b) <= CLOSE for one, other in pairs for a, b in zip(one, other, strict=True))
        if len(is_there) != len(is_meant) or not is_close:
            wrong.append(f"{name} was under way {is_there}, and was to be {is_meant}")
    return sorted(wrong)


@given(seeds, sizes)
@settings(max_examples=MANY // 2, phases=NO_SHRINKING)
def test_each_call_is_under_way_exactly_when_its_program_says(seed: int, size: int) -> None:
    program = Maker(seed).program(size)
    try:
        meant = expected(program)
    except Tie:
        assume(False)
        raise
    trial = Trial(program)

    log = trial.lab.run(trial.workflow(is_kept=True, has_races=True), acts=[(0, trial.person)])

    assert returned(log) == meant.value
    assert differences(spans(log.records), meant.spans) == []
    assert abs(log.seconds * 1e6 - meant.end) <= CLOSE


@given(seeds, shorter, kills, st.sampled_from([0.0, 0.1]))
@settings(max_examples=MANY // 4, phases=NO_SHRINKING)
def test_a_program_whose_process_is_killed_anywhere_comes_to_the_same_and_repeats_nothing_that_is_over(
    seed: int, size: int, fuses: list[float], commit_s: float
) -> None:
    trial = Trial(Maker(seed, coarse=True).program(size), commit_s=commit_s)

    log = trial.lives(trial.workflow(), boundaries(fuses, size))

    assert returned(log) == without_time(trial.program)
    assert workflow_violations(log.records) == []


@given(seeds, shorter, kills, st.integers(1, 99))
@settings(max_examples=MANY // 4, phases=NO_SHRINKING)
def test_no_program_sets_aside_more_than_its_limit_and_each_goes_on_when_that_is_raised(
    seed: int, size: int, fuses: list[float], percent: int
) -> None:
    trial = Trial(Maker(seed, coarse=True, priced=True).program(size), facts=PRICED)
    cap, flow = MOST_USD * size * percent / 100, trial.workflow()

    log = trial.lives(flow, boundaries(fuses, size), limits=SessionLimits(usd=cap))
    if log.stop_reason == "budget_reached":
        trial.lab.tell(Update(budget=2 * cap))
        log = trial.lives(flow, [])
    assert money_violations(log.state.id, log.state.definitions, log.records, {"": cap}) == []
    if log.stop_reason == "budget_reached":
        trial.lab.tell(Update(has_budget=False))
        log = trial.lives(flow, [])

    assert returned(log) == without_time(trial.program)
    assert workflow_violations(log.records) == []


@given(seeds, shorter, kills)
@settings(max_examples=MANY // 4, phases=NO_SHRINKING)
def test_a_program_that_failed_goes_on_once_all_is_mended_and_repeats_nothing_that_succeeded(
    seed: int, size: int, fuses: list[float]
) -> None:
    trial = Trial(Maker(seed, coarse=True).program(size))
    flow, lab = trial.workflow(is_caught=False), trial.lab
    log = trial.lives(flow, boundaries(fuses, size))
    assert (log.stop_reason == "retries_exhausted") == (without_time(trial.program) is None)

    trial.is_mended = lab.resumes_failed = True
    for _ in range(size):  # what failed beside the failure that ended it ends it anew
        if log.stop_reason == "retries_exhausted":
            log = trial.lives(flow, [])

    assert log.stop_reason == "end_turn"
    assert workflow_violations(log.records) == []
    assert twice(log.records) <= on_the_way_out(trial.program)


def boundaries(fuses: list[float], size: int) -> list[int]:
    """Where processes are killed: of a program of this size, so far on."""
    return [round(fuse * 12 * size) for fuse in fuses]


def twice(records: list[Record]) -> set[str]:
    """The names of the calls that succeeded more than once."""
    asked = [record.event for record in records if isinstance(record.event, StepAsked)]
    names = {each.call: each.name for each in asked} | {each.key: each.name for each in asked}
    succeeded = Counter[str]()
    for record in records:
        event = record.event
        if isinstance(event, DelegationClosed | StepEnded) and event.call in names:
            succeeded[names[event.call]] += event.outcome in ("reported", "done")
        elif isinstance(event, CheckpointAnswered):
            succeeded[names[event.key]] += event.allowed
    return {name for name, times in succeeded.items() if times > 1}
