"""The tools glob and grep: they run inside the sandbox, so they see exactly what the thread may see."""

import re
import shlex
from collections.abc import Sequence
from operator import itemgetter

from podium.core.content import text
from podium.core.json import JSON
from podium.core.ports import Ran, Sandbox, ToolCall, ToolOutcome
from podium.tools.beneath import Unusable, locate, shown

DEADLINE_S = 20.0
FIND_S = 15  # finding is stopped before the deadline, so that what was found can still be sorted
HITS = 200
GREP_BYTES = 100 << 10
LINE_CHARACTERS = 500
FOUND_BYTES = 4 << 20
MISSING = 3  # exit code of the script if the path is not there
PARTIAL = b"podium: partial"
BATCH = 500  # files that are searched together; what was found in them is there before the next are read
# Searches the files "$@". One with NUL bytes is binary and is skipped. One that is no UTF-8 is searched as bytes: under
# UTF-8, grep takes it for binary and passes over it in silence. 255 ends the outer xargs: nobody reads any more.
SEARCH = """
mapfile -d '' -t text < <(LC_ALL=C grep -lIZs -e '' -- "$@")
mapfile -d '' -t bytes < <(grep -alZsxv -e '.*' -- /dev/null "${{text[@]}}")
utf8=() next=0
for file in "${{text[@]}}"; do
  if [ "$file" = "${{bytes[next]}}" ]; then next=$((next + 1)); else utf8+=("$file"); fi
done
printf '%s\\0' /dev/null "${{utf8[@]}}" | xargs -0 {grep}
[ $? -ne 125 ] || exit 255
[ ${{#bytes[@]}} -eq 0 ] || printf '%s\\0' "${{bytes[@]}}" | LC_ALL=C xargs -0 {grep}
[ $? -ne 125 ] || exit 255
"""
LISTED = re.compile(rb"([^\0]*)\0(\d+):([^\n]*)\n?")

GLOB_INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "description": "For example '**/*.py', 'src/*.{ts,tsx}' or 'test_[ab]?.txt'."},
        "path": {"type": "string", "description": "The folder to look in; /workspace unless told."},
    },
    "required": ["pattern"],
    "additionalProperties": False,
}
GREP_INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "pattern": {"type": "string", "description": "A regular expression (Perl's syntax), matched line by line."},
        "path": {"type": "string", "description": "The file or folder to search; /workspace unless told."},
        "glob": {"type": "string", "description": "Search only files that match this, for example '*.py'."},
        "ignore_case": {"type": "boolean"},
        "output_mode": {
            "enum": ["content", "files", "count"],
            "description": "Lines with file and number (the default), the files' names, or how many lines per file.",
        },
    },
    "required": ["pattern"],
    "additionalProperties": False,
}


class Glob:
    """Finds files by name."""

    name = "glob"
    description = (
        "Find files whose path matches a pattern: * and ? within a name, ** over folders, [abc], {a,b}. A pattern "
        "without ** looks only where it says: begin it with **/ to look everywhere. At most "
        f"{HITS} paths, sorted; .git is skipped, and links are not followed."
    )
    input_schema = GLOB_INPUT
    idempotent = True
    needs_sandbox = True

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        """List what matches."""
        assert sandbox is not None
        folder, pattern = _split(call.input.get("path") or ".", call.input["pattern"])
        try:
            root = locate(sandbox.place, folder).inside
            script = _script(root, f"{_literal(root)}/{translated(pattern)}", ["head", "-z", "-n", str(HITS + 1)])
            ran = await sandbox.run(["/bin/bash", "-c", script], timeout_s=DEADLINE_S, keep_bytes=FOUND_BYTES)
            _refuse_missing(root, ran)
        except Unusable as error:
            return ToolOutcome(content=text(str(error)), is_error=True)
        found = ran.output.split(b"\0")[:-1]
        lines = [_name(path) for path in found[:HITS]]
        if len(found) > HITS:
            lines.append(f"[more than {HITS} match: only the first are shown. Use a narrower pattern or path]")
        return _outcome(lines, ran, "(no files match)")


class Grep:
    """Finds lines in files."""

    name = "grep"
    description = (
        "Search files for lines that match a regular expression. Shows 'file:line number:line', sorted by file, at "
        "most 100 KiB. .git and binary files are skipped, and links are not followed."
    )
    input_schema = GREP_INPUT
    idempotent = True
    needs_sandbox = True

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        """Show what matches."""
        assert sandbox is not None
        mode = call.input.get("output_mode") or "content"
        try:
            root = locate(sandbox.place, call.input.get("path") or ".").inside
            ran = await _grep(sandbox, root, call, mode)
            _refuse_missing(root, ran)
        except Unusable as error:
            return ToolOutcome(content=text(str(error)), is_error=True)
        lines = _matches(ran.output, mode)
        if any("\ufffd" in line for line in lines):
            lines.append("[bytes that are not UTF-8 are shown as \ufffd]")
        if ran.dropped_bytes:
            lines.append(f"[only the first {GREP_BYTES >> 10} KiB are shown. Use a narrower pattern, path or glob]")
        if complaint := _complaint(ran):
            if not lines:
                return ToolOutcome(content=text(f"grep failed: {complaint}"), is_error=True)
            lines.append(f"[some files were not searched: {complaint}]")
        return _outcome(lines, ran, "(no matches)")


