"""`podium run --server`: a team on a server, shown here as if it ran here."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from podium.core.records import Unknown, decode
from tests.api.sdk.script import STALL, call, fail, say, script, used
from tests.cli.there import SOLO, There, there
from tests.world.processes import Site
from tests.world.test_pictures import WAITS, Screen

pytestmark = pytest.mark.slow
BOTH = [
    call("alpha", task=script([call("bash", command="echo hi")], "alpha is done")),
    call("beta", task=script("beta")),
]
ASKS = "agents: {solo: {model: claude-test-1, tools: [bash], permissions: {bash: always_ask}}}\n"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """One server for all that leave it as it was."""
    with there(tmp_path_factory.mktemp("far")) as made:
        yield made


def session_of(said: str) -> str:
    found = re.search(r"sesn_\w+", said)
    assert found is not None, said
    return found[0]


# --- what is shown -------------------------------------------------------------------------------------


def test_result_goes_to_stdout_and_everything_else_to_stderr_as_in_a_run_here(far: There) -> None:
    far.team()

    done = far.run(script([say("at work"), *BOTH], "all done"))

    assert (done.code, done.out) == (0, "all done\n")
    first, *_, last = done.err.splitlines()
    assert first == f"session {session_of(first)} at {far.server.url}"
    assert last == f"podium show {session_of(first)}  (on the machine of {far.server.url})"
    assert "lead: calls alpha" in done.err
    assert "    alpha: runs bash (echo hi)" in done.err
    assert "alpha: bash is done in" in done.err
    assert "alpha: reported (2 turns, " in done.err
    assert "done · 3 threads, 5 turns, " in done.err
    assert "all done" not in done.err


def test_agent_file_runs_there_with_those_it_calls(far: There) -> None:
    keys = "name: reviewer\ndescription: Reviews.\ntools: Read, Agent(explore)\neffort: high\ncolor: red\n"
    far.client.write("reviewer.md", f"---\n{keys}---\nReview.\n")
    task = script([call("explore", task=script("found it"))], "reviewed")

    where = ["--server", far.server.url, "--model", "claude-test-1"]
    done = far.client.run("run", "reviewer.md", task, *where, env=far.env)

    assert (done.code, done.out) == (0, "reviewed\n"), done.err
    assert done.err.startswith("note: reviewer.md line 6, color: has no effect here")
    assert "explore: reported" in done.err
    agents = {agent["name"]: agent for agent in far.ask("/v1/agents")["data"]}
    assert agents["reviewer"]["model"]["effort"] == {"type": "high"}
    assert agents["explore"]["model"]["id"] == "claude-test-1"


def test_json_prints_every_event_that_the_server_has_and_then_the_result(far: There) -> None:
    far.team()

    session, *lines, result = far.run(script(BOTH, "all done"), "--json").lines()

    assert session["type"] == "session"
    assert not any("private" in line for line in lines)
    assert not any(isinstance(decode(msgspec.json.encode(line["event"])), Unknown) for line in lines)
    path = f"/v1/sessions/{session['id']}/threads"
    threads = [thread["id"] for thread in far.ask(path)["data"]]
    there = {event["id"] for thread in threads for event in far.ask(f"{path}/{thread}/events")["data"]}
    taken = [line["event"]["id"] for line in lines if line["event"]["processed_at"] is not None]
    assert (len(threads), set(taken), len(taken)) == (3, there, len(there))
    assert (result["output"], result["stop_reason"], result["exit_code"]) == ("all done", "end_turn", 0)
    assert (result["threads"], result["turns"]) == (3, 5)


def test_agents_are_found_again_by_the_next_run(far: There) -> None:
    far.team()
    far.run(script("one"))
    before = far.ask("/v1/agents")["data"], far.ask("/v1/environments")["data"]

    far.run(script("two"))

    assert (far.ask("/v1/agents")["data"], far.ask("/v1/environments")["data"]) == before


def test_nested_and_inline_agents_are_shown_below_who_called_them(far: There) -> None:
    far.team("""
agents:
  top: {model: claude-test-1, callable_agents: [middle]}
  middle: {model: claude-test-1, inline_agents: true}
