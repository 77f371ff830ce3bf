"""Sessions: made, shown, changed, listed with every filter and both cursors, archived, deleted."""

from datetime import timedelta

import anthropic

from tests.api.sdk.script import WAIT, call, script, used
from tests.api.sdk.world import TOOLSET, World, is_kind, of, only, raises, told, unique


def a_session_is_made_and_changed(world: World) -> None:
    agent = world.agent("reader", system="You read.", tools=[{"type": TOOLSET}])
    session = world.session(agent, title="first", metadata={"a": "1"})
    assert (session.type, session.status, session.title, session.metadata) == ("session", "idle", "first", {"a": "1"})
    assert (session.agent.id, session.agent.version, session.agent.system) == (agent.id, 1, "You read.")
    assert (session.vault_ids, session.resources, session.outcome_evaluations) == ([], [], [])
    assert session.usage.input_tokens in (0, None)
    assert world.beta.sessions.retrieve(session.id).id == session.id

    with world.beta.sessions.events.stream(session.id) as stream:
        changed = world.beta.sessions.update(session.id, title="second", metadata={"a": None, "b": "2"})
        told = next(event for event in stream if event.type == "session.updated")
    assert (changed.title, changed.metadata) == ("second", {"b": "2"})
    assert told.title == "second"
    with raises(anthropic.BadRequestError, saying="vault_ids"):
        world.beta.sessions.update(session.id, vault_ids=["vlt_1"])

    tools = world.beta.sessions.update(session.id, agent={"tools": []})
    assert tools.agent.tools == []
    assert world.beta.agents.retrieve(agent.id).tools != [], "the agent itself is as it was"


def a_session_starts_with_its_first_events(world: World) -> None:
    session = world.session(world.agent(), initial_events=[told(script("hello"))])
    assert session.status in ("running", "idle")

    world.settle(session.id)

    kinds = world.kinds(session.id)
    assert kinds.index("user.message") < kinds.index("agent.message") < kinds.index("session.status_idle")


def what_is_wrong_with_a_first_event_leaves_no_session(world: World) -> None:
    agent = world.agent()
    wrong = [told("fine"), {"type": "user.interrupt"}]

    with raises(anthropic.BadRequestError, saying="initial_events"):
        world.session(agent, initial_events=wrong)

    assert list(world.beta.sessions.list(agent_id=agent.id)) == []


def a_session_overrides_its_agent(world: World) -> None:
    agent = world.agent("reader", system="You read.", tools=[{"type": TOOLSET}], description="Reads.")
    over = {"type": "agent_with_overrides", "id": agent.id, "version": 1, "system": "You write.", "tools": []}

    session = world.session(over)

    shown = session.agent
    assert (shown.id, shown.version, shown.system, shown.tools) == (agent.id, 1, "You write.", [])
    assert shown.description == "Reads.", "what was left out is inherited"
    with raises(anthropic.BadRequestError, saying="model"):
        world.session({"type": "agent_with_overrides", "id": agent.id, "model": None})


def a_session_keeps_the_version_it_began_with(world: World) -> None:
    agent = world.agent("reader", system="one")
    pinned = world.session({"type": "agent", "id": agent.id, "version": 1})
    world.beta.agents.update(agent.id, version=1, system="two")

    assert world.beta.sessions.retrieve(pinned.id).agent.system == "one"
    assert world.session(agent).agent.version == 2
    world.beta.agents.archive(agent.id)
    with raises(anthropic.BadRequestError):
        world.session(agent)


def sessions_are_found_by_every_filter(world: World) -> None:
    agent = world.agent()
    first = world.session(agent)
    world.beta.agents.update(agent.id, version=1, system="two")
    second, third = world.session(agent), world.session(agent)
    world.turn(second.id, script("hello"))
    world.beta.sessions.archive(third.id)

    def found(**given: object) -> list[str]:
        return [one.id for one in world.beta.sessions.list(agent_id=agent.id, **given)]

    assert found() == [second.id, first.id]
    assert found(order="asc") == [first.id, second.id]
    assert found(include_archived=True) == [third.id, second.id, first.id]
    assert found(agent_version=1) == [first.id]
    assert found(statuses=["idle", "running"]) == [second.id, first.id]
    assert found(statuses=["terminated"], include_archived=True) == [third.id]
    assert found(created_at_gt=first.created_at) == [second.id]
    assert found(created_at_gte=first.created_at) == [second.id, first.id]
    assert found(created_at_lt=second.created_at) == [first.id]
    assert found(created_at_lte=second.created_at + timedelta(hours=1)) == [second.id, first.id]


