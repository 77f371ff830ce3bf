"""What came before anybody listened: a program that sends first and opens its stream then misses nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from podium.core.ports import Clock

PATIENCE = timedelta(seconds=5)  # so long a first stream may take to be opened


@dataclass(frozen=True, kw_only=True)
class Unheard:
    """An input that nobody listened to. Shape: its `event` stands somewhere behind the seq `after`."""

    after: int
    event: str
    at: datetime


class Heard:
    """Which sessions have streams here, and the last input of each that has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: dict[str, int] = {}
        self._unheard: dict[str, Unheard] = {}

    def is_listening(self, session: str) -> bool:
        """Whether a stream of the session is open here."""
        return session in self._streams

    def accepted(self, session: str, event: str, *, after: int) -> None:
        """An input was accepted here; its event stands behind this seq.

        Shape: of a request that was done before it is the old event, which changes nothing.
        """
        known = self._unheard.get(session)
        if self.is_listening(session) or (known is not None and event <= known.event):  # later ids sort after
            return
        now = self._clock.now()
        self._unheard.pop(session, None)  # so that the oldest stand first
        self._unheard[session] = Unheard(after=after, event=event, at=now)
        for old, unheard in list(self._unheard.items()):
            if now - unheard.at <= PATIENCE:
                break
            del self._unheard[old]

    def opened(self, session: str) -> Unheard | None:
        """A stream of the session is opened: where it begins, if it is the first one since an input."""
        self._streams[session] = self._streams.get(session, 0) + 1
        unheard = self._unheard.pop(session, None)
        if unheard is None or self._clock.now() - unheard.at > PATIENCE:
            return None
        return unheard

    def closed(self, session: str) -> None:
        """A stream of the session is closed."""
        self._streams[session] -= 1
        if not self._streams[session]:
            del self._streams[session]
