"""The persistent shell's protocol: the loop it runs, which bytes go in and come out, and what is kept of them."""

import re
import secrets

HEAD_BYTES, TAIL_BYTES = 20 << 10, 80 << 10
# The longest mark: two separators, 32 digits of the token, a space, an exit code.
MARK_BYTES = 1 + 32 + 1 + 3 + 1


# Reads a token and a command, each ended by NUL (bash reads pipes byte by byte, so nothing is read too early), prints a
# begin mark, runs the command, prints an end mark with its exit code, and so on.
# - The command has its own copies of stdin, stdout and stderr: what it does to them ends with it.
# - A loop, because after an unclosed quote bash stops reading its script; two, and the end mark at the head of the
#   inner one, because the command may say `break` or `continue`.
# - The marks' separator is written as an escape: a traced or echoed line never holds the byte itself.
LOOP = """
exec 2>&1
while :; do
  while {
    __status=$?
    [[ -z $__token ]] || builtin printf '\\036%s %d\\036' "$__token" "$__status"
    __token=
    IFS= builtin read -r -d '' __token && IFS= builtin read -r -d '' __command || builtin exit
    builtin printf '\\036%s\\036' "$__token"
  } 2>/dev/null; do
    builtin eval "$__command" </dev/null >&2 2>&1
  done
done
"""
ARGV = ("/bin/bash", "--noprofile", "--norc", "-c", LOOP, "bash")


def sent(command: bytes, token: str) -> bytes:
    """What the loop reads for one command."""
    return token.encode() + b"\0" + command + b"\0"


def token() -> str:
    """What tells one call's end from everything that is printed: 128 random bits."""
    return secrets.token_hex(16)


class Kept:
    """The beginning and the end of an output that may be endless; what lies between is counted and dropped."""

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._head_bytes, self._tail_bytes = head_bytes, tail_bytes
        self._head, self._tail = bytearray(), bytearray()
        self.dropped_bytes = 0

    def add(self, data: bytes) -> None:
        if (room := self._head_bytes - len(self._head)) > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        # Trimmed rarely, so that many small pieces cost little; never more than twice the bound is held.
        if len(self._tail) > 2 * self._tail_bytes:
            self._trim()

    def _trim(self) -> None:
        if (excess := len(self._tail) - self._tail_bytes) > 0:
            del self._tail[:excess]
            self.dropped_bytes += excess

    def head(self) -> bytes:
        """The beginning alone."""
        return bytes(self._head)

    def whole(self) -> bytes:
        """All that is kept, with a line where bytes were dropped."""
        self._trim()
        gap = b"\n[... %d bytes of output dropped here ...]\n" % self.dropped_bytes if self.dropped_bytes else b""
        return bytes(self._head) + gap + bytes(self._tail)


class Output:
    """What the shell printed, cut at the end mark of the call that is waited for.

    Between calls background jobs may print; that belongs to the next call's output, as in a terminal.
    Shape: `has_begun` once bash has read the command: before that it has had no effect.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self._kept = Kept()
        self._mark: re.Pattern[bytes] | None = None
        self._held = b""  # may be the beginning of a mark

    def expect(self, token: str) -> None:
        """Wait for this call's marks from now on."""
        self.has_begun = False
        self._mark = re.compile(rb"\x1e%s(?: (\d{1,3}))?\x1e" % token.encode())

    def add(self, data: bytes) -> tuple[int, Kept] | None:
        """Take what was printed; the call's exit code and output once its end mark is there."""
        while self._mark is not None:
            data = self._held + data
            if (found := self._mark.search(data)) is None:
                at = data.find(b"\x1e", max(0, len(data) - MARK_BYTES + 1))
                self._held = data[at:] if at >= 0 else b""
                self._kept.add(data[: len(data) - len(self._held)])
                return None
            self._held = b""
            self._kept.add(data[: found.start()])
            data = data[found.end() :]
            if found[1] is None:
                self.has_begun = True
            else:
                kept = self.take()
                self._kept.add(data)
                return int(found[1]), kept
        self._kept.add(data)
        return None

    def take(self) -> Kept:
        """All that was kept so far; nothing is waited for any more and a new count begins."""
        if self._mark is not None:
            self._kept.add(self._held)
        kept, self._kept, self._mark, self._held = self._kept, Kept(), None, b""
        return kept
