"""What each specialist asks, stage by stage: a stage is asked in one reply, the next one may depend on its results."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

from audit.shell import (
    CODE,
    CODE_FILES,
    LONG,
    MANIFESTS,
    PYTHON_TESTS,
    SKIPPED,
    TEST_FILES,
    figure,
    listing,
    measure,
    names,
    scope,
)
from audit.talk import Ask, Report, Talk, shown

Stages = Iterator[list[Ask]]

COUNT = "-print0 | tr -dc '\\0' | wc -c"  # names end with NUL here, since they may hold newlines
LINES = "-exec cat {} + | wc -l"
LONGEST_FIRST = "awk '$2 ~ \"^/source/\"' | sort -k1,1nr -k2"  # of what `wc -l` says, without its totals
FIVE = r"sed -nE '1,5s/^ *([0-9]+) (.*)$/\2:\1/p'"

HIT = re.compile(r"^/source/(.+?):(\d+):")
# What grep gave is not everything: the tool's own bounds, and the bound of any tool's result.
IS_CUT = re.compile(
    r"^\[(only the first|some files were not|stopped when)|^\([\d,]+ more characters were dropped", re.M
)


def hits(text: str, files: str) -> list[str]:
    """FILE:LINE of what grep found in files of these names that belong to the audit."""
    found = []
    for hit in filter(None, map(HIT.match, text.splitlines())):
        *folders, name = hit[1].split("/")
        is_out = any(part.startswith(".") for part in (*folders, name)) or set(folders) & set(SKIPPED)
        if not is_out and any(fnmatchcase(name, pattern) for pattern in files.split()):
            found.append(f"{hit[1]}:{hit[2]}")
    return found


def grep(talk: Talk, name: str, pattern: str, files: str) -> list[Ask]:
    """Lines that match, as a figure and as evidence. Where grep shows only a part of them, the shell counts."""

    def read(text: str, report: Report) -> None:
        found = hits(text, files)
        if not IS_CUT.search(text):
            report.figures[name] = len(found)
        if found:
            report.found(f"{name[0].upper()}{name[1:]}, for example", found)

    # Hidden folders at the top (a .venv, say) are left out here already: they would fill what grep shows.
    wanted = ",".join(f"{each},[!.]*/**/{each}" for each in files.split())
    ask = Ask(name, "grep", {"pattern": pattern, "path": "/source", "glob": f"{{{wanted}}}"}, read)
    if not IS_CUT.search(ask.text(talk)):
        return [ask]
    count = scope(names(files), f"-exec sed -nE {shlex.quote(f'/{pattern}/p')} {{}} + | wc -l")
    return [ask, measure(name, figure(name, count))]


def per_suffix(name: str, action: str, total: str) -> Ask:
    """A figure for each kind of file there is, and their sum."""
    find = scope('-name "*.$suffix"', action)
    each = f'n=$({find}); t=$((t + n)); [ "$n" -eq 0 ] || echo ".$suffix {name} = $n"'
    return measure(f"{name} by language", "t=0", f"for suffix in {CODE}; do", each, "done", f'echo "{total} = $t"')


def structure(talk: Talk) -> Stages:
    def readme(text: str, report: Report) -> None:
        found = [path.removeprefix("/source/") for path in text.splitlines() if "README" in path]
        report.found("A README stands at the top" if found else "No README stands at the top", found)

    yield [
        Ask("the README", "glob", {"pattern": "README*", "path": "/source"}, readme),
        measure("files", figure("files", scope(COUNT))),
    ]
    yield [per_suffix("files", COUNT, "source files")]
    yield [per_suffix("lines", LINES, "lines")]
    lengths = scope(names(CODE_FILES), f"-exec wc -l {{}} + | {LONGEST_FIRST}")
    longest = f"{lengths} | awk 'NR == 1 {{n = $1}} END {{print n + 0}}'"
    yield [
        measure("the longest file", figure("lines of the longest file", longest)),
        listing("the longest files", "The longest files", f"{lengths} | {FIVE}"),
    ]


def tests(talk: Talk) -> Stages:
    yield [measure("test files", figure("test files", scope(names(TEST_FILES), COUNT)))]
    yield [measure("lines of tests", figure("test lines", scope(names(TEST_FILES), LINES)))]
    yield grep(talk, "test functions", r"^[[:space:]]*(async[[:space:]]+)?def[[:space:]]+test", PYTHON_TESTS)
    folders = scope(names(TEST_FILES), r"-print | sed 's,/[^/]*$,/,' | sort -u")
    yield [listing("folders of tests", "Tests stand in", folders)]


IMPORT = (
    r"^[[:space:]]*(from[[:space:]]+([.A-Za-z_][.A-Za-z0-9_]*)[[:space:]]+import[[:space:](*].*"
    r"|import[[:space:]]+([A-Za-z_][.A-Za-z0-9_]*)[[:space:]]*([,;#].*|as[[:space:]].*)?)$"
)
# Relative imports are counted together; the eight modules that are imported most are figures.
BY_MODULE = (
    r"sed -E 's/^\..*/(relative)/; s/\..*//' | sort | uniq -c | sort -k1,1nr -k2"
    """ | awk '{n += $1; m += $2 != "(relative)"} NR <= 8 {print "imports of " $2 " = " $1}"""
    """ END {print "import lines = " n + 0; print "modules imported = " m + 0}'"""
)


