"""What a delegation spawns: a child thread with its task, in the foreground or in the background.

Its agent is one of the roster, or one that the call itself defines.
"""

from podium.core.content import text
from podium.core.definitions import SELF, Definition
from podium.core.events import ThreadCreated
from podium.core.facts import CallLimits, DelegationOpened
from podium.core.inline import define, unfit_name
from podium.core.json import JSON, canonical
from podium.core.messages import message_events
from podium.core.moment import Moment
from podium.core.schema import misfit
from podium.core.session import SessionState
from podium.core.standing import terminate
from podium.core.thread import ThreadState


def task_text(schema: dict[str, JSON] | None, given: dict[str, JSON]) -> str:
    """What the child is told: the task with its context, or the structured input as JSON."""
    if schema is not None:
        return canonical(given).decode()
    parts = [str(given["task"])]
    if given.get("context"):
        parts.append(f"Context:\n{given['context']}")
    if given.get("expected_output"):
        parts.append(f"Expected output:\n{given['expected_output']}")
    return "\n\n".join(parts)


class Spawner:
    """Opens the children that one reply asks for: each is decided on the fold, with those before it applied."""

    def __init__(self, session: SessionState, thread: ThreadState, at: Moment) -> None:
        self._session = session
        self._thread = thread
        self._at = at

    def open(
        self, call: str, tool: str, version: str, given: dict[str, JSON], limits: CallLimits | None = None
    ) -> None:
        """Record the child with its first message, or the refusal as the call's result."""
        version = self._resolved(version)
        if not self._refuses(call, self._misfit(tool, version, given)):
            self._spawn(call, version, given, limits=limits)

    def start(self, call: str, tool: str, version: str, given: dict[str, JSON], limits: CallLimits) -> None:
        """Record a child in the background, and its thread as the call's result; or the refusal."""
        version = self._resolved(version)
        if not self._refuses(call, self._misfit(tool, version, given)):
            self._spawn(call, version, given, background=True, limits=limits)

    def create(self, call: str, given: dict[str, JSON]) -> None:
        """Record a child of the agent that the call defines, or the refusal; the input fits its schema."""
        if not self._refuses(call, unfit_name(given["name"])):
            defined = define(self._thread.definition, given)
            self._spawn(call, defined.version, given, background=given.get("background", False), defined=defined)

    def _resolved(self, version: str) -> str:
        return self._thread.agent if version == SELF else version

    def _spawn(
        self,
        call: str,
        version: str,
        given: dict[str, JSON],
        *,
        background: bool = False,
        limits: CallLimits | None = None,
        defined: Definition | None = None,
    ) -> None:
        session, thread, at = self._session, self._thread, self._at
        definition = defined or session.definitions[version]
        child, name = at.thread_id(), definition.name
        content = text(task_text(definition.input_schema, given))
        opened = DelegationOpened(
            call=call,
            thread=child,
            agent=version,
            agent_name=name,
            depth=thread.depth + 1,
            input=given,
            background=background,
            limits=limits or CallLimits(),
            definition=defined,
        )
        at.private(thread.id, opened)
        session.fold(at)  # so that the child is there
        created = ThreadCreated(
            id=at.event_id(),
            processed_at=at.now,
            session_thread_id=child,
            agent_name=name,
            workflow_run_id=session.threads[child].workflow_run or None,
        )
        at.on_primary(child, created)
        # Source: the Managed Agents API, sections C.7 and D.3: the task comes first in the child's own stream, and in
        # the session's it follows on the child's status.
        sent, received = message_events(thread, session.threads[child], content, at)
        at.own(child, received)
        at.thread_running(child, session.primary, name)
        at.own(thread.id, sent)
        if background:
            said = f"agent '{name}' works in thread {child}; its report will come as a message"
            at.answer(thread.id, call, said)

    def _misfit(self, tool: str, version: str, given: dict[str, JSON]) -> str | None:
        wrong = misfit(self._session.definitions[version].called_with(), given)
        return (
            None if wrong is None else f"the input does not fit the schema of '{tool}': {wrong}. Nothing was started."
        )

    def _refuses(self, call: str, wrong: str | None) -> bool:
        """Whether no child can be opened for the call: what is `wrong` with it, or a limit, is its result then."""
        refusal = wrong or self._limit()
        if refusal is not None:
            self._at.answer(self._thread.id, call, refusal, is_error=True)
        return refusal is not None

    def _limit(self) -> str | None:
        depth = self._session.settings.depth
        if self._thread.depth >= depth:
            return f"limits.depth is {depth}: an agent this deep cannot delegate further. Do the work yourself."
        most = self._session.settings.live_threads
        if self._thread.definition.program or self._thread.workflow_run:
            most = None  # Source: the Managed Agents API, section D.3: threads of workflow runs are exempt
        if most is not None and not self._make_room(most):
            return f"limits.live_threads is {most}, and all of them are working. Call again when one has reported."
        return None

    def _make_room(self, most: int) -> bool:
        """Whether one more thread may live; the child that has been idle longest gives way if need be."""
        living = [
            thread
            for thread in self._session.threads.values()
            if thread.parent is not None and thread.status != "terminated" and not thread.workflow_run
        ]
        if len(living) < most:
            return True
        idle = [thread for thread in living if not (thread.is_open or self._has_work_below(thread))]
        if not idle:
            return False
        longest = min(idle, key=lambda thread: thread.status_since)
        terminate(self._session, longest, self._at)
        return True

    def _has_work_below(self, thread: ThreadState) -> bool:
        return any(child.is_open or self._has_work_below(child) for child in self._session.children(thread))
