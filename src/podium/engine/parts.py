"""What a driver works with: the ports of this process."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from podium.core.ports import Clock, NewId, Place, Sandboxes, Store
from podium.core.session import SessionState
from podium.engine.hub import Hub
from podium.engine.limiter import Limiter
from podium.engine.shelf import Shelf


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The ports of this process.

    Shape: `sandboxes()` makes them at the first use; `place(state, thread)` makes the folders of a thread and says
    where they are. `chance` gives a number from 0 to 1.
    """

    store: Store
    clock: Clock
    new_id: NewId
    sandboxes: Callable[[], Sandboxes]
    place: Callable[[SessionState, str], Place]
    limiter: Limiter
    hub: Hub = field(default_factory=Hub)
    shelf: Shelf = field(default_factory=Shelf)
    chance: Callable[[], float] = random.random
