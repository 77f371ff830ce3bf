"""What a server that was killed while a sandbox started may have left: a bubblewrap that waits for ever."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from podium.sandbox.process import MARK


def kill_orphans(proc: Path = Path("/proc")) -> int:
    """Kill sandboxes whose outer bubblewrap is gone; how many there were.

    If the outer process dies just before it lets the inner one go on, the inner one never learns of it. It runs
    nothing, but stays. A sound sandbox's first process has its outer bubblewrap, with the same command line, as parent.
    """
    killed = 0
    for name in os.listdir(proc):
        if name.isdigit() and _is_orphan(proc, name):
            with suppress(OSError):
                process = os.pidfd_open(int(name))
                try:
                    if _is_orphan(proc, name):  # still the same, now that its number cannot be another's
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                        killed += 1
                finally:
                    os.close(process)
    return killed


def _is_orphan(proc: Path, pid: str) -> bool:
    try:
        line = (proc / pid / "cmdline").read_bytes()
        if MARK.encode() not in line:
            return False
        status = dict(row.split(":", 1) for row in (proc / pid / "status").read_text().splitlines())
        parent = status["PPid"].strip()
        is_first_inside = status["NSpid"].split()[1:] == ["1"]
        return is_first_inside and parent != "0" and (proc / parent / "cmdline").read_bytes() != line
    except (OSError, KeyError, ValueError):
        return False
