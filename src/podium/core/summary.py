"""How a long thread's context is shortened: the model itself says what it needs to go on."""

from collections.abc import Sequence

import msgspec

from podium.core.content import Block, Message, TextBlock, ToolResultBlock, text

SUMMARIZE = (
    "Your context is nearly full, and will be replaced by a summary that you write now. You will see nothing else of "
    "what came before but your task. Write down what you need to go on: the task and what is asked of you in the end; "
    "what is done, with the results and decisions that matter; what is open, in order; every file path, id, name and "
    "figure you will need again; what was tried and did not work. Call nothing. Answer with the summary alone."
)
BYTES_PER_TOKEN = 3
ROOM = 0.7  # of the context window, for what is to be summarized
KEPT_CHARACTERS = 400  # of an old result that must give way


def to_summarize(messages: Sequence[Message], window: int | None) -> list[Message]:
    """What the model is sent to summarize: the messages, with the instruction behind them.

    Shape: where they would not fit, long results give way, the oldest first.
    Units: `window` in tokens; None is not known, and half of what there is must do.
    """
    sizes = [len(msgspec.json.encode(message)) for message in messages]
    most = int(window * ROOM * BYTES_PER_TOKEN) if window is not None else sum(sizes) // 2
    excess = sum(sizes) - most
    sent = []
    for message, size in zip(messages, sizes, strict=True):
        if excess > 0:
            message = Message(message.role, tuple(_shortened(block) for block in message.content))
            excess -= size - len(msgspec.json.encode(message))
        sent.append(message)
    asked = text(SUMMARIZE)
    if sent and sent[-1].role == "user":
        sent[-1] = Message("user", (*sent[-1].content, *asked))
    else:
        sent.append(Message("user", asked))
    return sent


def _shortened(block: Block) -> Block:
    match block:
        case ToolResultBlock():
            said = "\n".join(part.text for part in block.content if isinstance(part, TextBlock))
            return ToolResultBlock(block.tool_use_id, text(_cut(said)), block.is_error)
        case TextBlock() if len(block.text) > 10 * KEPT_CHARACTERS:
            return TextBlock(_cut(block.text))
        case _:
            return block


def _cut(said: str) -> str:
    if len(said) <= KEPT_CHARACTERS:
        return said
    return f"{said[:KEPT_CHARACTERS]} [... {len(said) - KEPT_CHARACTERS:,} characters left out ...]"