""")
    deep = [call("create_agent", name="deep", system="Dig.", task=script("deep is done"))]

    done = far.run(script([call("middle", task=script(deep, "middle is done"))], "all done"))

    assert (done.code, done.out) == (0, "all done\n")
    assert "      deep: says deep is done\n" in done.err
    assert "      deep: reported (1 turn, " in done.err
    assert "    middle: reported (2 turns, " in done.err


def test_structured_result_is_printed_as_json(far: There) -> None:
    schema = "{type: object, properties: {n: {type: integer}}, required: [n]}"
    far.team(f"agents: {{solo: {{model: claude-test-1, output_schema: {schema}}}}}\n")

    done = far.run(script([call("submit_result", n=7)]))

    assert (done.code, json.loads(done.out)) == (0, {"n": 7})


def test_cost_is_what_the_server_counts(far: There) -> None:
    far.team("agents: {solo: {model: priced, tools: [bash]}}\n")

    done = far.run(script([call("bash", command="true"), used(input_tokens=2000, output_tokens=100)], "done"), "--json")

    session, *_, result = done.lines()
    assert result["cost"]["unknown_calls"] == 0
    there = json.loads(far.here("cost", session["id"], "--json"))
    assert float(result["cost"]["usd"]) == float(there["total"]["usd"]) > 0.002


# --- how it ends ---------------------------------------------------------------------------------------


def test_failed_model_is_exit_code_1_and_says_why(far: There) -> None:
    far.team(SOLO)

    done = far.run(script(fail(400, "invalid_request_error", times=9)))

    assert (done.code, done.out) == (1, "")
    assert "failed: " in done.err
    assert "as it was told" in done.err


def test_attempts_that_are_made_again_are_told(far: There) -> None:
    far.team(SOLO)

    done = far.run(script(fail(529, "overloaded_error", times=1), "at last"))

    assert (done.code, done.out) == (0, "at last\n")
    assert "solo: got no reply: " in done.err


def test_budget_is_the_servers_and_reaching_it_is_exit_code_4(far: There) -> None:
    far.team("agents: {solo: {model: priced}}\n")

    assert far.run(script("never"), "--usd", "0.0001").code == 4


def test_budget_of_a_model_without_a_price_is_refused(far: There) -> None:
    far.team(SOLO)

    done = far.run(script("never"), "--usd", "1")

    assert done.code == 2
    assert "model_not_budgetable" in done.err


def test_call_that_asks_where_nobody_sits_is_exit_code_3_and_is_answered_on_the_servers_machine(far: There) -> None:
    far.team(ASKS)

    done = far.run(script([call("bash", command="echo ran > ran")], "done"))

    session = session_of(done.err)
    assert done.code == 3
    assert f"answer it with: podium approve {session} sevt_" in done.err
    far.here("approve", session, "--allow")
    far.here("watch", session)
    assert far.ask(f"/v1/sessions/{session}")["status"] == "idle"
    assert '"ended": "end_turn"' in far.here("show", session, "--json")


def test_ctrl_c_interrupts_the_session_there(far: There) -> None:
    far.team()
    run = far.start(script([call("alpha", task=script([call("bash", command="sleep 100")], "never"))], "never"))
    run.until(lambda said: "runs bash" in said)

    run.signal(signal.SIGINT)
    done = run.end()

    assert (done.code, done.out) == (130, "")
    assert "stopping: what is open is closed as interrupted" in done.err
    session = far.ask(f"/v1/sessions/{session_of(done.err)}")
    assert session["status"] == "idle"


# --- what is refused -----------------------------------------------------------------------------------


def test_what_cannot_go_along_is_refused_before_anything_is_made_there(far: There) -> None:
    ruled = "agents:\n  lead: {model: small, callable_agents: [b], retries: 2, join: any}\n  b: {model: small}\n"
    far.team(ruled + "workdir: work\n")
    before = far.ask("/v1/agents")["data"]

    done = far.run("go", "--turns", "3")

    assert done.code == 2
    assert "'workdir' of the team file (the server gives each session a folder of its own)" in done.err
    assert "--turns (" in done.err
    assert "'retries' of the team file (an agent of the server's API has no such field)" in done.err
    assert "'join' of the team file" in done.err
    assert far.ask("/v1/agents")["data"] == before


def test_wrong_key_is_exit_code_2_with_the_remedy(far: There) -> None:
    far.team(SOLO)

    done = far.run("go", PODIUM_SERVER_KEY="podium_wrong")

    assert done.code == 2
    assert "answers 401" in done.err
    assert "PODIUM_SERVER_KEY" in done.err


def test_server_that_is_not_there_is_exit_code_1(far: There) -> None:
    far.team(SOLO)

    done = far.client.run("run", "team.yaml", "go", "--server", "http://127.0.0.1:9", "--key", "podium_a_b_c")

    assert done.code == 1
    assert "the server at http://127.0.0.1:9 could not be reached" in done.err


# --- a person at the terminal, a server that dies ------------------------------------------------------


async def test_person_at_the_terminal_answers_calls_with_keys(far: There) -> None:
    far.team(ASKS)
    task = script([call("bash", command="echo ran")], [call("bash", command="rm -r all")], "done at last")
    arguments = ("run", "team.yaml", task, "--server", far.server.url, "--key", far.server.key)

    async with Site(far.client.path) as site, Screen(site, *arguments) as screen:
        await screen.shows(WAITS)
        await screen.press("y", until_shown="rm -r all")
        await screen.press("n", until_shown="refuse, because")
        screen.type("too much\r")
        await screen.shows("done at last")
        assert await screen.end() == 0

    session = session_of(screen.drawn)
    said = [event for event in far.ask(f"/v1/sessions/{session}/events")["data"] if "confirmation" in event["type"]]
    assert [(event["result"], event.get("deny_message")) for event in said] == [("allow", None), ("deny", "too much")]


async def test_session_that_is_archived_there_ends_the_run_here(far: There) -> None:
    far.team(ASKS)
    task = script([call("bash", command="echo ran")])
    arguments = ("run", "team.yaml", task, "--server", far.server.url, "--key", far.server.key)

    async with Site(far.client.path) as site, Screen(site, *arguments) as screen:
        await screen.shows(WAITS)
        session = session_of(screen.drawn)
        far.post(f"/v1/sessions/{session}/archive")
        assert await screen.end() == 1

    assert f"session {session} was archived at {far.server.url}" in screen.drawn


def test_server_that_is_killed_and_started_again_is_followed_on(tmp_path: Path) -> None:
    with there(tmp_path) as far:
        far.team()
        run = far.start(script([say("at work"), *BOTH], STALL, "all done"))
        run.until(lambda said: "alpha: reported" in said)

        far.server.kill()
        run.until(lambda said: "the connection was lost" in said)
        far.server.start()
        run.until(lambda said: "connected again" in said)
        done = run.end()

        assert (done.code, done.out) == (0, "all done\n")
        assert done.err.count("alpha: reported") == 1
