"""Events as clients send them, and what is asked of the session with each.

Source: the Managed Agents API, section C.1.
"""

from typing import Annotated, Any, Literal, assert_never

from pydantic import AfterValidator, Field, StringConstraints

from podium.api.shapes.body import Body, refused
from podium.api.shapes.content import Blocks, ResultBlocks, Texts, content_of
from podium.api.shapes.parts import Text, inside, one_of
from podium.core.inputs import Confirm, GiveResult, InputRequest, Instruct, Interrupt, SendMessage

MOST_EVENTS, MOST_FIRST_EVENTS = 1000, 50
_LATER = ("user.define_outcome", "user.tool_result")


class UserMessage(Body):
    """A message to the primary agent."""

    type: Literal["user.message"]
    content: Blocks


class UserInterrupt(Body):
    """Stops all threads, or the one that is named."""

    type: Literal["user.interrupt"]
    session_thread_id: Text | None = None


class UserToolConfirmation(Body):
    """The answer to a call that waits to be allowed."""

    type: Literal["user.tool_confirmation"]
    tool_use_id: Text
    result: Literal["allow", "deny"]
    deny_message: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    session_thread_id: Text | None = None
    """The thread whose call it is. The server knows it; another one is refused."""


class UserCustomToolResult(Body):
    """What one of the client's own tools gave back."""

    type: Literal["user.custom_tool_result"]
    custom_tool_use_id: Text
    content: ResultBlocks | None = None
    is_error: bool | None = None
    session_thread_id: Text | None = None
    """The thread whose call it is. The server knows it; another one is refused."""


class SystemMessage(Body):
    """Instructions that hold from here on."""

    type: Literal["system.message"]
    content: Texts


def _no_message_to_allow(event: UserToolConfirmation) -> UserToolConfirmation:
    if event.result == "allow" and event.deny_message:
        raise refused("deny_message", "goes with the result 'deny' alone")
    return event


SentEvent = UserMessage | UserInterrupt | UserToolConfirmation | UserCustomToolResult | SystemMessage
_KINDS: dict[str, type[Body]] = {
    "user.message": UserMessage,
    "user.interrupt": UserInterrupt,
    "user.tool_confirmation": UserToolConfirmation,
    "user.custom_tool_result": UserCustomToolResult,
    "system.message": SystemMessage,
}


def _checked(event: Any) -> Any:
    return _no_message_to_allow(event) if isinstance(event, UserToolConfirmation) else event


def _instructed_last(events: list[Any]) -> list[Any]:
    """At most one system.message, the last of the request, right behind what it goes with."""
    for number, event in enumerate(events):
        if not isinstance(event, SystemMessage):
            continue
        if number != len(events) - 1:
            raise inside((number,), event, "a system.message must be the last event of its request")
        if number == 0 or not isinstance(events[number - 1], UserMessage | UserCustomToolResult):
            said = "a system.message must follow a user.message or a user.custom_tool_result in the same request"
            raise inside((number,), event, said)
    return events


_Event = Annotated[SentEvent, one_of("type", _KINDS, not_yet=_LATER), AfterValidator(_checked)]
_FirstEvent = Annotated[
    UserMessage,
    one_of(
        "type",
        {"user.message": UserMessage},
        not_yet=("user.define_outcome",),
        elsewhere=(set(_KINDS) - {"user.message"}) | {"user.tool_result"},
    ),
]
FirstEvents = Annotated[list[_FirstEvent], Field(max_length=MOST_FIRST_EVENTS)]


class EventsSend(Body):
    """Events to send to a session: all of them are accepted, or none."""

    events: Annotated[list[_Event], Field(min_length=1, max_length=MOST_EVENTS), AfterValidator(_instructed_last)]


def asked_by(event: SentEvent) -> InputRequest:
    """What is asked of the session."""
    match event:
        case UserMessage():
            return SendMessage(content=content_of(event.content), waits=False)
        case UserInterrupt():
            return Interrupt(thread=event.session_thread_id)
        case UserToolConfirmation():
            return Confirm(
                call=event.tool_use_id,
                allow=event.result == "allow",
                reason=event.deny_message or "",
                thread=event.session_thread_id,
            )
        case UserCustomToolResult():
            content = content_of(event.content or ())
            return GiveResult(
                call=event.custom_tool_use_id,
                content=content,
                is_error=bool(event.is_error),
                thread=event.session_thread_id,
            )
        case SystemMessage():
            return Instruct(content=content_of(event.content))
        case _:
            assert_never(event)


def field_of(event: SentEvent) -> str:
    """The field that a refusal of this event is about: the one that names what it is for."""
    match event:
        case UserToolConfirmation():
            return ".tool_use_id"
        case UserCustomToolResult():
            return ".custom_tool_use_id"
        case UserInterrupt(session_thread_id=str()):
            return ".session_thread_id"
        case _:
            return ""
