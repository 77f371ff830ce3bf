"""The first records of a session."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from podium.core.content import Content, plain, text
from podium.core.definitions import Concurrency, Definition, SessionLimits
from podium.core.events import ErrorDetail, RetryStatus, SessionError, SessionRunning, UserMessage
from podium.core.facts import SessionCreated, SessionSettings
from podium.core.json import JSON
from podium.core.moment import Moment
from podium.core.ports import NewSession
from podium.core.rows import About
from podium.core.session import SessionState

MOST_TITLE = 200  # characters


def settings_of(
    limits: SessionLimits,
    concurrency: Concurrency,
    *,
    workdir: str = "",
    mounts: tuple[dict[str, JSON], ...] = (),
    has_prices: bool = False,
) -> SessionSettings:
    """What a session is started with, as its log holds it."""
    return SessionSettings(
        workdir=workdir,
        mounts=mounts,
        turns=limits.turns,
        seconds=limits.seconds,
        tokens=limits.tokens,
        usd=limits.usd if isinstance(limits.usd, Decimal) else None,
        depth=limits.depth,
        live_threads=limits.live_threads,
        session_calls=concurrency.session,
        model_calls=dict(concurrency.models),
        provider_calls=dict(concurrency.providers),
        has_prices=has_prices,
    )


def open_session(
    id: str,
    definition: Definition,
    definitions: Mapping[str, Definition],
    *tasks: str | Content,
    settings: SessionSettings,
    needs: Sequence[str],
    program: str,
    at: Moment,
    about: About | None = None,
    environment: str = "",
    workspace: str = "default",
    notes: Sequence[str] = (),
    input: JSON = None,
) -> tuple[SessionState, NewSession]:
    """A session whose primary thread has the tasks queued and works: its state, and what a store is to create.

    Shape: without a task it is idle, and nobody drives it. Without `about` the first task names it. `notes` are what
    its clients are to know of it from the beginning, `input` what its workflow is called with.
    """
    contents = [text(task) if isinstance(task, str) else task for task in tasks]
    primary = at.thread_id()
    if about is None:
        about = About(" ".join(plain(contents[0]).split())[:MOST_TITLE] if contents else "")
    about = replace(about, budget=settings.usd)
    created = SessionCreated(
        agent=definition.version,
        title=about.title,
        settings=settings,
        needs=tuple(needs),
        program=program,
        metadata=about.metadata,
        environment=environment,
        input=input,
    )
    at.private(primary, created)
    for note in notes:
        error = ErrorDetail("unknown_error", note, RetryStatus("retrying"))  # the one kind that ends nothing
        at.own(primary, SessionError(id=at.event_id(), processed_at=at.now, error=error))
    for content in contents:
        at.own(primary, UserMessage(id=at.event_id(), processed_at=None, content=content))
    if contents:
        at.own(primary, SessionRunning(id=at.event_id(), processed_at=at.now))
        at.thread_running(primary, primary, definition.name)
    state, drafts = SessionState(id, definitions), at.take()
    for draft in drafts:
        state.apply(draft.thread, draft.at, draft.event)
    new = NewSession(
        id=id,
        about=about,
        agent=definition.version,
        agent_name=definition.name,
        needs=tuple(needs),
        program=program,
        drafts=drafts,
        changes=state.changes(),
        definitions=definitions,
        workspace=workspace,
        environment=environment,
        has_prices=settings.has_prices,
        is_driven=bool(contents),
    )
    return state, new
