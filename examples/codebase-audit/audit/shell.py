"""The shell commands of the audit: which files are looked at, and how commands say what they counted."""

import re
import shlex

from audit.talk import Ask, Report

SCOPE = "/workspace/scope.sh"
SKIPPED = ("node_modules", "__pycache__", "venv", "vendor")
SCOPE_SH = f"""\
# The files of this audit, one find for everybody: no hidden ones, nothing vendored or generated, regular files only.
# usage: sh {SCOPE} [TEST...] ACTION    such as: sh {SCOPE} -name '*.py' -print0
exec find /source -name '.?*' -prune -o \\
    -type d \\( {" -o ".join(f"-name {name}" for name in SKIPPED)} \\) -prune -o \\
    -type f "$@"
"""
# Kinds of files with lines worth counting, by suffix.
CODE = (
    "py pyi js jsx mjs ts tsx vue go rs java kt scala rb php c h cc cpp hpp cs swift sh sql html css "
    "md rst toml yaml yml json"
)
CODE_FILES = " ".join(f"*.{suffix}" for suffix in CODE.split())
PYTHON_TESTS = "test_*.py *_test.py"
TEST_FILES = (
    f"{PYTHON_TESTS} *_test.go *.test.js *.test.jsx *.test.ts *.test.tsx *.spec.js *.spec.ts *.spec.tsx "
    "*Test.java *_spec.rb *_test.rb *Test.php"
)
MANIFESTS = (
    "pyproject.toml setup.py setup.cfg requirements*.txt Pipfile package.json go.mod Cargo.toml pom.xml build.gradle "
    "Gemfile composer.json"
)
TIMEOUT_MS = 600_000
LONG = 400  # lines; a file with more of them is over-long


def shell(what: str, *commands: str) -> str:
    """Commands that stop at the first failure: a pipeline that broke must not look like a count of 0."""
    return "\n".join([f"# {what}", "(set -eo pipefail; export LC_ALL=C", *commands, ")"])


def scope(*test_and_action: str) -> str:
    """Find among the files of the audit."""
    return " ".join(["sh", SCOPE, *test_and_action])


def names(patterns: str) -> str:
    """Find's test for any of these patterns."""
    return "\\( " + " -o ".join(f"-name {shlex.quote(pattern)}" for pattern in patterns.split()) + " \\)"


def figure(name: str, pipeline: str) -> str:
    """Say "NAME = NUMBER"."""
    return f'n=$({pipeline}); echo "{name} = $n"'


def figures(text: str, report: Report) -> None:
    """Take what `figure` said."""
    report.figures |= {name: int(number) for name, number in re.findall(r"^(\S.*?) = +?(\d+)$", text, re.M)}


def measure(what: str, *commands: str) -> Ask:
    """Commands that say figures."""
    return Ask(what, "bash", {"command": shell(what, *commands), "timeout_ms": TIMEOUT_MS}, figures)


def listing(what: str, title: str, command: str) -> Ask:
    """A command that lists paths below /source, which are evidence."""

    def read(text: str, report: Report) -> None:
        if found := [row.removeprefix("/source/") for row in text.splitlines() if row.startswith("/source/")]:
            report.found(title, found)

    return Ask(what, "bash", {"command": shell(what, command), "timeout_ms": TIMEOUT_MS}, read)
