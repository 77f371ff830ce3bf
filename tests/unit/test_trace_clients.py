"""Traces: calls of the clients' own tools, what clients change, and sessions that are over for good."""

import msgspec
import pytest

from podium.analysis.intervals import total
from podium.analysis.report import report
from podium.analysis.trace import Trace
from podium.cli.lines import told
from podium.cli.picture import picture
from podium.cli.under_way import waits_for_its_client
from podium.core import events as e
from podium.core.content import text
from tests.unit.hand_log import Log, at


class Lent(Log):
    """A log in which the lead calls a tool of its client."""

    def calls_client(self, second: float, thread: str = "lead", name: str = "weather") -> str:
        call = self.id()
        event = e.AgentCustomToolUse(id=call, processed_at=at(second), name=name, input={"city": "Oslo"})
        self.add(second, thread, event)
        return call

    def gives(self, second: float, call: str, said: str = "rain", *, is_error: bool = False) -> None:
        event = e.UserCustomToolResult(
            id=self.id(), processed_at=at(second), custom_tool_use_id=call, content=text(said), is_error=is_error
        )
        self.add(second, "lead", event)

    def changes(self, second: float, **fields: object) -> None:
        event = e.SessionUpdated(id=self.id(), processed_at=at(second), **fields)  # type: ignore[arg-type]
        self.add(second, "lead", event)

    def archived(self, second: float) -> None:
        self.add(second, "lead", self._status(e.ThreadTerminated, "lead", second))
        self.add(second, "lead", e.SessionTerminated(id=self.id(), processed_at=at(second)))


def lines(log: Log) -> list[str]:
    made, found = Trace(), []
    for record in log.records:
        made.apply(record)
        found += [f"{thread.label}: {said}" for thread, said in told(made, record)]
    return found


def shown(log: Log, until: float) -> str:
    return "\n".join(picture(log.trace, "idle", at(until), 100, most=None, for_all=""))


def test_call_of_the_clients_waits_for_it_and_for_nobody_else() -> None:
    log = Lent()
    call = log.calls_client(2)
    log.blocks(2, "lead", calls=(call,))
    log.session_asks(2, call)

    made = log.trace

    assert (list(made.asking), list(made.clients.waiting), made.needs_nobody) == ([], [call], False)
    assert made.threads["lead"].waits_for == "client"
    [line] = waits_for_its_client(made, at(9))
    assert line.startswith('lead calls weather ({"city": "Oslo"}), since +2.00 s, 7.00 s ago')
    assert lines(log)[-2:] == ['lead: asks its client to run weather ({"city": "Oslo"})', "lead: waits for its client"]


def test_result_of_the_client_ends_the_wait() -> None:
    log = Lent()
    call = log.calls_client(2)
    log.blocks(2, "lead", calls=(call,))
    log.gives(10, call)
    log.runs(10, "lead")
    log.idle(11)

    lead = log.trace.threads["lead"]
    assert total(lead.waited("client", at(11))).total_seconds() == 8
    assert total(lead.waited("person", at(11))).total_seconds() == 0
    assert total(lead.worked(at(11))).total_seconds() == 3
    assert "for its client" in shown(log, 11)
    assert 'lead had its client run weather ({"city": "Oslo"}): it gave a result after 8.00 s' in shown(log, 11)
    assert "lead: weather is done in 8.00 s" in lines(log)


def test_thread_that_waits_for_both_waits_for_a_person() -> None:
    log = Lent()
    call, asked = log.calls_client(2), log.asks(2, "lead")
    log.blocks(2, "lead", calls=(call, asked))
    both = log.trace.threads["lead"].waits_for

    log.answers(4, asked, allow=True)
    log.blocks(4, "lead", calls=(call,))
    assert (both, log.trace.threads["lead"].waits_for) == ("person", "client")


@pytest.mark.parametrize("end", ["interrupted", "archived"])
def test_call_that_ends_without_a_result_waits_no_more(end: str) -> None:
    log = Lent()
    call = log.calls_client(2)
    if end == "interrupted":
        log.answer("lead", call, 5, "Tool execution was interrupted", is_error=True)
    else:
        log.archived(5)

    made = log.trace

    assert (list(made.clients.waiting), [it.outcome for it in made.clients.calls]) == ([], ["closed"])
    assert report(made, at(9))["client_calls"][0]["waited_s"] == 3


def test_error_of_the_client_is_told() -> None:
    log = Lent()
    log.gives(3, log.calls_client(2), "no such city", is_error=True)

    assert lines(log)[-1] == "lead: weather failed in 1.00 s: no such city"
    assert report(log.trace, at(3))["client_calls"][0]["outcome"] == "error"


def test_change_of_a_session_is_told_and_a_new_title_is_its_title() -> None:
    log = Lent()
    log.idle(1)
    log.changes(5, title="other", budget=None)
    log.changes(6, metadata={"a": "b"})

    made = log.trace

    assert made.title == "other"
    assert report(made, at(6))["changes"] == [
        {"at": 5, "fields": ["budget", "title"]},
        {"at": 6, "fields": ["metadata"]},
    ]
    assert "changed at +5.00 s: budget, title" in shown(log, 6)
    assert lines(log)[-1] == "lead: is changed: metadata"


def test_archived_session_needs_nobody_whatever_waited() -> None:
    log = Lent()
    call = log.asks(2, "lead")
    log.blocks(2, "lead", calls=(call,))
    log.session_asks(2, call)
    log.archived(9)

    made = log.trace

    assert (made.status, made.stop_reason, made.needs_nobody, list(made.asking)) == ("terminated", "", True, [])
    assert [(it.answer, it.waited(at(99)).total_seconds()) for it in made.approvals] == [("closed", 7)]
    assert lines(log)[-1] == "lead: is archived"


def test_report_of_all_this_is_json() -> None:
    log = Lent()
    log.gives(3, log.calls_client(2))
    log.changes(4, title="other")

    assert msgspec.json.decode(msgspec.json.encode(report(log.trace, at(5))))["title"] == "other"
