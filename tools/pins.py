"""Keep requirements/*.txt in step with pyproject.toml.

usage: pins.py lock [uv options, such as --upgrade]   write the files again (asks the package index)
       pins.py check                                  fail if they are behind, or a file names a package host
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The pins of bench and docs come after the dev pins: they are installed on top of them.
SOURCES = {
    "runtime": ["pyproject.toml"],
    "dev": ["pyproject.toml", "--group=dev", "--constraint=requirements/runtime.txt"],
    "bench": ["--group=bench", "--constraint=requirements/dev.txt"],
    "docs": ["--group=docs", "--constraint=requirements/dev.txt"],
    **{f"sdk-{major}": [f"--group=sdk-{major}"] for major in (2, 1, 0)},  # environments of their own
}
OPTIONS = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate"]
OPTIONS += ["--no-emit-index-url", "--no-emit-find-links"]
# Where packages come from is the installer's own configuration, never this project's.
PACKAGE_HOST = re.compile(r"\b(pypi|pythonhosted|npmjs|yarnpkg|debian|crates)\.(org|com|net|io)\b")


def head() -> str:
    """First line of a requirements file that is in step with pyproject.toml."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    pinned = [project["requires-python"], project["dependencies"], project.get("optional-dependencies", {})]
    pinned += [pyproject["build-system"]["requires"], pyproject["dependency-groups"]]
    digest = hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()
    return f"# Written by `make lock`, from the dependencies of pyproject.toml: {digest[:16]}\n"


def lock(flags: list[str]) -> None:
    """Write every requirements file; pins that still fit stay as they are, unless --upgrade."""
    for name, source in SOURCES.items():
        file = ROOT / "requirements" / f"{name}.txt"
        command = ["uv", "pip", "compile", "--quiet", *OPTIONS, *source, *flags, f"--output-file={file}"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        file.write_text(head() + file.read_text())


def faults() -> list[str]:
    """What is wrong, one line for each fault."""
    found = []
    for name in SOURCES:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        if not text.startswith(head()):
            found.append(f"requirements/{name}.txt is behind pyproject.toml: run `make lock`.")
        if "://" in text or re.search(r"^--", text, re.MULTILINE):
            found.append(f"requirements/{name}.txt says where packages come from: it may hold only pins and hashes.")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for path in subprocess.run(listing, check=True, cwd=ROOT, capture_output=True, text=True).stdout.split("\0"):
        file = ROOT / path
        if file.is_file() and (match := PACKAGE_HOST.search(file.read_text(errors="replace"))):
            found.append(f"{path} names the package host {match[0]!r}: leave it to the installer's configuration.")
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lock", *flags]:
            lock(flags)
        case ["check"]:
            sys.exit("\n".join(faults()) or 0)
        case _:
            sys.exit(__doc__)
