"""Public events: exactly what the Managed Agents API sends.

Source: the Managed Agents API, event kinds and fields (sections C.1 to C.6 of its contract).
"""

from datetime import datetime
from typing import Literal

import msgspec

from podium.core.content import Content
from podium.core.json import JSON

# --- values inside events ----------------------------------------------------------------------


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of model calls; sums of usages are usages."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Everything that was read or written, cached or not."""
        return self.input_tokens + self.output_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens


class CacheCreation(msgspec.Struct, frozen=True, gc=False):
    """Tokens that were written to the provider's cache, by how long they stay."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class ServerToolUse(msgspec.Struct, frozen=True, gc=False):
    """Calls of tools that are paid for by the call."""

    web_search_requests: int = 0
    web_fetch_requests: int = 0


class Amount(msgspec.Struct, frozen=True, gc=False):
    """Money. Units: `amount` is US cents as a decimal text, such as "12.5"."""

    amount: str
    currency: Literal["USD"] = "USD"


class UsageSnapshot(msgspec.Struct, frozen=True, gc=False):
    """What a session or a thread has used up so far.

    Shape: `list_cost` is absent where the price of a model is not known; null in older logs.
    Units: tokens; `active_seconds` in which it was running, what ran at the same time counted once.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation: CacheCreation = CacheCreation()
    server_tool_use: ServerToolUse = ServerToolUse()
    list_cost: Amount | msgspec.UnsetType | None = msgspec.UNSET
    active_seconds: float = 0.0


class BudgetLimit(msgspec.Struct, frozen=True, gc=False, tag="limit"):
    """The most a session may cost at list price."""

    max_list_cost: Amount


