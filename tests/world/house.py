"""A model server that misbehaves, and sessions that meet it as users' sessions do: by podium.toml, over a socket."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podium import Podium
from podium.analysis.trace import trace
from podium.cli.picture import picture
from podium.core.content import plain
from podium.core.events import AgentMessage
from podium.core.ports import Clock
from podium.running import RunResult
from tests.models.server import Answer, MessagesServer, Received

CONFIG = """
default_provider = "house"

[providers.house]
base_url = "{url}"
{provider}
{models}
"""
IMPATIENT = "deadlines = {first_event_s = 0.5, progress_s = 0.5}"


def configured(folder: Path, url: str, *, provider: str = "", models: str = "") -> Path:
    """A podium.toml whose only provider answers there."""
    file = folder / "podium.toml"
    file.write_text(CONFIG.format(url=url, provider=provider, models=models))
    return file


@asynccontextmanager
async def house(
    folder: Path, server: MessagesServer, clock: Clock, *, provider: str = "", models: str = ""
) -> AsyncIterator[Podium]:
    """A data folder in this folder, whose models are the server's."""
    config = configured(folder, server.url, provider=provider, models=models)
    async with Podium(folder / "data", config=config, clock=clock) as podium:
        yield podium


def by_agent(**answers: Iterable[Answer]) -> Callable[[Received], Answer]:
    """A script: each agent, known by its system prompt "You are NAME.", gets its own answers in order."""
    left = {name: list(those) for name, those in answers.items()}

    def answer(request: Received) -> Answer:
        [name] = [name for name in left if f"You are {name}." in request.raw.decode()]
        return left[name].pop(0)

    return answer


def shown(result: RunResult) -> str:
    """What `podium show` draws of the session."""
    made = trace(result.records)
    until = made.last_at
    assert until is not None
    return "\n".join(picture(made, result.stop_reason, until, 200, most=None, for_all=""))


def words(result: RunResult) -> list[str]:
    """The text of each agent.message, in order."""
    return [plain(record.event.content) for record in result.records if isinstance(record.event, AgentMessage)]


def results_in(request: Received) -> list[dict[str, Any]]:
    """The tool results in the last message of a request."""
    blocks = request.body["messages"][-1]["content"]
    return [block for block in blocks if block["type"] == "tool_result"]
