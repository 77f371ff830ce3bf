"""Lists of sessions: by every filter, forth and back, those of other programs too."""

from typing import Any

import pytest

from podium import Agent, Podium, Rehearsal
from tests.api.calls import Calls, ok, only, words
from tests.api.server import MODEL, Serve, says_ok


async def test_sessions_are_found_by_every_filter(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent, other = await calls.agent(), await calls.agent()
        first = await calls.session(agent)
        ok(await server.post(f"/v1/agents/{agent['id']}", {"system": "two"}))
        second, third, fourth = await calls.session(agent), await calls.session(agent), await calls.session(other)
        ok(await server.post(f"/v1/sessions/{third['id']}/archive"))
        one, two, three, four = (it["id"] for it in (first, second, third, fourth))
        of = f"agent_id={agent['id']}"

        assert await calls.ids() == [four, two, one]
        assert await calls.ids("include_archived=true") == [four, three, two, one]
        assert await calls.ids("order=asc") == [one, two, four]
        assert await calls.ids(of) == [two, one]
        assert await calls.ids(f"{of}&agent_version=1") == [one]
        assert await calls.ids("statuses[]=terminated&statuses[]=running&include_archived=true") == [three]
        assert await calls.ids("statuses=idle") == [four, two, one]
        assert await calls.ids(f"created_at[gt]={first['created_at']}") == [four, two]
        assert await calls.ids(f"created_at[lte]={first['created_at']}") == [one]
        assert await calls.ids("deployment_id=depl_1") == await calls.ids("memory_store_id=memstore_1") == []
        assert (await server.get("/v1/sessions?agent_version=1")).error.startswith("agent_version: ")
        assert (await server.get("/v1/sessions?statuses[]=lost")).status == 400
        assert (await server.get("/v1/sessions?limit=101")).error.startswith("limit: ")


async def test_pages_go_forth_and_back(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent()
        made = [(await calls.session(agent))["id"] for _ in range(5)][::-1]

        async def page(query: str) -> tuple[list[str], Any, Any]:
            body = ok(await server.get(f"/v1/sessions?limit=2{query}"))
            return [session["id"] for session in body["data"]], body["prev_page"], body["next_page"]

        first, none, onward = await page("")
        assert (first, none) == (made[:2], None)
        second, back, onward = await page(f"&page={onward}")
        assert second == made[2:4]
        third, back_again, none = await page(f"&page={onward}")
        assert (third, none) == (made[4:], None)
        assert await page(f"&page={back}") == (made[:2], None, (await page(f"&page={back}"))[2])
        middle, further_back, forth = await page(f"&page={back_again}")
        assert middle == made[2:4]
        assert (await page(f"&page={further_back}"))[0] == made[:2]
        assert (await page(f"&page={forth}"))[0] == made[4:]
        refused = await server.get(f"/v1/sessions?limit=2&order=asc&page={onward}")
        assert (refused.status, refused.error.split(":")[0]) == (400, "page")


@pytest.mark.difference("sessions-of-programs")
async def test_a_session_of_a_program_in_the_same_folder_is_shown(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        reader = Agent("reader", model=MODEL, description="Reads.", tools=["bash"])
        lead = Agent("lead", model=MODEL, system="You lead.", callable_agents=[reader])
        result = await server.podium.run(lead, "go")

        session = await calls.get(result.session_id)

        assert (session["title"], session["environment_id"], session["status"]) == ("go", "", "idle")
        assert (session["agent"]["name"], session["agent"]["version"]) == ("lead", 1)
        assert [agent["name"] for agent in session["agent"]["multiagent"]["agents"]] == ["reader"]
        assert ok(await server.get("/v1/sessions"))["data"][0]["id"] == result.session_id
        assert words(only(await calls.turn(session["id"], "more"), "agent.message")) == "ok"
        refused = await server.post(f"/v1/sessions/{session['id']}", {"agent": {"tools": []}})
        assert (refused.status, refused.error.split(":")[0]) == (400, "agent")


@pytest.mark.difference("sessions-of-programs")
async def test_what_a_program_says_of_agents_that_fail_is_no_field_here_and_holds_all_the_same(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        lead = Agent("lead", model=MODEL, callable_agents=[Agent("b", model=MODEL)], retries=2, join="any")
        result = await server.podium.run(lead, "go")

        session = await calls.get(result.session_id)
        refused = [
            await server.post("/v1/agents", {"name": "a", "model": MODEL, key: 1}) for key in ("retries", "join")
        ]

        shown = {*session["agent"], *session["agent"]["multiagent"]["agents"][0]}
        assert shown.isdisjoint({"retries", "join"})
        assert words(only(await calls.turn(session["id"], "more"), "agent.message")) == "ok"
        assert [(it.status, it.error.split(":")[0]) for it in refused] == [(400, "retries"), (400, "join")]


@pytest.mark.difference("sessions-of-programs")
async def test_functions_of_a_program_are_shown_as_custom_tools_and_run_there(served: Serve) -> None:
    def count(words: list[str], least: int = 1) -> int:
        """Count words."""
        return len(words)

    async with served() as server:
        calls = Calls(server)
        async with Podium(server.podium.folder, models={MODEL: Rehearsal(says_ok)}) as program:
            result = await program.run(Agent("counter", model=MODEL, tools=[count, "bash"]), "go")

        session = await calls.get(result.session_id)
        ok(await calls.send(session["id"], "more"))

        toolset, tool = session["agent"]["tools"]
        assert [config["name"] for config in toolset["configs"] if config["enabled"]] == ["bash"]
        assert (tool["type"], tool["name"], tool["description"]) == ("custom", "count", "Count words.")
        assert (await calls.get(session["id"]))["status"] == "running", "for its program to go on with"
