"""Records on the wire and on the disk: exact bytes out, anything in."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.content import text
from podium.core.events import AgentMessage, AgentToolUse, Public, StopReason, ThreadIdle, Usage, UserInterrupt
from podium.core.facts import DelegationClosed, SessionCreated, SessionSettings, ToolStarted
from podium.core.records import Draft, Unknown, decode, encode, is_queued, listed_id, type_of
from tests.unit.building import EVENT_TYPES, events, json_values, structs

AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
PUBLIC = [kind for kind in EVENT_TYPES if issubclass(kind, Public)]


def name(kind: type[Any]) -> str:
    return str(kind.__struct_config__.tag)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=name)
def test_every_event_comes_back_as_it_was(kind: type[Any]) -> None:
    @given(structs(kind))
    def comes_back(event: Any) -> None:
        assert decode(encode(event)) == event
        assert encode(decode(encode(event))) == encode(event)

    comes_back()


@given(st.binary())
def test_decoding_any_bytes_keeps_them(body: bytes) -> None:
    event = decode(body)

    assert not isinstance(event, Unknown) or event.body == body


@given(json_values, st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_decoding_any_json_never_fails(value: Any, encoding: str) -> None:
    body = msgspec.json.encode(value).decode().encode(encoding, errors="replace")

    assert isinstance(decode(body), Unknown)


@given(events, st.data())
def test_decoding_a_damaged_event_never_fails(event: Any, data: st.DataObject) -> None:
    fields = msgspec.to_builtins(event)
    key = data.draw(st.sampled_from(sorted(fields)))
    fields[key] = data.draw(json_values)

    type_of(decode(msgspec.json.encode(fields)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"type":' * 100_000,
        b'{"type":"agent.message","content":' + b"[" * 100_000,
        b'{"type":"files.seen","seen":{"a":"\\ud800"}}',
        b'{"type":"agent.tool_use","id":"a","processed_at":null,"name":"x","input":{"a":1e999}}',
        b'{"type":"user.message","id":"a","processed_at":"2025-13-45T99:00:00Z","content":[]}',
        b'{"type":5}',
        b'{"type":"\xff"}',
        b'{"type":"user.interrupt","id":"\xff","processed_at":null}',
        b'{"type":"agent.tool_use","id":"a","processed_at":null,"name":"x","input":{"\xff":1}}',
    ],
)
def test_decoding_hostile_bytes_never_fails(body: bytes) -> None:
    event = decode(body)

    assert isinstance(event, Unknown)
    assert event.body == body


def test_unknown_type_is_kept_with_its_name() -> None:
    body = b'{"type":"agent.dreamed","id":"sevt_1","of":"sheep"}'

    assert decode(body) == Unknown("agent.dreamed", body)
    assert type_of(decode(body)) == "agent.dreamed"


def test_known_type_of_an_unknown_shape_is_kept() -> None:
    body = b'{"type":"agent.message","id":"sevt_1","processed_at":null,"content":[{"type":"hologram"}]}'

    assert decode(body) == Unknown("agent.message", body)


@given(events)
def test_fields_of_a_later_version_are_skipped(event: Any) -> None:
    fields = msgspec.to_builtins(event) | {"added_later": {"deep": [1, None]}}

    assert decode(msgspec.json.encode(fields)) == event


@given(events)
def test_fields_that_an_earlier_version_lacked_take_their_defaults(event: Any) -> None:
    required = [field.name for field in msgspec.structs.fields(event) if field.required]
    fields = {key: value for key, value in msgspec.to_builtins(event).items() if key in ("type", *required)}

    assert decode(msgspec.json.encode(fields)) == type(event)(**{key: getattr(event, key) for key in required})


# --- the wire ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PUBLIC, ids=name)
def test_public_event_begins_with_type_id_and_time(kind: type[Any]) -> None:
    @given(structs(kind))
    def begins_so(event: Any) -> None:
        fields = msgspec.json.decode(encode(event))
        time = fields["processed_at"]

        assert list(fields)[:3] == ["type", "id", "processed_at"]
        assert fields["type"] == name(kind)
        assert time is None or (time.endswith("Z") and datetime.fromisoformat(time) == event.processed_at)
        known = msgspec.structs.fields(kind)
        assert {"type", *(field.name for field in known if field.required)} <= set(fields)
        assert set(fields) <= {"type", *(field.name for field in known)}

    begins_so()


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (
            AgentMessage(id="sevt_1", processed_at=AT, content=text("hi")),
            b'{"type":"agent.message","id":"sevt_1","processed_at":"2025-01-02T03:04:05Z",'
            b'"content":[{"type":"text","text":"hi"}]}',
        ),
        (
            AgentToolUse(id="sevt_1", processed_at=AT.replace(microsecond=250_000), name="bash", input={"n": 1}),
            b'{"type":"agent.tool_use","id":"sevt_1","processed_at":"2025-01-02T03:04:05.250000Z","name":"bash",'
            b'"input":{"n":1},"evaluated_permission":"allow","evaluation":{"type":"always_allow"}}',
        ),
        (
            ThreadIdle(
                id="sevt_1",
                processed_at=AT,
                session_thread_id="sthr_1",
                agent_name="lead",
                stop_reason=StopReason("requires_action", ("sevt_0",)),
            ),
            b'{"type":"session.thread_status_idle","id":"sevt_1","processed_at":"2025-01-02T03:04:05Z",'
            b'"session_thread_id":"sthr_1","agent_name":"lead",'
            b'"stop_reason":{"type":"requires_action","event_ids":["sevt_0"]},"stop_details":null}',
        ),
        (UserInterrupt(id="sevt_1", processed_at=None), b'{"type":"user.interrupt","id":"sevt_1","processed_at":null}'),
        (ToolStarted(call="sevt_1"), b'{"type":"tool.started","call":"sevt_1"}'),
        (
            SessionCreated(agent="a", title="t", settings=SessionSettings()),
            b'{"type":"session.created","agent":"a","title":"t","settings":{}}',
        ),
    ],
    ids=lambda value: type_of(value) if not isinstance(value, bytes) else "bytes",
)
def test_exact_bytes(event: Any, body: bytes) -> None:
    assert encode(event) == body
    assert decode(body) == event


def test_types_are_unique_and_facts_are_a_noun_and_what_happened() -> None:
    names = [name(kind) for kind in EVENT_TYPES]

    assert len(set(names)) == len(names)
    private = [name(kind) for kind in EVENT_TYPES if not issubclass(kind, Public)]
    assert not set(private) & {name(kind) for kind in PUBLIC}
    assert all(fact.count(".") == 1 for fact in private)


@pytest.mark.parametrize("processed_at", [None, AT])
def test_waiting_input_is_not_listed_and_a_taken_one_is(processed_at: datetime | None) -> None:
    event = UserInterrupt(id="sevt_1", processed_at=processed_at)

    assert is_queued(event) == (processed_at is None)
    assert listed_id(event) == (None if processed_at is None else "sevt_1")


def test_facts_have_no_id() -> None:
    fact = DelegationClosed(call="sevt_1", thread="sthr_1", outcome="failed")

    assert fact.id is None
    assert b'"id"' not in encode(fact)
    assert Draft("sthr_1", 0, AT, fact).event is fact


@given(structs(Usage), structs(Usage), structs(Usage))
def test_usages_add_up(a: Usage, b: Usage, c: Usage) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a
    assert (a + b).total_tokens == a.total_tokens + b.total_tokens
