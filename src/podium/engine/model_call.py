"""One model call: its place in the queue, the request, the reply or why there is none."""

import asyncio

from podium.core.moment import Moment
from podium.core.ports import Model, ModelRequest, Reply, ToolOffer
from podium.core.records import ModelRequestStart
from podium.core.thread import ThreadState
from podium.engine.acceptance import accept_reply, is_cancelled, mended
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
        return accept_reply(await model.reply(request))
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise ModelFailed("CancelledError: the model cancelled its own call") from error
    except (Exception, SystemExit) as error:  # the edge: a model may raise anything, and only its own thread fails
        said = str(error) if isinstance(error, ModelFailed) else f"{type(error).__name__}: {error}"
        raise ModelFailed(mended(said)) from error
