"""The tool bash: the thread's persistent shell."""

from podium.core.content import text
from podium.core.json import JSON
from podium.core.ports import Ran, Sandbox, ToolCall, ToolOutcome

DEFAULT_MS, LONGEST_MS = 120_000, 600_000
GONE = "its working directory, variables and background jobs are gone; the next command starts a new one"

INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "description": "The command to run in bash."},
        "restart": {"type": "boolean", "description": "Start the shell afresh first."},
        "timeout_ms": {
            "type": "integer",
            "minimum": 1,
            "maximum": LONGEST_MS,
            "description": f"How long the command may take; {DEFAULT_MS} unless told.",
        },
    },
    "additionalProperties": False,
}


class Bash:
    """Runs commands in the thread's own shell."""

    name = "bash"
    description = (
        "Run a command in this thread's own bash. The working directory, variables and background jobs stay for the "
        "next command. stdin is empty; there is no network. /workspace is shared with the other threads; /tmp, "
        "/home/agent and the shell itself are this thread's alone, so a server on localhost is not reached by others. "
        "The first 20 KiB and the last 80 KiB of output are shown; what background jobs print comes with the next "
        f"command. A command is stopped after timeout_ms ({DEFAULT_MS} unless told, at most {LONGEST_MS}), and the "
        "shell with it. Files that commands write are not protected against other threads' changes: to change a text "
        "file that others may be working on, use edit or write."
    )
    input_schema = INPUT
    idempotent = False
    needs_sandbox = True

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        """Run the command."""
        assert sandbox is not None
        command, restart = call.input.get("command"), bool(call.input.get("restart"))
        timeout_ms = min(int(call.input.get("timeout_ms") or DEFAULT_MS), LONGEST_MS)
        if restart:
            await sandbox.restart()
        if command is None:
            if restart:
                return ToolOutcome(content=text("The shell was restarted."))
            return ToolOutcome(content=text("Give a command, or restart: true."), is_error=True)
        if problem := _problem(command):
            return ToolOutcome(content=text(problem), is_error=True)
        ran = await sandbox.shell(command, timeout_s=timeout_ms / 1000)
        return ToolOutcome(content=text(_told(ran, timeout_ms)), is_error=ran.exit_code != 0, new_shell=ran.new_shell)


def _problem(command: str) -> str:
    if "\0" in command:
        return "The command holds a NUL character, which no shell can read. Write it as \\0 in printf, for example."
    try:
        command.encode()
    except UnicodeEncodeError:
        return "The command holds characters that are no valid text (lone surrogates)."
    return ""


def _told(ran: Ran, timeout_ms: int) -> str:
    notes = []
    try:
        output = ran.output.decode()
    except UnicodeDecodeError:
        output = ran.output.decode(errors="replace")
        # Dropping may have cut a character in two: no fault of the output.
        if not ran.dropped_bytes or output.count("\ufffd") > 6:
            notes.append("the output is not valid UTF-8: bytes that are no text are shown as \ufffd")
    if ran.dropped_bytes:
        notes.append(f"{ran.dropped_bytes} bytes of output were dropped; send long output to a file and look at parts")
    if ran.timed_out:
        notes.append(f"timed out after {timeout_ms / 1000:g} s: the shell was killed, {GONE}")
    elif ran.exit_code is None:
        notes.append(f"the shell was killed while this ran, {GONE}")
    else:
        if ran.exit_code:
            notes.append(f"exit code {ran.exit_code}")
        if ran.lost_shell:
            notes.append(f"the shell ended: {GONE}")
    said = "\n".join(f"[{note}]" for note in notes)
    separator = "\n" if output and said and not output.endswith("\n") else ""
    return output + separator + said or "(no output)"
