"""Runs flows with the SDK of this environment, one after the other, and prints a line of JSON for each.

    python -m tests.api.sdk.run [FLOW ...]

Shape: {"flow", "error", "seconds"}; at last, with the SDK 2.x, {"routes", "kinds", "faults", "answers"} of what came.
"""

import json
import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any

from tests.api.sdk.flows import FLOWS
from tests.api.sdk.world import MAJOR, World

LIMIT_S = 30


def too_late(signal: int, frame: FrameType | None) -> None:
    raise AssertionError(f"not done after {LIMIT_S} s")


def main(names: list[str]) -> None:
    signal.signal(signal.SIGALRM, too_late)
    seen = None
    if MAJOR == 2:
        from tests.api.sdk.check import Seen  # its types are those of this SDK

        seen = Seen()
    for name in names or FLOWS:
        world, error, begun = World(), None, time.monotonic()
        signal.alarm(LIMIT_S)
        try:
            FLOWS[name](world)
        except Exception:
            error = traceback.format_exc()
        finally:
            signal.alarm(0)
        say({"flow": name, "error": error, "seconds": round(time.monotonic() - begun, 3)})
        if seen is not None:
            seen.look_at(world.exchanges)
        world.client.close()
    if seen is not None:
        faults = {route: found for route, found in seen.faults.items() if found}
        answers = {route: list(found.values()) for route, found in seen.answers.items()}
        say({"routes": sorted(seen.routes), "kinds": sorted(seen.kinds), "faults": faults, "answers": answers})


def say(line: Any) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
