"""A thread that calls its tools as the engine does: the input is checked, and what was seen is remembered."""

from podium.core.content import plain
from podium.core.json import JSON
from podium.core.ports import Sandbox, ToolCall, ToolOutcome
from podium.core.schema import misfit
from podium.tools import BUILT_IN


class Thread:
    """One thread: its sandbox and the files it has seen."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.seen: dict[str, str] = {}

    async def call(self, name: str, **given: JSON) -> ToolOutcome:
        """A call's outcome, as it comes."""
        tool = BUILT_IN[name]
        assert misfit(tool.input_schema, given) is None
        outcome = await tool.run(ToolCall(id="call", name=name, input=given, seen=self.seen), self.sandbox)
        self.seen.update(outcome.seen)
        return outcome

    async def does(self, name: str, **given: JSON) -> str:
        """The text of a call that works."""
        outcome = await self.call(name, **given)
        assert not outcome.is_error, plain(outcome.content)
        return plain(outcome.content)

    async def fails(self, name: str, **given: JSON) -> str:
        """The text of a call that does not."""
        outcome = await self.call(name, **given)
        assert outcome.is_error, plain(outcome.content)
        plain(outcome.content).encode()
        return plain(outcome.content)
