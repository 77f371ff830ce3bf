"""Who may call which model now: caps, rates, models that said no, and the order of those who wait."""

from podium.engine.limiter.limiter import Limiter as Limiter
from podium.engine.limiter.slot import Slot as Slot
