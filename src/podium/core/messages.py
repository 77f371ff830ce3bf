"""Messages between agents, as both sides' streams show them."""

from podium.core.content import Content
from podium.core.events import MessageReceived, MessageSent
from podium.core.moment import Moment
from podium.core.thread import ThreadState


def deliver(sender: ThreadState, receiver: ThreadState, content: Content, at: Moment) -> str:
    """Record a message between agents, on both sides; the id of the event that the receiver's stream shows."""
    sent, received = message_events(sender, receiver, content, at)
    at.own(sender.id, sent)
    at.own(receiver.id, received)
    return received.id


def message_events(
    sender: ThreadState, receiver: ThreadState, content: Content, at: Moment
) -> tuple[MessageSent, MessageReceived]:
    """The two sides of a message between agents, to be recorded."""
    received = at.event_id()
    at.starts = True
    sent = MessageSent(
        id=at.event_id(),
        processed_at=at.now,
        to_session_thread_id=receiver.id,
        to_agent_name=receiver.definition.name,
        content=content,
    )
    event = MessageReceived(
        id=received,
        processed_at=at.now,
        from_session_thread_id=sender.id,
        from_agent_name=sender.definition.name,
        content=content,
    )
    return sent, event