def sessions_are_paged_forth_and_back(world: World) -> None:
    agent = world.agent()
    ids = [world.session(agent).id for _ in range(5)][::-1]

    first = world.beta.sessions.list(agent_id=agent.id, limit=2)
    second = first.get_next_page()
    assert [one.id for one in first.data] == ids[:2]
    assert [one.id for one in second.data] == ids[2:4]
    assert [one.id for one in world.beta.sessions.list(agent_id=agent.id, limit=2)] == ids

    back = second.to_dict()["prev_page"]
    assert isinstance(back, str)
    assert [one.id for one in world.beta.sessions.list(agent_id=agent.id, limit=2, page=back).data] == ids[:2]
    with raises(anthropic.BadRequestError, saying="page"):
        world.beta.sessions.list(agent_id=agent.id, limit=2, page=back, order="asc")


def a_session_ends_by_archive_or_delete(world: World) -> None:
    agent = world.agent()
    kept, gone = world.session(agent), world.session(agent)
    world.turn(kept.id, script("hello"))

    archived = world.beta.sessions.archive(kept.id)
    assert (archived.status, archived.archived_at is not None) == ("terminated", True)
    assert world.kinds(kept.id)[-1] == "session.status_terminated"
    with raises(anthropic.BadRequestError):
        world.send(kept.id, "more")

    with world.beta.sessions.events.stream(gone.id) as stream:
        deleted = world.beta.sessions.delete(gone.id)
        assert (deleted.id, deleted.type) == (gone.id, "session_deleted")
        assert [event.type for event in stream][-1] == "session.deleted", "and the stream ends"
    with raises(anthropic.NotFoundError):
        world.beta.sessions.retrieve(gone.id)


def a_running_session_is_neither_archived_nor_deleted(world: World) -> None:
    session = world.session(world.agent())
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, script(WAIT))
        next(event for event in stream if is_kind("span.model_request_start")(event))
        for refused in (world.beta.sessions.archive, world.beta.sessions.delete):
            with raises(anthropic.BadRequestError):
                refused(session.id)
        world.send(session.id, {"type": "user.interrupt"})
        next(event for event in stream if event.type == "session.status_idle")

    assert world.beta.sessions.archive(session.id).status == "terminated"


def a_budget_holds_a_session_until_it_is_raised(world: World) -> None:
    agent = world.agent(model="priced", tools=[{"type": TOOLSET}])
    cents = {"type": "limit", "max_list_cost": {"amount": "5", "currency": "USD"}}
    session = world.session(agent, budget=cents)
    assert session.budget.max_list_cost.amount.rstrip("0").rstrip(".") == "5"
    expensive = used(input_tokens=40_000)

    events = world.turn(session.id, script([call("bash", command="true"), expensive], "done"))

    idle = events[-1]
    assert idle.stop_reason.type == "budget_reached"
    order = [event.type for event in events][-3:]
    assert order == ["session.thread_status_idle", "session.usage", "session.status_idle"]
    spent = world.beta.sessions.retrieve(session.id).usage
    assert spent.list_cost is not None
    assert float(spent.list_cost.amount) > 0
    with raises(anthropic.BadRequestError):
        world.send(session.id, "more")

    with world.beta.sessions.events.stream(session.id) as stream:
        world.beta.sessions.update(
            session.id, budget={"type": "limit", "max_list_cost": {"amount": "500", "currency": "USD"}}
        )
        after = []
        for event in stream:
            after.append(event)
            if event.type == "session.status_idle":
                break
    assert after[-1].stop_reason.type == "end_turn"
    assert only(of(after, "agent.message"), "agent.message")
    assert "session.updated" in [event.type for event in after]


def a_model_that_nobody_serves_is_named(world: World) -> None:
    agent = world.agent(unique("lost"), model="elsewhere/no-such-model")

    with raises(anthropic.BadRequestError, saying="elsewhere/no-such-model"):
        world.session(agent)


FLOWS = [
    a_session_is_made_and_changed,
    a_session_starts_with_its_first_events,
    what_is_wrong_with_a_first_event_leaves_no_session,
    a_session_overrides_its_agent,
    a_session_keeps_the_version_it_began_with,
    sessions_are_found_by_every_filter,
    sessions_are_paged_forth_and_back,
    a_session_ends_by_archive_or_delete,
    a_running_session_is_neither_archived_nor_deleted,
    a_budget_holds_a_session_until_it_is_raised,
    a_model_that_nobody_serves_is_named,
]