def dependencies(talk: Talk) -> Stages:
    project = Ask("pyproject.toml", "glob", {"pattern": "pyproject.toml", "path": "/source"}, lambda text, report: None)
    imported = scope("-name '*.py' -exec sed -nE", shlex.quote(f"s/{IMPORT}/\\2\\3/p"), "{} +")
    yield [project, measure("imports", f"{imported} | {BY_MODULE}")]
    required = scope("-name 'requirements*.txt' -exec sed -nE '/^[[:space:]]*[A-Za-z0-9]/p' {} + | wc -l")
    yield [
        measure("manifests", figure("manifests", scope(names(MANIFESTS), COUNT))),
        measure("requirements*.txt", figure("lines of requirements*.txt", required)),
        listing("manifests", "Manifests", scope(names(MANIFESTS), "-print | sort")),
    ]
    if "/pyproject.toml" in project.text(talk):
        yield [Ask("pyproject.toml", "read", {"file_path": "/source/pyproject.toml"}, declared)]


def declared(text: str, report: Report) -> None:
    """Count the dependencies that a pyproject.toml declares."""
    content = shown(text)
    wanted = tomllib.loads(content).get("project", {}).get("dependencies")
    if wanted is not None:
        rows = content.split("\n")
        at = next((number for number, row in enumerate(rows, 1) if row.startswith("dependencies")), 1)
        report.figures["declared dependencies"] = len(wanted)
        report.found("Dependencies are declared", [f"pyproject.toml:{at}"])


RISKS = {
    "lines with open marks": (r"(^|[^A-Za-z0-9_])(TODO|FIXME|XXX)([^A-Za-z0-9_]|$)", CODE_FILES),
    "lines with bare excepts": (r"^[[:space:]]*except[[:space:]]*:", "*.py"),
    "lines with eval or exec": (r"(^|[^.A-Za-z0-9_])(eval|exec)[[:space:]]*[(]", "*.py"),
    "lines with shell=True": (r"(^|[^A-Za-z0-9_])shell[[:space:]]*=[[:space:]]*True", "*.py"),
    "lines with pickle loads": (r"(^|[^.A-Za-z0-9_])pickle[.]loads?[[:space:]]*[(]", "*.py"),
}


def risks(talk: Talk) -> Stages:
    first, *others = RISKS
    for some in ([first], others):
        yield [ask for name in some for ask in grep(talk, name, *RISKS[name])]
    name = f"files over {LONG} lines"
    long = scope(names(CODE_FILES), f"-exec wc -l {{}} + | awk '$1 > {LONG}' | {LONGEST_FIRST}")
    yield [
        measure("over-long files", figure(name, f"{long} | wc -l")),
        listing("over-long files", f"The longest {name}", f"{long} | {FIVE}"),
    ]


PARTS: dict[str, Callable[[Talk], Stages]] = {
    "structure": structure,
    "tests": tests,
    "dependencies": dependencies,
    "risks": risks,
}
