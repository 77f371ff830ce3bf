"""What a program may pass by mistake, each with a message its author can act on."""

from pathlib import Path
from typing import Any

import pytest

from podium import Agent, Limits, Mount, Podium, PodiumError, Rehearsal, SessionLimits, run_sync
from podium.errors import BadInput

SOLO = Agent("solo", model="m")
DONE = Rehearsal(lambda request: "done")


class NoProvider:
    async def reply(self, request: object) -> str:
        return "hi"


def folders(path: Path) -> list[Path]:
    return list(path.glob("*"))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"task": 5}, "the task must be a text, or a list"),
        ({"task": "  "}, "the task is empty"),
        ({"task": "\udce9"}, "not UTF-8"),
        ({"models": [DONE]}, "models must map names to model objects"),
        ({"models": {"m": lambda request: "hi"}}, "is a function; wrap it: Rehearsal"),
        ({"models": {"m": Rehearsal}}, "is a class; pass an object of it"),
        ({"models": {"m": NoProvider()}}, "must have 'provider'"),
        ({"models": {"n": DONE}}, "Did you mean|ANTHROPIC_API_KEY"),
        ({"limits": Limits(turns=3)}, "limits of a session are SessionLimits"),
        ({"limits": {"turns": 3}}, "limits of a session are SessionLimits"),
        ({"concurrency": {"session": 3}}, "concurrency is Concurrency"),
        ({"mounts": ["./x:/x"]}, "mounts is a list of Mount"),
        ({"mounts": Mount(Path("/tmp"), at="/x")}, "mounts is a list of Mount"),
        ({"mounts": [Mount(Path("/tmp"), at="/usr")]}, "/usr is the sandbox's own"),
        ({"mounts": [Mount(Path("/nowhere"), at="/x")]}, "does not exist"),
        ({"workdir": "/nowhere"}, "does not exist; create it first"),
        ({"workdir": "/tmp/d\udce9"}, "is not UTF-8; rename the folder"),
    ],
)
async def test_what_start_cannot_use_is_refused_and_nothing_is_created(
    tmp_path: Path, how: dict[str, Any], says: str
) -> None:
    task = how.pop("task", "go")
    models = how.pop("models", {"m": DONE})
    async with Podium(tmp_path / "data") as podium:
        with pytest.raises(PodiumError, match=says):
            await podium.start(SOLO, task, models=models, **how)
        with pytest.raises(PodiumError, match=says):
            await podium.check(SOLO, task, models=models, **how)
        assert await podium.parts.store.sessions() == []


async def test_what_start_takes_is_checked_without_a_trace(tmp_path: Path) -> None:
    async with Podium(tmp_path / "data", models={"m": DONE}) as podium:
        await podium.check(Agent("solo", model="m", tools=["read"]), "go")

        assert await podium.parts.store.sessions() == []
    assert [path.name for path in folders(tmp_path / "data/sessions")] == []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"system": "\udcff"}, "UTF-8"),
        ({"tools": None}, "are lists"),
        ({"tools": "bash"}, "are lists"),
        ({"limits": SessionLimits(turns=3)}, "limits must be Limits"),
        ({"limits": {"turns": 3}}, "limits must be Limits"),
    ],
)
def test_what_an_agent_cannot_be_made_of_is_refused(how: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Agent("a", model="m", **how)


def test_mount_takes_a_text_for_its_path_and_nothing_that_is_none() -> None:
    assert Mount("/tmp", at="/x").path == Path("/tmp")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="takes the path of a folder"):
        Mount(3, at="/x")  # type: ignore[arg-type]


class Broken:
    """A tool object that lacks what the port asks for."""

    name = "broken"
    input_schema = {"type": "object"}  # noqa: RUF012  # as its author would write it

    async def run(self, call: object, sandbox: object) -> None: ...


class NoSchema(Broken):
    description, idempotent, needs_sandbox = "d", False, False
    input_schema = {"type": "objekt"}  # noqa: RUF012


@pytest.mark.parametrize(("tool", "says"), [(Broken(), "must have 'description'"), (NoSchema(), "not a JSON Schema")])
async def test_tool_object_that_is_none_is_refused(tmp_path: Path, tool: object, says: str) -> None:
    async with Podium(tmp_path, models={"m": DONE}) as podium:
        with pytest.raises(BadInput, match=says):
            await podium.start(Agent("a", model="m", tools=[tool]), "go")


@pytest.mark.parametrize(("message", "says"), [(5, "must be a text"), (" ", "is empty"), ("\udce9", "not UTF-8")])
async def test_message_that_cannot_be_used_is_refused_and_not_queued(tmp_path: Path, message: Any, says: str) -> None:
    async with Podium(tmp_path, models={"m": DONE}) as podium:
        run = await podium.start(SOLO, "go")
        await run.result()
        head = (await podium.parts.store.session(run.id)).head
        for send in (run.send(message), podium.send(run.id, message)):
            with pytest.raises(BadInput, match=says):
                await send
        assert (await podium.parts.store.session(run.id)).head == head


async def test_run_sync_inside_a_loop_names_the_call_to_make() -> None:
    with pytest.raises(PodiumError, match="write `await run"):
        run_sync(Agent("solo", model="m"), "go", models={"m": DONE})


async def test_what_is_no_agent_is_refused(tmp_path: Path) -> None:
    async with Podium(tmp_path) as podium:
        with pytest.raises(PodiumError, match="the first argument is an Agent"):
            await podium.run("boss", "go")  # type: ignore[arg-type]
