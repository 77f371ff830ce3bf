"""The attempts of calls that did not go well the first time, each told apart."""

from collections.abc import Iterator
from datetime import datetime

from podium.analysis.trace import Effect, ThreadTrace, Trace
from podium.cli.text import one_line, seconds, told_call

_OUTCOMES = {"ok": "is done", "open": "is under way", "lost": "was lost with its process"}


def attempts_told(made: Trace, until: datetime) -> Iterator[str]:
    """For each call that was tried more than once, or failed: a line for it, and one for each attempt."""
    start = made.started_at or until
    yield from _delegations_told(made, start, until)
    for thread in made.threads.values():
        for tries in groups(thread):
            if len(tries) == 1 and not _failed(tries[0]):
                continue
            yield f"{one_line(thread.label, 40)}, {_call(tries[0])}, from +{_s(tries[0].start, start)}:"
            for effect in tries:
                yield f"  {attempt_told(effect, len(tries), until)}"


def _delegations_told(made: Trace, start: datetime, until: datetime) -> Iterator[str]:
    """The same for calls of agents, each attempt of which is a thread."""
    made_by: dict[str, list[ThreadTrace]] = {}
    for thread in made.threads.values():
        made_by.setdefault(thread.call, []).append(thread)
    for tries in made_by.values():
        first, parent = tries[0], tries[0].parent
        if tries[-1].attempt == 1 or parent is None:
            continue
        caller = one_line(made.threads[parent].label, 40)
        yield f"{caller}, call of {one_line(first.agent, 40)}, from +{_s(first.opened_at, start)}:"
        for each in tries:
            why = f": {one_line(each.reason, 120)}" if each.reason else ""
            took = seconds(sum(it.length.total_seconds() for it in each.worked(until)))
            cost = f", {each.cost.told}" if each.cost.told else ""
            ended = each.ended or "is under way"
            yield f"  attempt {each.attempt} of {len(tries)}, {one_line(each.label, 40)}: {ended}{why}, {took}{cost}"


def attempt_told(effect: Effect, of: int, until: datetime) -> str:
    """One attempt: "attempt 2 of 3 after 1.20 s: 529 overloaded"."""
    after = "" if effect.after is None else f" after {seconds(effect.after.total_seconds())}"
    took = "" if effect.end is None else f", {seconds(effect.until(until).length.total_seconds())}"
    if _failed(effect):
        cost = f", {effect.cost.told}" if effect.cost.told else ""
        kind = effect.kind.replace("_", " ")
        said = f"{kind}: {effect.reason}" if kind and kind not in effect.reason else effect.reason
        return f"attempt {effect.attempt} of {of}{after}: {one_line(said, 160)}{took}{cost}"
    return f"attempt {effect.attempt} of {of}{after}: {_OUTCOMES.get(effect.outcome, effect.outcome)}{took}"


def groups(thread: ThreadTrace) -> Iterator[list[Effect]]:
    """The thread's attempts, those of one call together, in the order of the first."""
    found: list[list[Effect]] = []
    last_of: dict[str, list[Effect]] = {}  # by call; of a model's calls only one is under way at a time
    for effect in thread.effects:
        key = "" if effect.is_model else effect.id
        if effect.attempt > 1 and key in last_of:
            last_of[key].append(effect)
        else:
            last_of[key] = [effect]
            found.append(last_of[key])
    yield from found


def _failed(effect: Effect) -> bool:
    return effect.is_model and effect.outcome == "error"


def _call(effect: Effect) -> str:
    if not effect.is_model:
        return told_call(effect.name, effect.input)
    purpose = {"turn": "", "compact": " (to summarize)", "hand_over": " (to hand over)"}[effect.purpose]
    return f"model call of turn {effect.turn}{purpose}"


def _s(at: datetime, start: datetime) -> str:
    return seconds((at - start).total_seconds())