class StopReason(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a thread or a session went idle. Shape: `event_ids` are the calls that wait for the client."""

    type: Literal["end_turn", "requires_action", "retries_exhausted", "budget_reached", "refusal"]
    event_ids: tuple[str, ...] = ()


class StopDetails(msgspec.Struct, frozen=True, gc=False):
    """What a model said of its refusal."""

    type: Literal["refusal"] = "refusal"
    category: str | None = None
    explanation: str | None = None


class RetryStatus(msgspec.Struct, frozen=True, gc=False):
    """Whether the server goes on trying after an error."""

    type: Literal["retrying", "exhausted", "terminal"]


class ErrorDetail(msgspec.Struct, frozen=True, gc=False):
    """What went wrong, for people and programs."""

    type: str
    message: str
    retry_status: RetryStatus


class WorkflowPhase(msgspec.Struct, frozen=True, gc=False):
    """A part of a workflow, as people name it."""

    id: str
    name: str
    description: str | None = None


class WorkflowError(msgspec.Struct, frozen=True, gc=False):
    """Why a run of a workflow did not come to its end."""

    type: Literal["program_error", "timeout_error", "thread_limit_error", "max_workflow_runs_error", "unknown_error"]
    message: str


class RunCompleted(msgspec.Struct, frozen=True, gc=False, tag="completed"):
    """The run's program came to its end."""


class RunStopped(msgspec.Struct, frozen=True, gc=False, tag="stopped"):
    """Somebody stopped the run."""


class RunFailed(msgspec.Struct, frozen=True, gc=False, tag="error"):
    """The run's program failed."""

    error: WorkflowError


class AlwaysAllow(msgspec.Struct, frozen=True, gc=False, tag="always_allow"):
    """The policy that let a call through."""


class AlwaysAsk(msgspec.Struct, frozen=True, gc=False, tag="always_ask"):
    """The policy that has a person asked first."""


# --- sent by clients ------------------------------------------------------------------------------


class Public(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """A wire event. `processed_at` is None only for an input that waits to be taken."""

    id: str
    processed_at: datetime | None


class UserMessage(Public, frozen=True, kw_only=True, tag="user.message"):
    """A person or a program told the primary agent something; the next model call takes it."""

    content: Content


class UserInterrupt(Public, frozen=True, kw_only=True, omit_defaults=True, tag="user.interrupt"):
    """Somebody stopped the session's work: what is open is closed as interrupted.

    Shape: `session_thread_id` names the one thread that is stopped; without it, all are.
    """

    session_thread_id: str | None = None


class UserToolConfirmation(Public, frozen=True, kw_only=True, omit_defaults=True, tag="user.tool_confirmation"):
    """A person allowed or denied a call that asked.

    Shape: `deny_message` is told to the agent. `session_thread_id` is the child's whose call it is.
    """

    tool_use_id: str
    result: Literal["allow", "deny"]
    deny_message: str | None = None
    session_thread_id: str | None = None


class UserCustomToolResult(Public, frozen=True, kw_only=True, omit_defaults=True, tag="user.custom_tool_result"):
    """The client's answer to a call of one of its own tools. It is processed as it comes.

    Shape: `session_thread_id` is the child's whose call it is.
    """

    custom_tool_use_id: str
    content: Content = ()
    is_error: bool = False
    session_thread_id: str | None = None


class SystemMessage(Public, frozen=True, kw_only=True, tag="system.message"):
    """Instructions from the operator for the primary agent, in the middle of its conversation."""

    content: Content


# --- of agents ------------------------------------------------------------------------------------


class AgentMessage(Public, frozen=True, kw_only=True, tag="agent.message"):
    """The agent said something: one text of a reply."""

    content: Content


class AgentThinking(Public, frozen=True, kw_only=True, tag="agent.thinking"):
    """The model thought before it went on; what it thought is not shown."""


class AgentToolUse(Public, frozen=True, kw_only=True, tag="agent.tool_use"):
    """The agent called a tool.

    Shape: with `evaluated_permission` "ask" nothing happens before a person has answered.
    """

    name: str
    input: dict[str, JSON]
    evaluated_permission: Literal["allow", "ask", "deny"] = "allow"
    evaluation: AlwaysAllow | AlwaysAsk = AlwaysAllow()


class AgentCustomToolUse(Public, frozen=True, kw_only=True, tag="agent.custom_tool_use"):
    """The agent called one of the client's own tools, and waits for the client's answer."""

    name: str
    input: dict[str, JSON]


class AgentToolResult(Public, frozen=True, kw_only=True, tag="agent.tool_result"):
    """What a tool gave back, or why it did not run: the one result of this call."""

    tool_use_id: str
    content: Content
    is_error: bool = False


class MessageSent(Public, frozen=True, kw_only=True, tag="agent.thread_message_sent"):
    """The agent gave another one a task, a message or its report. It stands in the sender's stream."""

    to_session_thread_id: str
    to_agent_name: str
    content: Content


class MessageReceived(Public, frozen=True, kw_only=True, tag="agent.thread_message_received"):
    """Another agent's task, message or report. It stands in the receiver's stream."""

    from_session_thread_id: str
    from_agent_name: str
    content: Content


class ContextCompacted(Public, frozen=True, kw_only=True, tag="agent.thread_context_compacted"):
    """The thread's context was nearly full, and a summary took its place."""


# --- of the session and its threads ---------------------------------------------------------------


class SessionRunning(Public, frozen=True, kw_only=True, tag="session.status_running"):
    """The session works: a step of one of its threads can run, or is under way."""


class SessionRescheduled(Public, frozen=True, kw_only=True, tag="session.status_rescheduled"):
    """All that is left to do waits for a time, such as the next try of a failed model call."""


class SessionIdle(Public, frozen=True, kw_only=True, tag="session.status_idle"):
    """Nothing of the session can move, and why.

    Shape: `stop_details` is of the reason "refusal", None with any other.
    """

    stop_reason: StopReason
    stop_details: StopDetails | None = None


class SessionTerminated(Public, frozen=True, kw_only=True, tag="session.status_terminated"):
    """The session is over for good: it was archived."""


class SessionUpdated(Public, frozen=True, kw_only=True, omit_defaults=True, tag="session.updated"):
    """Somebody changed the session; what was not changed is absent.

    Shape: `agent` is the agent as the session has it now, `budget` None where it was removed.
    """

    agent: dict[str, JSON] | msgspec.UnsetType = msgspec.UNSET
    budget: BudgetLimit | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType | None = msgspec.UNSET


class SessionDeleted(Public, frozen=True, kw_only=True, tag="session.deleted"):
    """The session is gone with this, its last event."""


class SessionError(Public, frozen=True, kw_only=True, tag="session.error"):
    """A model call failed, and whether it is made again; or the session failed with it."""

    error: ErrorDetail


class SessionUsage(Public, frozen=True, kw_only=True, omit_defaults=True, tag="session.usage"):
    """What the session has used up so far, each time it goes idle, and its budget if it has one."""

    usage: UsageSnapshot
    budget: BudgetLimit | None = None


class ThreadCreated(Public, frozen=True, kw_only=True, tag="session.thread_created"):
    """A thread was opened for the agent that was called.

    Shape: `workflow_run_id` is the run that called it, or that of the thread above; None for any other.
    """

    session_thread_id: str
    agent_name: str
    workflow_run_id: str | None = None


class ThreadRunning(Public, frozen=True, kw_only=True, tag="session.thread_status_running"):
    """The thread works, or waits for one that does."""

    session_thread_id: str
    agent_name: str


class ThreadRescheduled(Public, frozen=True, kw_only=True, tag="session.thread_status_rescheduled"):
    """The thread waits for a time, or for others that all do."""

    session_thread_id: str
    agent_name: str


class ThreadIdle(Public, frozen=True, kw_only=True, tag="session.thread_status_idle"):
    """The thread's turn is over, or all that is left of it waits for a person.

    Shape: `stop_reason` tells which; `stop_details` what its model said of a refusal, None where it did not refuse.
    """

    session_thread_id: str
    agent_name: str
    stop_reason: StopReason
    stop_details: StopDetails | None = None


class ThreadTerminated(Public, frozen=True, kw_only=True, tag="session.thread_status_terminated"):
    """The thread is over for good: it failed, or gave way to another."""

    session_thread_id: str
    agent_name: str


class ModelRequestStart(Public, frozen=True, kw_only=True, tag="span.model_request_start"):
    """A model is about to be called. Committed before the call is made."""


class ModelRequestEnd(Public, frozen=True, kw_only=True, tag="span.model_request_end"):
    """The model call is over, with a reply or without one; failed calls use tokens too."""

    model_request_start_id: str
    is_error: bool
    model_usage: Usage


# --- of workflow runs -----------------------------------------------------------------------------


class WorkflowRunCreated(Public, frozen=True, kw_only=True, tag="workflow_run.created"):
    """A run of a workflow begins. Shape: `phases` are those that its program declares, in their order."""

    workflow_run_id: str
    name: str
    description: str | None = None
    phases: tuple[WorkflowPhase, ...] = ()


class WorkflowRunRunning(Public, frozen=True, kw_only=True, tag="workflow_run.status_running"):
    """The run works: its program, or a call of it, can go on."""

    workflow_run_id: str


class WorkflowRunIdle(Public, frozen=True, kw_only=True, tag="workflow_run.status_idle"):
    """All that the run has left waits for a person, or it was paused, or stopped at a limit that may be raised."""

    workflow_run_id: str


class WorkflowPhaseStarted(Public, frozen=True, kw_only=True, tag="workflow_run.phase_started"):
    """The run's program entered a phase."""

    workflow_run_id: str
    workflow_run_phase_id: str


class WorkflowPhaseEnded(Public, frozen=True, kw_only=True, tag="workflow_run.phase_ended"):
    """The run left a phase. Shape: `phase_started_id` is the event that opened it."""

    workflow_run_id: str
    workflow_run_phase_id: str
    phase_started_id: str


class WorkflowRunError(Public, frozen=True, kw_only=True, tag="workflow_run.error"):
    """The run failed, and why; its end follows."""

    workflow_run_id: str | None
    error: WorkflowError


class WorkflowRunEnded(Public, frozen=True, kw_only=True, tag="workflow_run.status_ended"):
    """The run is over, and how it ended: the last of its events."""

    workflow_run_id: str
    result: RunCompleted | RunStopped | RunFailed


PublicEvent = (
    UserMessage
    | UserInterrupt
    | UserToolConfirmation
    | UserCustomToolResult
    | SystemMessage
    | AgentMessage
    | AgentThinking
    | AgentToolUse
    | AgentCustomToolUse
    | AgentToolResult
    | MessageSent
    | MessageReceived
    | ContextCompacted
    | SessionRunning
    | SessionRescheduled
    | SessionIdle
    | SessionTerminated
    | SessionUpdated
    | SessionDeleted
    | SessionError
    | SessionUsage
    | ThreadCreated
    | ThreadRunning
    | ThreadRescheduled
    | ThreadIdle
    | ThreadTerminated
    | ModelRequestStart
    | ModelRequestEnd
    | WorkflowRunCreated
    | WorkflowRunRunning
    | WorkflowRunIdle
    | WorkflowPhaseStarted
    | WorkflowPhaseEnded
    | WorkflowRunError
    | WorkflowRunEnded
)
