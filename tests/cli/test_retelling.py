"""What a server's streams show, told again as records: the trace says the same as the one of the log itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from podium import Agent, Limits, call, say
from podium.analysis.intervals import total
from podium.analysis.trace import ThreadTrace, Trace, trace
from podium.cli.lines import told
from podium.cli.remote.following import Happened, Opened
from podium.cli.remote.retelling import Retelling, result_of
from podium.core.content import text
from podium.core.events import AgentToolUse, ThreadCreated
from podium.core.records import OWN, PRIMARY, Record
from podium.errors import ModelFailed
from tests.lab.cast import after, raises
from tests.lab.lab import Lab, allowed, denied, interrupted, interrupted_thread
from tests.lab.log import Played

AT = datetime(2026, 1, 1, tzinfo=UTC)


def streams(log: Played) -> Iterator[Opened | Happened]:
    """What followers of all of the session's streams are shown of a log, in its order."""
    primary = log.state.primary
    for record in log.records:
        body: dict[str, Any] = msgspec.json.decode(record.body)
        if isinstance(record.event, ThreadCreated):
            child = log.state.threads[record.event.session_thread_id]
            yield Opened(child.id, child.parent or primary, child.definition.name, "agent_1")
        if record.views & OWN:
            yield Happened(record.thread, body)
        if record.views & PRIMARY:
            copied = isinstance(record.event, AgentToolUse) and record.thread != primary
            yield Happened(primary, {**body, "session_thread_id": record.thread} if copied else body)


def retold(log: Played) -> tuple[Trace, list[Record], Retelling]:
    made = Retelling("sesn_1", log.state.primary)
    records = made.opening("a task", "agent_1", log.records[0].at)
    for item in streams(log):
        match item:
            case Opened(thread, parent, agent_name, agent):
                records += made.opened(thread, parent, agent_name, agent)
            case Happened(thread, event):
                records += made.take(thread, event)
    return trace(records), records, made


def figures(made: Trace) -> list[tuple[object, ...]]:
    """What a view shows of each thread."""
    at = made.last_at
    assert at is not None

    def of(it: ThreadTrace) -> tuple[object, ...]:
        # Whether a model call failed or was cut is told behind its end, if at all.
        calls = [(effect.name, effect.input, effect.outcome in ("ok", "open"), effect.attempt) for effect in it.effects]
        times = total(it.worked(at)), total(it.waited("person", at))
        return it.label, it.parent, it.status, it.ended, it.turns, it.usage, times, calls

    return [of(thread) for thread in made.threads.values()]


def same(log: Played) -> Trace:
    """The trace of what the streams showed, which says what the log's own trace says."""
    made, own = retold(log)[0], trace(log.records)
    assert figures(made) == figures(own)
    assert (made.status, made.stop_reason, made.is_interrupted) == (own.status, own.stop_reason, own.is_interrupted)
    assert (list(made.asking), made.turns, made.usage) == (list(own.asking), own.turns, own.usage)
    return made


def agent(name: str, *callable_agents: Agent | str, **how: Any) -> Agent:
    return Agent(name, model="m", callable_agents=callable_agents, **how)


def lines(records: list[Record]) -> list[str]:
    """The records as plain lines, each with its agent."""
    made, found = Trace(), []
    for record in records:
        made.apply(record)
        found += [f"{thread.label}: {said}" for thread, said in told(made, record)]
    return found


def looker(lab: Lab, name: str, **how: Any) -> Agent:
    return agent(name, tools=[lab.tool("look", seconds=3)], **how)


def test_delegations_with_tools_read_as_in_the_log() -> None:
    lab = Lab(
        lead=[[say("first"), call("a", task="x"), call("b", task="y")], "both are done"],
        a=[call("look", key="1"), after(2, "A")],
        b=[after(1, [call("look", key="2"), call("look", key="3")]), [say("so far")]],
    )

    log = lab.run(agent("lead", looker(lab, "a"), looker(lab, "b", limits=Limits(seconds=2))))

    made = same(log)
    assert [thread.ended for thread in made.threads.values()] == ["end_turn", "reported", "limit"]
    why = "at a limit: agent limit reached: 2 of 2 seconds"  # the wire does not say which limit it was
    own = [line.replace(why, "at a limit") for line in lines(log.records) if "is told: (agent limit" not in line]
    assert lines(retold(log)[1]) == own