async def _grep(sandbox: Sandbox, root: str, call: ToolCall, mode: str) -> Ran:
    pattern = call.input["pattern"]
    if "\0" in pattern or "\n" in pattern:
        raise Unusable("the pattern holds a line end or NUL character: grep matches single lines.")
    glob = call.input.get("glob")
    files = None
    if glob:
        files = f"{_literal(root)}/{translated(glob)}" if "/" in glob else f".*/{translated(glob)}"
    flags = {"content": "-nHZ", "files": "-lZ", "count": "-cH"}[mode] + ("i" if call.input.get("ignore_case") else "")
    ran: Ran
    for syntax in ("-P", "-E"):
        grep = shlex.join(["grep", "-Is", flags, syntax, "-e", pattern, "--"])
        search = ["xargs", "-0", "-r", "-n", str(BATCH), "/bin/bash", "-c", SEARCH.format(grep=grep), "bash"]
        script = _script(root, files, search, only_files=True)
        if mode == "count":
            script += " | grep -v ':0$'"
        # One byte more than is shown tells that there is more, and stops the search.
        script += f" | head -c {GREP_BYTES + 1}"
        ran = await sandbox.run(["/bin/bash", "-c", script], timeout_s=DEADLINE_S, keep_bytes=GREP_BYTES)
        if syntax == "-E" or not re.search(rb"Perl matching not supported|-P option is not", ran.errors):
            return ran
    raise AssertionError("the last syntax returns")


def _script(root: str, regex: str | None, then: Sequence[str], *, only_files: bool = False) -> str:
    """Find files below a root, sort them, and do something with the list; both ends speak in NUL-ended names."""
    kind = ["-type", "f"] if only_files else ["!", "-type", "d"]
    match = ["-regextype", "posix-extended", "-regex", regex] if regex is not None else []
    find = ["timeout", str(FIND_S), "find", "-H", root, "-name", ".git", "-prune", "-o", *kind, *match, "-print0"]
    quoted = shlex.quote(root)
    return (
        f"[ -e {quoted} ] || [ -L {quoted} ] || exit {MISSING}\n"
        # In the C locale no name is invalid, and the order is the same everywhere.
        f"{{ LC_ALL=C {shlex.join(find)} 2>/dev/null; [ $? -ne 124 ] || echo {PARTIAL.decode()} >&2; }} "
        f"| LC_ALL=C sort -z | {shlex.join(then)}"
    )


def _split(path: str, pattern: str) -> tuple[str, str]:
    """An absolute pattern as the folder it starts in and the rest."""
    if not pattern.startswith("/"):
        return path, pattern.removeprefix("./")
    fixed = re.split(r"[*?\[{\\]", pattern, maxsplit=1)[0]
    folder = fixed[: fixed.rindex("/")] or "/"
    return folder, pattern[len(folder) :].lstrip("/")


def translated(pattern: str) -> str:
    """A glob as a POSIX extended regular expression over bytes: what find compares paths with.

    Errors: Unusable if it is none.
    """
    if not pattern or "\0" in pattern:
        raise Unusable("the pattern is empty or holds a NUL character. Give one such as '**/*.py'.")
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]/]*\]|\\.|.", pattern, flags=re.DOTALL)
    if tokens.count("{") != tokens.count("}"):
        raise Unusable(f"the pattern {shown(pattern)} has unequal numbers of {{ and }}. Write a literal one as \\{{.")
    regex, depth = [], 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth < 0:
            raise Unusable(f"the pattern {shown(pattern)} has a }} before its {{.")
        regex.append(_token(token, in_braces=depth > 0))
    return "".join(regex)


def _token(token: str, *, in_braces: bool) -> str:
    match token:
        case "**/":
            return "(.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            # One character of UTF-8, or one byte of anything else.
            return "([^/\udc80-\udcff]|[\udcc2-\udcf4][\udc80-\udcbf]+|[\udc80-\udcff])"
        case "{":
            return "("
        case "}":
            return ")"
        case ",":
            return "|" if in_braces else ","
        case _ if len(token) > 2 and token[0] == "[":
            return "[^" + token[2:] if token[1] == "!" else token
        case _:
            return _literal(token.removeprefix("\\") or "\\")


def _literal(value: str) -> str:
    return re.sub(r"[][.^$*+?(){}|\\]", lambda found: "\\" + found[0], value)


def _refuse_missing(root: str, ran: Ran) -> None:
    if ran.exit_code == MISSING and not ran.output:
        raise Unusable(f"{shown(root)} does not exist. Look at what is there with glob.")


def _matches(output: bytes, mode: str) -> list[str]:
    if mode == "files":
        return [_name(path) for path in sorted(output.split(b"\0")[:-1])]
    if mode == "count":
        # A name with a line end in it comes in pieces; the last has the count.
        counts = [line.rpartition(b":") for line in output.split(b"\n") if re.search(rb":\d+$", line)]
        return [f"{_name(path)}:{int(count)}" for path, _, count in sorted(counts)]
    lines = []
    for path, number, line in sorted(LISTED.findall(output), key=itemgetter(0)):
        shown_line = line.decode(errors="replace")
        if len(shown_line) > LINE_CHARACTERS:
            shown_line = f"{shown_line[:LINE_CHARACTERS]} [... cut, {len(shown_line)} characters]"
        lines.append(f"{_name(path)}:{int(number)}:{shown_line}")
    return lines


def _complaint(ran: Ran) -> str:
    lines = [line for line in ran.errors.decode(errors="replace").splitlines() if line.startswith("grep: ")]
    return "; ".join(line.removeprefix("grep: ") for line in list(dict.fromkeys(lines))[:3])


def _outcome(lines: list[str], ran: Ran, nothing: str) -> ToolOutcome:
    if ran.timed_out or PARTIAL in ran.errors:
        lines.append("[stopped when its time was up: this is a part. Use a narrower pattern or path]")
    return ToolOutcome(content=text("\n".join(lines) or nothing))


def _name(path: bytes) -> str:
    """A file's name as text; bytes that are no UTF-8 and control characters are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in path.decode(errors="backslashreplace")
    )
