"""Models without a model: a script decides what to call, no key is needed and no token is spent.

`Rehearsal` asks a function of yours, which must be pure: the same request, the same reply. `Generated` makes replies up
from schemas and rosters, the same ones for the same seed.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from podium.core.content import TextBlock, ToolUseBlock
from podium.core.definitions import SUBMIT
from podium.core.events import Usage
from podium.core.json import JSON
from podium.core.ports import ModelRequest, Reply
from podium.errors import ModelFailed
from podium.models.generate import generate

Block = TextBlock | ToolUseBlock
Said = Reply | str | Block | Sequence[Block]
Script = Callable[[ModelRequest], Said | Awaitable[Said]]


def call(name: str, /, **given: JSON) -> ToolUseBlock:
    """A call of a tool or an agent, for a script's reply."""
    return ToolUseBlock("", name, given)


def say(text: str) -> TextBlock:
    """A text, for a script's reply."""
    return TextBlock(text)


class Rehearsal:
    """A model whose replies come from a function of the request.

    Shape: the function returns a Reply, a text, a block, or several blocks (`say(...)`, `call(...)`); it may be async.
    Where it gives no usage, tokens are estimated as a quarter of the characters sent and answered.
    """

    provider = "rehearsal"

    def __init__(self, script: Script) -> None:
        self._script = script

    async def reply(self, request: ModelRequest) -> Reply:
        said = self._script(request)
        if inspect.isawaitable(said):
            said = await said
        reply = _as_reply(said)
        if reply.usage == Usage():
            reply = msgspec.structs.replace(reply, usage=estimate(request, reply))
        return reply


class Generated:
    """A model that makes its replies up: a coordinator calls everyone on its roster once, then sums up.

    Shape: the same seed and request give the same reply. It calls agents, and gives the structured result it owes; it
    calls no other tools, since made-up inputs to real tools do harm.
    """

    provider = "rehearsal"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    async def reply(self, request: ModelRequest) -> Reply:
        offered = {offer.name: offer for offer in request.tools}
        submit = offered.pop(SUBMIT, None)
        agents = [offer for offer in offered.values() if offer.is_agent]
        blocks: list[Block] = []
        if len(request.messages) == 1 and agents and request.may_call:
            blocks = [call(agent.name, **self._make(request, agent.input_schema)) for agent in agents]
        elif submit is not None and request.may_call:
            blocks = [call(submit.name, **self._make(request, submit.input_schema))]
        else:
            blocks = [say(f"(rehearsed) {request.agent} is done.")]
        reply = Reply(tuple(blocks))
        return msgspec.structs.replace(reply, usage=estimate(request, reply))

    def _make(self, request: ModelRequest, schema: dict[str, JSON]) -> dict[str, JSON]:
        value = generate(schema, f"{self._seed}/{request.agent}")
        assert isinstance(value, dict)
        return value


def estimate(request: ModelRequest, reply: Reply) -> Usage:
    """Tokens of a call, taken as a quarter of the characters."""
    sent = len(request.system) + sum(_size(block) for message in request.messages for block in message.content)
    return Usage(input_tokens=sent // 4 + 1, output_tokens=sum(_size(block) for block in reply.content) // 4 + 1)


def _size(block: object) -> int:
    return len(block.text) if isinstance(block, TextBlock) else len(msgspec.json.encode(block))


def _as_reply(said: object) -> Reply:
    if isinstance(said, Reply):
        return said
    if isinstance(said, str):
        return Reply((TextBlock(said),))
    blocks = (said,) if isinstance(said, TextBlock | ToolUseBlock) else said
    if not isinstance(blocks, Sequence) or not all(isinstance(block, TextBlock | ToolUseBlock) for block in blocks):
        raise ModelFailed(
            f"the rehearsal returned {said!r:.200}; it must return a text, a Reply, or blocks made by say() and call()"
        )
    is_calling = any(isinstance(block, ToolUseBlock) for block in blocks)
    return Reply(tuple(blocks), "tool_use" if is_calling else "end_turn")
