"""What each route of the server answers with, in the words of the SDK 2.x, and which of them a run must have seen."""

import re
from typing import Any

from anthropic.pagination import SyncBidirectionalPageCursor, SyncPage, SyncPageCursor
from anthropic.types import beta
from anthropic.types.beta import sessions

EVENT = sessions.BetaManagedAgentsSessionEvent
FRAME = sessions.BetaManagedAgentsStreamSessionEvents
THREAD_FRAME = sessions.BetaManagedAgentsStreamSessionThreadEvents
_THREAD = sessions.BetaManagedAgentsSessionThread

# A stream's type is that of one frame.
ANSWERS: dict[str, Any] = {
    "POST /v1/agents": beta.BetaManagedAgentsAgent,
    "GET /v1/agents": SyncPageCursor[beta.BetaManagedAgentsAgent],
    "GET /v1/agents/{id}": beta.BetaManagedAgentsAgent,
    "POST /v1/agents/{id}": beta.BetaManagedAgentsAgent,
    "POST /v1/agents/{id}/archive": beta.BetaManagedAgentsAgent,
    "GET /v1/agents/{id}/versions": SyncPageCursor[beta.BetaManagedAgentsAgent],
    "POST /v1/environments": beta.BetaEnvironment,
    "GET /v1/environments": SyncPageCursor[beta.BetaEnvironment],
    "GET /v1/environments/{id}": beta.BetaEnvironment,
    "POST /v1/environments/{id}": beta.BetaEnvironment,
    "DELETE /v1/environments/{id}": beta.BetaEnvironmentDeleteResponse,
    "POST /v1/environments/{id}/archive": beta.BetaEnvironment,
    "POST /v1/sessions": beta.BetaManagedAgentsSession,
    "GET /v1/sessions": SyncBidirectionalPageCursor[beta.BetaManagedAgentsSession],
    "GET /v1/sessions/{id}": beta.BetaManagedAgentsSession,
    "POST /v1/sessions/{id}": beta.BetaManagedAgentsSession,
    "DELETE /v1/sessions/{id}": beta.BetaManagedAgentsDeletedSession,
    "POST /v1/sessions/{id}/archive": beta.BetaManagedAgentsSession,
    "POST /v1/sessions/{id}/events": sessions.BetaManagedAgentsSendSessionEvents,
    "GET /v1/sessions/{id}/events": SyncPageCursor[EVENT],
    "GET /v1/sessions/{id}/events/stream": FRAME,
    "GET /v1/sessions/{id}/threads": SyncPageCursor[_THREAD],
    "GET /v1/sessions/{id}/threads/{id}": _THREAD,
    "POST /v1/sessions/{id}/threads/{id}/archive": _THREAD,
    "GET /v1/sessions/{id}/threads/{id}/events": SyncPageCursor[EVENT],
    "GET /v1/sessions/{id}/threads/{id}/stream": THREAD_FRAME,
    "GET /v1/models": SyncPage[beta.BetaModelInfo],
    "GET /v1/models/{id}": beta.BetaModelInfo,
}

# Every kind that Podium writes; the rest of the SDK's belongs to what Podium does not have yet.
KINDS = {
    "user.message", "user.interrupt", "user.tool_confirmation", "user.custom_tool_result", "system.message",
    "agent.message", "agent.thinking", "agent.tool_use", "agent.tool_result", "agent.custom_tool_use",
    "agent.thread_message_sent", "agent.thread_message_received", "agent.thread_context_compacted",
    "session.status_running", "session.status_idle", "session.status_rescheduled", "session.status_terminated",
    "session.error", "session.updated", "session.deleted", "session.usage",
    "session.thread_created", "session.thread_status_running", "session.thread_status_idle",
    "session.thread_status_rescheduled", "session.thread_status_terminated",
    "span.model_request_start", "span.model_request_end", "event_start", "event_delta",
}  # fmt: skip

_RESOURCES = "agents|environments|sessions|threads|models"


def route_of(method: str, path: str) -> str:
    """The route that a request met: its path with `{id}` for each id."""
    return f"{method} " + re.sub(rf"(?<=/)({_RESOURCES})/[^/]+", r"\1/{id}", path)
