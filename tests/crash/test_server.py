"""kill -9 of `podium serve`, wherever it is: it is started again, and its clients go on with what they have."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import anthropic
import httpx2
import pytest

from tests.api.obedient import Obedient
from tests.api.process import Process
from tests.api.sdk.record import Exchange, Recording
from tests.api.sdk.script import STALL, call, script

pytestmark = [pytest.mark.crash, pytest.mark.slow]
LIMIT_S = 90
TOOLSET = {"type": "agent_toolset_20260401"}
ASKING = {**TOOLSET, "default_config": {"permission_policy": {"type": "always_ask"}}}


class Client:
    """The official client of a server that is killed now and then."""

    def __init__(self, server: Process, model: Obedient) -> None:
        self.server = server
        self.model = model
        self.exchanges: list[Exchange] = []
        self.http = httpx2.Client(transport=Recording(self.exchanges), timeout=30)
        self.beta: Any = anthropic.Anthropic(base_url=server.url, api_key=server.key, http_client=self.http).beta
        self.events: Any = self.beta.sessions.events

    def session(self, *tools: Any, **given: Any) -> str:
        """A new session of an agent with these tools; its id."""
        agent = self.beta.agents.create(name="worker", model="claude-test-1", tools=list(tools), **given)
        environment = self.beta.environments.create(name="place")
        id: str = self.beta.sessions.create(agent=agent.id, environment_id=environment.id).id
        return id

    def send(self, session: str, event: Any) -> None:
        said = {"type": "user.message", "content": [{"type": "text", "text": event}]}
        self.events.send(session, events=[said if isinstance(event, str) else event])

    def until(self, session: str, kind: str, *, event: Any = None, after: str | None = None) -> list[Any]:
        """The events of a stream, up to the first of this kind. Shape: `after` is the last frame that was seen."""
        headers = {"Last-Event-ID": after} if after else None
        seen = []
        with self.events.stream(session, extra_headers=headers) as stream:
            if event is not None:
                self.send(session, event)
            for one in stream:
                seen.append(one)
                if one.type == kind:
                    return seen
        raise AssertionError(f"the stream ended; it said {[one.type for one in seen]}\n{self.server.log}")

    def killed_at(self, session: str, event: Any, kind: str) -> None:
        """Send, wait for this kind of event, kill the server, start it again."""
        self.until(session, kind, event=event)
        self.server.kill()
        self.server.start()

    def finished(self, session: str) -> list[Any]:
        """The list of events once the session is idle, held against what always holds."""
        with self.events.stream(session) as stream:
            if self.beta.sessions.retrieve(session).status != "idle":
                next(one for one in stream if one.type == "session.status_idle")
        events = list(self.events.list(session, limit=1000))
        ids = [one.id for one in events]
        assert len(ids) == len(set(ids)), "an event is there twice"
        assert_whole(events)
        return events

    def of(self, events: list[Any], kind: str) -> list[Any]:
        return [one for one in events if one.type == kind]


def assert_whole(events: list[Any]) -> None:
    """Every model call has one end, every call one result."""
    starts = [one.id for one in events if one.type == "span.model_request_start"]
    ends = [one.model_request_start_id for one in events if one.type == "span.model_request_end"]
    assert sorted(starts) == sorted(ends)
    calls = [one.id for one in events if one.type == "agent.tool_use" and one.session_thread_id is None]
    assert sorted(calls) == sorted(one.tool_use_id for one in events if one.type == "agent.tool_result")


def words(event: Any) -> str:
    return "".join(block.text for block in event.content)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(LIMIT_S)  # a stream with heartbeats alone has no end
    try:
        with Obedient() as model, Process(tmp_path, model.url) as server:
            client = Client(server, model)
            with client.http:
                yield client
    finally:
        signal.alarm(0)


def test_a_model_call_is_made_again(client: Client) -> None:
    session = client.session()

    client.send(session, script(STALL, "hello"))
    client.model.wait_for_a_call()
    client.server.kill()
    client.server.start()

    events = client.finished(session)
    assert [words(one) for one in client.of(events, "agent.message")] == ["hello"]
    assert [one.is_error for one in client.of(events, "span.model_request_end")] == [True, False], "and it is seen"


def test_a_tool_that_was_under_way_is_not_run_again(client: Client) -> None:
    session = client.session(TOOLSET)
    command = "echo ran >> ran; sleep 30"

    work = script([call("bash", command=command)], [call("bash", command="cat ran")], "done")
    client.killed_at(session, work, "agent.tool_use")

    events = client.finished(session)
    lost, shown = client.of(events, "agent.tool_result")
    assert lost.is_error, "what became of it is not known, and the model is told so"
    assert words(shown).count("ran") <= 1, "nothing is done twice"
    assert words(client.of(events, "agent.message")[-1]) == "done"


def test_a_delegation_goes_on(client: Client) -> None:
    reader = client.beta.agents.create(name="reader", model="claude-test-1")
    session = client.session(multiagent={"type": "coordinator", "agents": [reader.id]})
    work = script([call("reader", task=script(STALL, "found it"))], "all done")

    client.until(session, "session.thread_created", event=work)
    client.model.wait_for_a_call(2)
    client.server.kill()
    client.server.start()

    events = client.finished(session)
    assert len(client.of(events, "session.thread_created")) == 1
    [received] = client.of(events, "agent.thread_message_received")
    assert "found it" in words(received)
    assert [words(one) for one in client.of(events, "agent.message")] == ["all done"]
    threads = list(client.beta.sessions.threads.list(session))
    assert {one.status for one in threads} == {"idle"}


def test_a_call_waits_on_for_its_confirmation(client: Client) -> None:
    session = client.session(ASKING)
    client.killed_at(session, script([call("bash", command="echo hi")], "done"), "session.status_idle")
    [use] = [one for one in client.events.list(session) if one.type == "agent.tool_use"]
    assert client.beta.sessions.retrieve(session).status == "idle"

    client.until(
        session,
        "session.status_idle",
        event={"type": "user.tool_confirmation", "tool_use_id": use.id, "result": "allow"},
    )

    events = client.finished(session)
    [result] = client.of(events, "agent.tool_result")
    assert (result.is_error, "hi" in words(result)) == (False, True)
    assert len(client.of(events, "user.tool_confirmation")) == 1


def test_a_stream_is_taken_up_behind_its_last_event(client: Client) -> None:
    session = client.session(TOOLSET)
    work = script([call("bash", command="echo one")], STALL, "two")
    before = client.until(session, "agent.tool_result", event=work)
    frame = frame_of(client, before[-1])

    client.model.wait_for_a_call(2)
    client.server.kill()
    client.server.start()

    after = client.until(session, "session.status_idle", after=frame)
    listed = [one.id for one in client.finished(session)]
    first = listed.index(before[1].id)  # what stood there before is not this stream's
    assert set(listed[first:]) <= {one.id for one in [*before, *after]}, "nothing is lost"
    assert not {one.id for one in before} & {one.id for one in after}, "nothing comes twice"


def test_a_custom_tool_is_answered_after_the_crash(client: Client) -> None:
    schema = {"type": "object", "properties": {}}
    lookup = {"type": "custom", "name": "lookup", "description": "Looks up.", "input_schema": schema}
    session = client.session(lookup)
    client.killed_at(session, script([call("lookup")], "done"), "session.status_idle")
    [use] = [one for one in client.events.list(session) if one.type == "agent.custom_tool_use"]

    content = [{"type": "text", "text": "Ann"}]
    answer = {"type": "user.custom_tool_result", "custom_tool_use_id": use.id, "content": content}
    client.until(session, "session.status_idle", event=answer)

    assert [words(one) for one in client.of(client.finished(session), "agent.message")] == ["done"]


def test_every_kill_in_a_row_of_five_is_survived(client: Client) -> None:
    session = client.session(TOOLSET)
    steps = [[call("bash", command=f"echo {n:02} >> steps; sleep 0.4")] for n in range(12)]
    client.send(session, script(*steps, [call("bash", command="cat steps")], "done"))
    for _ in range(5):
        client.until(session, "agent.tool_result")
        client.server.kill()
        client.server.start()

    events = client.finished(session)

    written = words(client.of(events, "agent.tool_result")[-1]).split()
    assert written == sorted(set(written)), "no step is done twice, none out of order"
    assert words(client.of(events, "agent.message")[-1]) == "done"


def frame_of(client: Client, event: Any) -> str:
    """The `id:` of the frame that brought this event."""
    streams = [one for one in client.exchanges if one.is_stream]
    id: str = next(each["frame"]["id"] for each in streams[-1].frames() if each["event"].get("id") == event.id)
    return id


def too_late(signal: int, frame: FrameType | None) -> None:
    raise AssertionError(f"not done after {LIMIT_S} s")
