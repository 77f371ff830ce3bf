"""Sessions that run a workflow, as clients of the server see them: events, threads, confirmations, what is refused.

Source: the Managed Agents API, sections C.6, D.4 and D.6. Everything is held against the SDK's types.
"""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podium import Agent, Podium, Rehearsal, WorkflowRun, workflow
from podium.errors import NeedsUnmet
from podium.flows import workflow_for
from podium.patterns import Plan, Step
from podium.patterns.planned import to_run
from podium.patterns.staged import of_stages
from podium.workflows.workflow import Workflow
from tests.api.calls import Calls, allowed, kinds, of, ok, only, told
from tests.api.server import Serve

writer, sender = Agent("writer", model="m"), Agent("sender", model="m")


@workflow
async def letter(run: WorkflowRun, name: str) -> str:
    """Write a letter."""
    run.phase("writing")
    draft = await run.agent(writer, f"Write to {name}")
    run.phase("sending")
    await run.checkpoint("Send it", payload={"body": draft.output})
    if name == "nobody":
        raise ValueError("there is nobody")
    return (await run.agent(sender, "Send it")).text


MODELS = {"m": Rehearsal(lambda request: f"{request.agent} is done")}


async def started(folder: Path, name: str) -> str:
    """A session that waits at its checkpoint."""
    async with Podium(folder, models=MODELS) as podium:
        result = await podium.run(letter, name)
        assert result.stop_reason == "requires_action"
        return result.session_id


async def resumed(folder: Path, session: str) -> Any:
    async with Podium(folder, models=MODELS) as podium:
        return await (await podium.resume(session, workflow=letter)).result()


async def test_runs_are_told_confirmed_and_come_to_their_end(served: Serve, tmp_path: Path) -> None:
    session = await started(tmp_path / "data", "Ada")
    async with served() as server:
        calls = Calls(server)
        events = await calls.listed(session)
        created = only(events, "workflow_run.created")
        run = created["workflow_run_id"]
        assert run.startswith("wrun_")
        assert (created["name"], created["description"]) == ("letter", "Write a letter.")
        assert [phase["name"] for phase in created["phases"]] == ["writing", "sending"]
        assert [kind for kind in kinds(events) if kind.startswith("workflow_run")] == [
            "workflow_run.created",
            "workflow_run.status_running",
            "workflow_run.phase_started",
            "workflow_run.phase_ended",
            "workflow_run.phase_started",
            "workflow_run.status_idle",
        ]
        assert only(events, "session.thread_created")["workflow_run_id"] == run
        child = await calls.child(session)
        assert (child["workflow_run_id"], child["status"]) == (run, "terminated")
        assert (await calls.get(session))["agent"]["name"] == "letter"

        use = only(events, "agent.tool_use")
        assert use["input"] == {"description": "Send it", "payload": {"body": "writer is done"}}
        async with calls.stream(f"{session}/events/stream") as stream:
            ok(await calls.send(session, allowed(use["id"])))
            assert (await resumed(tmp_path / "data", session)).output == "sender is done"
            live = await stream.until_idle()
        ended = only(live, "workflow_run.status_ended")
        assert (ended["workflow_run_id"], ended["result"]) == (run, {"type": "completed"})
        assert kinds(live).index("workflow_run.status_running") < kinds(live).index("workflow_run.status_ended")


async def test_what_belongs_to_an_open_run_is_not_put_away(served: Serve, tmp_path: Path) -> None:
    session = await started(tmp_path / "data", "Ada")
    async with served() as server:
        calls = Calls(server)
        child = await calls.child(session)
        refused = [
            await server.post(f"/v1/sessions/{session}/archive"),
            await server.delete(f"/v1/sessions/{session}"),
            await server.post(f"/v1/sessions/{session}/threads/{child['id']}/archive"),
        ]
        assert [answer.status for answer in refused] == [400] * 3
        assert [answer.json["error"]["details"]["error_code"] for answer in refused] == ["workflow_run_open"] * 3

        answer = await calls.send(session, told("hello"))
        assert (answer.status, "runs a workflow, which takes no messages" in answer.error) == (400, True)


async def test_a_run_that_fails_says_why_before_it_ends(served: Serve, tmp_path: Path) -> None:
    session = await started(tmp_path / "data", "nobody")
    async with served() as server:
        calls = Calls(server)
        use = only(await calls.listed(session), "agent.tool_use")
        ok(await calls.send(session, allowed(use["id"])))
        await resumed(tmp_path / "data", session)
        events = await calls.listed(session)
        error = only(events, "workflow_run.error")["error"]
        assert error["type"] == "program_error"
        assert error["message"].startswith("ValueError: there is nobody")
        assert only(events, "workflow_run.status_ended")["result"] == {"type": "error", "error": error}
        assert kinds(events).index("workflow_run.error") < kinds(events).index("workflow_run.status_ended")
        assert of(events, "session.status_idle")[-1]["stop_reason"]["type"] == "retries_exhausted"
        ok(await server.post(f"/v1/sessions/{session}/archive"))


async def test_the_server_runs_no_workflow_and_says_who_does(served: Serve, tmp_path: Path) -> None:
    session = await started(tmp_path / "data", "Ada")
    async with served() as server:
        calls = Calls(server)
        use = only(await calls.listed(session), "agent.tool_use")
        ok(await calls.send(session, allowed(use["id"])))
        unmet = None
        for _ in range(200):
            if unmet := server.server.serving.unmet.get(session):
                break
            await asyncio.sleep(0.02)
        assert "this session runs the workflow 'letter'" in str(unmet)
        assert (await calls.get(session))["status"] == "running"


SCRIPT = """
import asyncio
from pathlib import Path

async def reply(request):
    while not (Path(__file__).parent / "go").exists():
        await asyncio.sleep(0.01)
    return f"{request.agent} is done"
"""


TEAM = {"writer": writer, "sender": sender}
STEPS = (Step(id="draft", agent="writer", task="Write."), Step(id="last", agent="sender", task="Send."))
STAGES = [
    {"name": "draft", "agent": "writer", "context": []},
    {"name": "last", "agent": "sender", "context": ["draft"]},
]


@pytest.mark.parametrize(
    ("workflow", "input"),
    [
        to_run(Plan(task="Write\nand send", steps=STEPS), TEAM, ""),
        (of_stages("letters", TEAM, STAGES), "Write\nand send"),
    ],
    ids=["plan", "stages"],
)
async def test_what_is_frozen_and_its_process_left_is_driven_on_by_the_server(
    served: Serve, tmp_path: Path, workflow: Workflow, input: Any
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    async with Podium(tmp_path / "data") as podium:
        run = await podium.start(workflow, input, rehearsal="script.py:reply", rehearsal_folder=tmp_path)
    (tmp_path / "go").touch()

    async with served() as server:
        calls = Calls(server)
        async with calls.stream(f"{run.id}/events/stream") as stream:
            await stream.until_idle()
        ended = only(await calls.listed(run.id), "workflow_run.status_ended")
        assert ended["result"] == {"type": "completed"}
        assert server.server.serving.unmet == {}
        first = of(await calls.listed(run.id), "user.message")[0]
        assert first["content"] == [{"type": "text", "text": "Write\nand send"}]


async def test_a_workflow_of_podiums_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    row: Any = SimpleNamespace(id="sesn_1", program="", needs=("workflow:podium.patterns.planned:plotted@1",))

    with pytest.raises(NeedsUnmet, match="own workflow 'plotted', which this version of it has not"):
        workflow_for(row, None, imports=False)
