"""Money before a model call: what is reserved for it, at every level whose limit it could break.

What is reserved counts as spent until the call is over, so that threads in parallel cannot overshoot together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from podium.core.content import Block, DocumentBlock, ImageBlock, TextBlock, ToolResultBlock
from podium.core.facts import LimitMet
from podium.core.limits import usd_limits
from podium.core.money import HAND_OVER_TOKENS, MILLION, Price
from podium.core.ports import ToolOffer
from podium.core.rows import ZERO
from podium.core.session import SessionState
from podium.core.thread import ThreadState

FEWEST_TOKENS = 1024  # of output, below which a call is not worth making
BYTES_PER_TOKEN = 2.5  # few for text, so that an estimate is rather too high
IMAGE_TOKENS = 5_000
PAGE_BYTES, PAGE_TOKENS = 20_000, 3_000  # of documents that are no plain text


@dataclass(frozen=True, slots=True)
class Reserved:
    """The call may be made, with this much output, and this much is set aside for it."""

    usd: Decimal
    max_tokens: int


@dataclass(frozen=True, slots=True)
class NotYet:
    """It may fit once calls under way have come to cost less than what is set aside for them."""


@dataclass(frozen=True, slots=True)
class OverBudget:
    """It cannot fit any more."""

    met: LimitMet


def reserve(
    session: SessionState, thread: ThreadState, price: Price, input_tokens: int, max_tokens: int, *, is_last: bool
) -> Reserved | NotYet | OverBudget:
    """What may be spent on a call that reads and writes so many tokens at most.

    Shape: `is_last` if it is the turn that hands over, which what was kept back pays for.
    """
    kept = ZERO if is_last else price.most(input_tokens, HAND_OVER_TOKENS)
    wanted, least = price.most(input_tokens, max_tokens), price.most(input_tokens, FEWEST_TOKENS)
    allowed = wanted
    for limit in usd_limits(session, thread):
        room = limit.limit - limit.spent - limit.reserved - kept
        if wanted <= room:
            continue
        if limit.reserved > 0 and least <= limit.limit - limit.spent - kept:
            return NotYet()
        if least > room:
            return OverBudget(LimitMet("usd", limit.of, float(limit.limit), float(limit.spent), float(least + kept)))
        allowed = min(allowed, room)
    if allowed == wanted:
        return Reserved(wanted, max_tokens)
    output = int((allowed - price.most(input_tokens, 0)) * MILLION / price.output) if price.output else max_tokens
    clamped = max(FEWEST_TOKENS, min(max_tokens, output))
    return Reserved(price.most(input_tokens, clamped), clamped)


def estimate_input(thread: ThreadState, offers: Sequence[ToolOffer]) -> int:
    """Tokens that the thread's next call will be counted as, rather too many than too few.

    Shape: what the last call read and wrote is known; only what came after it is estimated.
    """
    new = _tokens(thread.transcript.unsent())
    if thread.context_tokens:
        return thread.context_tokens + new
    fixed = len(msgspec.json.encode((thread.definition.system, offers)))
    before = sum(_tokens(message.content) for message in thread.transcript.sent())
    return int(fixed / BYTES_PER_TOKEN) + before + new + 100


def _tokens(blocks: Iterable[Block]) -> int:
    return sum(_block_tokens(block) for block in _flat(blocks))


def _flat(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, ToolResultBlock):
            yield from block.content
        yield block


def _block_tokens(block: Block) -> int:
    match block:
        case TextBlock():
            return int(len(block.text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + 10
        case ToolResultBlock():
            return 20  # its content was counted
        case ImageBlock():
            return IMAGE_TOKENS
        case DocumentBlock(source=source):
            data = str(source.get("data", ""))
            is_text = source.get("type") == "text"
            return int(len(data) / BYTES_PER_TOKEN) if is_text else (len(data) // PAGE_BYTES + 1) * PAGE_TOKENS
        case _:
            return int(len(msgspec.json.encode(block)) / BYTES_PER_TOKEN) + 10
