"""Times as the database keeps them: whole microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def micros_or_none(at: datetime | None) -> int | None:
    """The same of a time that may not be."""
    return None if at is None else micros(at)


def time_of(at: int) -> datetime:
    """The time that is so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=at)


def time_or_none(at: int | None) -> datetime | None:
    """The same of a time that may not be."""
    return None if at is None else time_of(at)
