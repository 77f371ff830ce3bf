"""What a session's agents need is bound anew where they are others than those it was started with."""

from pathlib import Path

import msgspec

from podium import Agent, ModelRequest, Podium, Rehearsal, call, resume
from podium.core.content import text
from podium.core.definitions import SELF
from podium.core.inputs import SendMessage, Update
from podium.models.rehearsal import Said
from podium.needs import describe


class Team:
    """A lead that defines an agent, which looks with a function of the program's."""

    def __init__(self) -> None:
        self.looked: list[str] = []

        def look(at: str) -> str:
            """Look at it."""
            self.looked.append(at)
            return f"saw {at}"

        self.lead = Agent("lead", model="m", tools=[look], inline_agents=True)
        self.models = {"m": Rehearsal(self.says)}

    def says(self, request: ModelRequest) -> Said:
        if request.agent == "scout":
            return call("look", at="the sea") if len(request.messages) == 1 else "I have looked"
        if len(request.messages) == 1:
            return call("create_agent", name="scout", system="Scout.", task="look")
        return "done"


async def test_agent_that_was_defined_looks_with_the_programs_function_also_after_a_resume(tmp_path: Path) -> None:
    team = Team()
    async with Podium(tmp_path, models=team.models) as podium:
        first = await podium.start(team.lead, "go")
        async for record in first.records():
            if record.type == "session.thread_created":
                await first.close()
                break
    assert team.looked == []

    result = await resume(first.id, agents=[team.lead], models=team.models, data=tmp_path)

    assert (result.output, team.looked) == ("done", ["the sea"])
    assert [thread.agent_name for thread in result.threads] == ["lead", "scout"]


async def test_session_whose_agent_was_changed_goes_on_with_the_tools_it_has_now(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def says(request: ModelRequest) -> Said:
        asked.append([offer.name for offer in request.tools if offer.name in ("read", "write")])
        if len(request.messages) == 3:
            return call("write", file_path="note.txt", content="here")
        return "done"

    async with Podium(tmp_path, models={"m": Rehearsal(says)}) as podium:
        first = await podium.start(Agent("solo", model="m", tools=["read"], callable_agents=[SELF]), "go")
        await first.result()
        store = podium.parts.store
        [row] = await store.sessions()
        definition = (await store.definitions(row.agent))[row.agent]
        changed = msgspec.structs.replace(definition, tools=(describe("write", "", {}),))
        await store.admit(first.id, Update(definition=changed, snapshot={}), SendMessage(content=text("more")))
        result = await (await podium.resume(first.id)).result()

    assert asked == [["read"], ["write"], ["write"]]
    assert (result.output, [thread.agent for thread in result.threads]) == ("done", [changed.version])
    assert (tmp_path / "sessions" / first.id / "workdir" / "note.txt").read_text() == "here"
