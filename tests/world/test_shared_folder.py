"""Library, command line and server on one data folder: what one of them starts, the others see and steer."""

import json
from collections.abc import Iterator

import pytest

from podium import Podium
from podium.core.records import Record
from tests.api.sdk.script import STALL, call, script
from tests.world.shared import ASKING, TOOLSET, WEATHER, Shared, shared

pytestmark = pytest.mark.slow
PAIR = """
name: pair
agents:
  lead: {model: any, callable_agents: [alpha, beta]}
  alpha: {model: any, tools: [bash], permissions: {bash: always_ask}}
  beta: {model: any}
"""
PAIRS = """
async def reply(request):
    if request.agent == "lead":
        if turn(request) == 0:
            return [call("alpha", task="a"), call("beta", task="b")]
        return "lead: " + told(request)
    if request.agent == "alpha":
        return call("bash", command="echo ran") if turn(request) == 0 else "alpha: " + told(request)
    await gate("go")
    return "beta"
"""
SOLO = "agents: {solo: {model: any}}\n"
WAITS = """
async def reply(request):
    if turn(request) == 0:
        await gate("go")
    return "told: " + told(request)
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One folder and its server, for all these tests."""
    with shared(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture
def fresh(one: Shared) -> Shared:
    """The same, with every gate closed."""
    (one.folder.path / "go").unlink(missing_ok=True)
    return one


# --- begun over the API ----------------------------------------------------------------------------------


def test_session_of_the_api_is_listed_watched_shown_and_paid_for_on_the_command_line(fresh: Shared) -> None:
    session = fresh.session(TOOLSET)
    watch = fresh.start("watch", session)
    fresh.send(session, script([call("bash", command="echo hi")], "all done"))
    fresh.until(lambda: fresh.reason(session) == "end_turn")

    watched = watch.end()
    listed = [json.loads(line) for line in fresh.podium("sessions", "--json").out.splitlines()]
    shown, cost = fresh.podium("show", session), fresh.podium("cost", session, "--json")

    assert watched.code == 0
    assert next((it["title"], it["agent"], it["standing"]) for it in listed if it["id"] == session) == (
        "Over HTTP",
        "worker",
        "end_turn",
    )
    assert shown.out.splitlines()[0] == "Over HTTP"
    assert "2 turns" in shown.out
    assert json.loads(cost.out)["total"]["calls"] == 2


def test_session_of_the_api_is_watched_while_the_server_drives_it(fresh: Shared) -> None:
    session = fresh.session(TOOLSET, task=script([call("bash", command="sleep 2")], "all done"))

    watched = fresh.podium("watch", session)

    assert watched.code == 0
    assert "worker: runs bash (sleep 2)" in watched.err
    assert "worker: is done" in watched.err or "worker: says all done" in watched.err


def test_call_of_the_api_is_answered_on_the_command_line(fresh: Shared) -> None:
    session = fresh.session(ASKING, task=script([call("bash", command="rm -r all")], "as you say"))
    [asked] = fresh.asks(session)

    done = fresh.podium("approve", session, "--deny", "--reason", "too much")

    assert (done.code, "1 answer given" in done.err) == (0, True)
    fresh.until(lambda: fresh.reason(session) == "end_turn")
    [answer] = fresh.events(session, "user.tool_confirmation")
    assert (answer.tool_use_id, answer.result, answer.deny_message) == (asked, "deny", "too much")
    assert fresh.events(session, "agent.message")[-1].content[0].text == "as you say"


def test_session_of_the_api_is_interrupted_and_told_on_the_command_line(fresh: Shared) -> None:
    session = fresh.session(TOOLSET, task=script([call("bash", command="sleep 100")], "never"))
    fresh.until(lambda: bool(fresh.events(session, "agent.tool_use")))

    interrupted = fresh.podium("interrupt", session)
    fresh.until(lambda: fresh.reason(session) == "end_turn")
    sent = fresh.podium("send", session, script("and now this"))
    fresh.until(lambda: bool(fresh.events(session, "agent.message")) and fresh.reason(session) == "end_turn")

    assert (interrupted.code, sent.code) == (0, 0)
    [result] = fresh.events(session, "agent.tool_result")
    assert (result.is_error, "interrupted" in result.content[0].text) == (True, True)
    assert fresh.events(session, "agent.message")[-1].content[0].text == "and now this"


def test_session_without_a_task_waits_for_one_and_the_command_line_says_so(fresh: Shared) -> None:
    session = fresh.session(TOOLSET)

    shown, watched = fresh.podium("show", session), fresh.podium("watch", session)

    assert (shown.code, watched.code) == (0, 0)
    assert " · worker · idle · " in shown.out
    assert f"it has no task yet; give it one with: podium send {session} TEXT" in watched.err
    assert fresh.podium("interrupt", session).code == 2


def test_call_of_the_clients_own_tool_is_told_as_such(fresh: Shared) -> None:
    session = fresh.session(WEATHER, task=script([call("weather", city="Oslo")], "it rains"))
    [lent] = fresh.asks(session)

    shown, approved = fresh.podium("show", session), fresh.podium("approve", session, "--allow")
    told = json.loads(fresh.podium("show", session, "--json").out)
    sent = fresh.podium("send", session, "and Bergen?")
    content = [{"type": "text", "text": "rain"}]
    fresh.send(session, {"type": "user.custom_tool_result", "custom_tool_use_id": lent, "content": content})
    fresh.until(lambda: fresh.reason(session) == "end_turn")
    after = fresh.podium("show", session)

    assert "waits for its client" in shown.out
    assert 'worker calls weather ({"city": "Oslo"}), since +' in shown.out
    assert lent in shown.out
    assert approved.code == 2
    assert f"{lent} (weather): the program that has this tool runs it" in approved.err
    assert f"the session waits for a result of its client first: podium show {session}" in sent.err
    assert [(it["call"], it["outcome"]) for it in told["client_calls"]] == [(lent, "")]
    assert told["threads"][0]["waits_for_client"]
    assert "worker had its client run weather" in after.out
    assert "it gave a result after" in after.out


def test_archived_session_is_listed_only_when_all_are_and_takes_nothing_more(fresh: Shared) -> None:
    session = fresh.session(TOOLSET, task=script("done"))
    fresh.until(lambda: fresh.reason(session) == "end_turn")
    fresh.api.sessions.update(session, title="Renamed", metadata={"a": "b"})
    fresh.api.sessions.archive(session)

    listed, everything = fresh.podium("sessions"), fresh.podium("sessions", "--all", "--limit", "0")
    shown, sent, watched = (
        fresh.podium("show", session),
        fresh.podium("send", session, "more"),
        fresh.podium("watch", session),
    )

    assert session not in listed.out
    assert " archived (--all lists them too)" in listed.out
    assert next("archived" in line for line in everything.out.splitlines() if session in line)
    assert shown.out.splitlines()[0] == "Renamed"
    assert " · archived · " in shown.out
    assert "metadata, title" in shown.out
    assert (sent.code, "is archived" in sent.err) == (2, True)
    assert watched.code == 0


def test_deleted_session_is_gone_for_everybody(fresh: Shared) -> None:
    session = fresh.session(TOOLSET, task=script("done"))
    fresh.until(lambda: fresh.reason(session) == "end_turn")
    fresh.api.sessions.delete(session)

    assert session not in fresh.podium("sessions", "--all", "--limit", "0").out
    assert "there is no session" in fresh.podium("show", session).err


# --- begun on the command line ---------------------------------------------------------------------------


def test_run_of_the_command_line_is_seen_approved_and_told_over_the_api_while_it_drives(fresh: Shared) -> None:
    fresh.team(PAIR, PAIRS)
    run = fresh.start("run", "team.yaml", "do both")
    run.until(lambda err: "alpha: asks to run bash" in err)
    session = fresh.log.session()

    row = fresh.api.sessions.retrieve(session)
    threads = {thread.agent.name: thread for thread in fresh.api.sessions.threads.list(session)}
    [asked] = [event for event in fresh.events(session, "agent.tool_use") if event.evaluated_permission == "ask"]
    with fresh.api.sessions.events.stream(session) as stream:
        fresh.send(session, {"type": "user.tool_confirmation", "tool_use_id": asked.id, "result": "allow"})
        fresh.until(lambda: bool(fresh.events(session, "agent.thread_message_received")))
        fresh.open_gate("go")
        seen = []
        for event in stream:
            seen.append(event.type)
            if event.type == "session.status_idle":
                break
    done = run.end()

    assert (row.status, row.title, row.agent.name) == ("running", "do both", "lead")
    assert set(threads) == {"lead", "alpha", "beta"}
    assert asked.session_thread_id == threads["alpha"].id
    assert (done.code, done.out) == (0, "lead: alpha: ran\n | beta\n")
    assert "alpha: was allowed bash (echo ran)" in done.err
    assert seen.count("user.tool_confirmation") == 2  # queued, and taken


def test_run_of_the_command_line_is_interrupted_over_the_api(fresh: Shared) -> None:
    fresh.team(SOLO, WAITS)
    run = fresh.start("run", "team.yaml", "wait")
    run.until(lambda err: "solo: starts" in err)
    session = fresh.log.session()

    fresh.send(session, {"type": "user.interrupt"})
    done = run.end()

    assert done.code == 130
    assert fresh.reason(session) == "end_turn"


def test_run_that_waits_for_a_person_and_has_no_process_goes_on_in_the_server(fresh: Shared) -> None:
    fresh.team(PAIR, PAIRS)
    fresh.open_gate("go")
    done = fresh.podium("run", "team.yaml", "do both")
    session = fresh.log.session()
    [asked] = fresh.asks(session)

    fresh.send(session, {"type": "user.tool_confirmation", "tool_use_id": asked, "result": "allow"})
    fresh.until(lambda: fresh.reason(session) == "end_turn")

    assert done.code == 3
    assert fresh.events(session, "agent.message")[-1].content[0].text.startswith("lead: alpha: ran")


def test_run_whose_process_died_goes_on_in_the_server(fresh: Shared) -> None:
    fresh.team(SOLO, WAITS)
    run = fresh.start("run", "team.yaml", "wait")
    run.until(lambda err: "solo: starts" in err)
    session = fresh.log.session()
    run.process.kill()
    run.end()

    fresh.open_gate("go")
    fresh.until(lambda: fresh.reason(session) == "end_turn")

    assert fresh.events(session, "agent.message")[-1].content[0].text == "told: wait"
    assert "taken over at" in fresh.podium("show", session).out


# --- a program of the library ----------------------------------------------------------------------------


async def test_program_of_the_library_watches_and_approves_a_session_of_the_api(fresh: Shared) -> None:
    session = fresh.session(ASKING, task=script([call("bash", command="echo hi")], "all done"))
    [asked] = fresh.asks(session)

    seen: list[Record] = []
    async with Podium(fresh.data) as podium:
        await podium.approve(session, asked, allow=True)
        async for record in podium.watch(session):
            seen.append(record)
            if record.type == "session.status_idle" and "end_turn" in record.body.decode():
                break

    types = [record.type for record in seen]
    assert types.index("user.tool_confirmation") < types.index("tool.started") < types.index("agent.tool_result")


async def test_session_of_a_program_with_its_own_functions_is_seen_and_left_to_it(fresh: Shared) -> None:
    program = f"""
import asyncio
from podium import Agent, Podium, Rehearsal, call

def count(text: str) -> int:
    "Count words."
    return len(text.split())

def script(request):
    return [call("count", text="one two")] if len(request.messages) == 1 else "two"

async def main():
    async with Podium({str(fresh.data)!r}) as podium:
        agent = Agent("counter", model="own", tools=[count], permissions={{"count": "always_ask"}})
        run = await podium.start(agent, "count", models={{"own": Rehearsal(script)}})
        await run.result()

asyncio.run(main())
"""
    fresh.folder.program(program)
    session = fresh.log.session()
    [asked] = fresh.asks(session)

    fresh.send(session, {"type": "user.tool_confirmation", "tool_use_id": asked, "result": "allow"})

    fresh.until(lambda: "the Python tool 'count' of agent 'counter'" in fresh.server.log)
    row = fresh.api.sessions.retrieve(session)
    shown = fresh.podium("show", session)
    assert (row.status, row.agent.name, row.agent.tools[0].name) == ("running", "counter", "count")
    assert "go on with it in the program that started it" in shown.out


def test_stalled_session_of_a_server_that_was_stopped_goes_on_with_the_next_start(fresh: Shared) -> None:
    session = fresh.session(TOOLSET, task=script(STALL, "all done"))
    fresh.until(lambda: bool(fresh.events(session, "span.model_request_start")))

    code = fresh.server.stop()
    between = fresh.podium("show", session)
    fresh.server.start()
    fresh.until(lambda: fresh.reason(session) == "end_turn")

    assert code == 0
    assert f"go on with it: podium resume {session}" in between.out
    assert fresh.events(session, "agent.message")[-1].content[0].text == "all done"


def test_session_of_the_api_goes_on_on_the_command_line_while_there_is_no_server(fresh: Shared) -> None:
    session = fresh.session(WEATHER)
    fresh.server.stop()

    sent = fresh.podium("send", session, script([call("weather", city="Oslo")], "it rains"))
    fresh.server.start()
    [lent] = fresh.asks(session)
    content = [{"type": "text", "text": "rain"}]
    fresh.send(session, {"type": "user.custom_tool_result", "custom_tool_use_id": lent, "content": content})
    fresh.until(lambda: fresh.reason(session) == "end_turn")

    assert sent.code == 3
    assert "worker: asks its client to run weather" in sent.err
    assert "waits for its client · " in sent.err
    assert sent.err.splitlines()[-1].startswith(f"podium show {session}")


def test_doctor_finds_every_session_as_its_log_says_while_the_server_runs(fresh: Shared) -> None:
    session = fresh.session(WEATHER, task=script([call("weather", city="Oslo")], "it rains"))
    fresh.asks(session)
    fresh.api.sessions.update(session, title="Asked", metadata={"a": "b"})

    done = fresh.podium("doctor")

    assert done.code == 0, done.out + done.err
    assert "sessions" in done.out
