"""One model call: its place in the queue, the request, the reply or why there is none."""

import msgspec

from podium.core.content import TextBlock
from podium.core.moment import Moment
from podium.core.ports import Model, ModelRequest, Reply, ToolOffer
from podium.core.records import AttemptFailed, ModelRequestEnd, ModelRequestStart, Usage
from podium.core.thread import ThreadState
from podium.errors import ModelFailed


def record_start(thread: ThreadState, at: Moment) -> None:
    """Record that a model call begins: committed before it is made."""
    at.own(thread.id, ModelRequestStart(id=at.event_id(), processed_at=at.now))


async def call_model(model: Model, thread: ThreadState, offers: tuple[ToolOffer, ...]) -> Reply:
    """One reply to the thread's transcript.

    Errors: ModelFailed, whatever the model raised.
    """
    definition = thread.definition
    request = ModelRequest(
        agent=definition.name,
        model=definition.model,
        system=definition.system,
        tools=offers,
        messages=thread.transcript.sent(),
    )
    try:
        reply = await model.reply(request)
    except ModelFailed:
        raise
    except Exception as error:  # the edge: a model may raise anything, and only its own thread fails
        raise ModelFailed(f"{type(error).__name__}: {error}") from error
    return _accept(reply, definition.model)


_reply_decoder = msgspec.json.Decoder(Reply)


def _accept(reply: object, model: str) -> Reply:
    """The reply as it can be recorded: JSON through and through.

    Errors: ModelFailed, for what is no reply or has no JSON form.
    """
    if isinstance(reply, str):
        reply = Reply((TextBlock(reply),))
    if not isinstance(reply, Reply):
        raise ModelFailed(f"model '{model}' must return a Reply or a text, not {type(reply).__name__}")
    try:
        return _reply_decoder.decode(msgspec.json.encode(reply))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ModelFailed(f"model '{model}' gave a reply that has no JSON form: {error}") from None


def record_failure(thread: ThreadState, error: ModelFailed, at: Moment) -> None:
    """Record that the call gave no reply, and why."""
    assert thread.span is not None
    at.private(thread.id, AttemptFailed(span=thread.span, reason=str(error)))
    at.own(
        thread.id,
        ModelRequestEnd(
            id=at.event_id(),
            processed_at=at.now,
            model_request_start_id=thread.span,
            is_error=True,
            model_usage=Usage(),
        ),
    )