def test_calls_that_ask_wait_and_start_when_they_are_allowed() -> None:
    lab = Lab(
        lead=[[call("child", task="x"), call("other", task="y")], "done"],
        child=[[call("look", key="1"), call("look", key="2")], "seen"],
        other=after(9, "other"),
    )
    child = looker(lab, "child", permissions={"look": "always_ask"})

    log = lab.run(
        agent("lead", child, looker(lab, "other")), acts=[(2, allowed("look")), (3, denied("look", "not this one"))]
    )

    made = same(log)
    assert [(it.answer, it.reason) for it in made.approvals] == [("allow", ""), ("deny", "not this one")]
    assert "child: was refused look" in "\n".join(lines(retold(log)[1]))


@pytest.mark.parametrize("act", [interrupted(), interrupted_thread("child")], ids=["session", "thread"])
def test_interrupt_closes_what_was_open(act: Any) -> None:
    lab = Lab(lead=[call("child", task="x"), "done"], child=[call("look", key="1"), after(5, "never")])

    log = lab.run(agent("lead", looker(lab, "child")), acts=[(4, act)])

    made = same(log)
    assert [thread.ended for thread in made.threads.values()][1] == "interrupted"


def test_failed_calls_say_why_and_are_counted_as_attempts() -> None:
    def fails_twice(request: Any) -> Any:
        if len(lab.script.began) < 3:
            raise ModelFailed("try later", kind="overloaded")
        return "done"

    lab = Lab(lead=fails_twice)

    log = lab.run(agent("lead"))

    made, records, _ = retold(log)
    assert [(it.attempt, it.reason) for it in made.threads[made.primary].effects] == [
        (1, "try later"),
        (2, "try later"),
        (3, ""),
    ]
    assert lines(records)[1:3] == ["lead: got no reply: try later", "lead: starts"]


def test_problem_that_is_no_models_explains_no_failed_call() -> None:
    log = Lab(lead=raises(RuntimeError("out of paper"))).run(agent("lead"))
    made = Retelling("sesn_1", log.state.primary)
    records = made.opening("a task", "agent_1", log.records[0].at)
    error = {"type": "unknown_error", "message": "no web_search here", "retry_status": {"type": "retrying"}}
    note = {"type": "session.error", "id": "sevt_0", "processed_at": "2026-01-01T00:00:00Z", "error": error}

    records += made.take(made.primary, note)
    for item in streams(log):
        assert isinstance(item, Happened)
        records += made.take(item.thread, item.event)

    assert "has a problem: no web_search here" in lines(records)[0]
    assert not any("got no reply" in line for line in lines(records))


def test_session_that_failed_says_why() -> None:
    log = Lab(lead=raises(RuntimeError("out of paper"))).run(agent("lead"))

    made = same(log)
    assert (made.stop_reason, "out of paper" in made.error) == ("retries_exhausted", True)


def test_child_that_failed_is_closed_as_failed() -> None:
    lab = Lab(lead=[call("child", task="x"), "done"], child=raises(RuntimeError("out of paper")))

    log = lab.run(agent("lead", agent("child")))

    assert [thread.ended for thread in same(log).threads.values()] == ["end_turn", "failed"]


def test_result_is_what_the_last_reply_said() -> None:
    lab = Lab(lead=[[say("not this"), call("look", key="1")], [say("one"), say("two")]])

    log = lab.run(looker(lab, "lead"))

    assert result_of(retold(log)[2].said, is_structured=False) == log.text == "one\ntwo"


def test_structured_result_is_the_value_that_was_submitted() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    lab = Lab(lead=[[say("thinking"), call("submit_result", n=7)]])

    log = lab.run(agent("lead", output_schema=schema))

    assert result_of(retold(log)[2].said, is_structured=True) == {"n": 7}
    assert result_of(text("cut sh"), is_structured=True) == "cut sh"


def test_cost_that_is_told_at_rest_is_what_a_thread_cost_since_the_last_one() -> None:
    lab = Lab(lead=[call("look", key="1"), "done"])
    log = lab.run(looker(lab, "lead"))
    made, records, retelling = retold(log)
    assert made.cost.unknown == 2

    for usd in ("0.25", "0.25", "0.30"):
        records += retelling.settled(made.primary, Decimal(usd))

    assert str(trace(records).cost) == "$0.2500"


def test_kinds_of_a_newer_server_are_passed_on_untouched() -> None:
    made = Retelling("sesn_1", "sthr_1")
    made.opening("a task", "agent_1", AT)
    new = {"type": "agent.danced", "id": "sevt_9", "processed_at": "2026-01-01T00:00:00Z", "steps": [1, 2]}

    [record] = made.take("sthr_1", new)

    assert (record.type, msgspec.json.decode(record.body)) == ("agent.danced", new)
