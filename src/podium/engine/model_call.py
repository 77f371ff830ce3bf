"""One model call: its place in the queue, the request, the reply or why there is none."""

import asyncio
import traceback

from podium.core.events import ModelRequestStart
from podium.core.moment import Moment
from podium.core.ports import Model, ModelRequest, Reply, ToolOffer
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
        said = await model.reply(request)
        if is_cancelled():  # the model swallowed it
            raise asyncio.CancelledError
        return accept_reply(said)
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise ModelFailed("CancelledError: the model cancelled its own call") from error
    except (Exception, SystemExit) as error:  # the edge: a model may raise anything, and only its own thread fails
        reason = str(error) if isinstance(error, ModelFailed) else f"{type(error).__name__}: {error}"
        raise ModelFailed(mended(reason), _place(error)) from error


def _place(error: BaseException) -> str:
    """Where it was raised: in a script, that is the line to look at."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({last.filename}:{last.lineno})"
