"""Small code bases with everything the audit counts, and Python's own count of them."""

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

Figures = dict[str, dict[str, int]]  # by part and name

SKIPPED = {"node_modules", "__pycache__", "venv", "vendor"}
SUFFIXES = (
    *("py", "pyi", "js", "jsx", "mjs", "ts", "tsx", "vue", "go", "rs", "java", "kt", "scala", "rb", "php", "c", "h"),
    *("cc", "cpp", "hpp", "cs", "swift", "sh", "sql", "html", "css", "md", "rst", "toml", "yaml", "yml", "json"),
)
TESTS = ("test_*.py", "*_test.py", "*_test.go", "*.test.js", "*.spec.ts", "*Test.java")
MANIFESTS = ("pyproject.toml", "setup.py", "requirements*.txt", "package.json", "go.mod", "Cargo.toml")


def package(root: Path) -> None:
    """A Python package with tests, dependencies and one of each risk; hidden and vendored files beside it."""
    _write(root / "README.md", "# A package\n\nFIXME: say more\n")
    _write(root / "pyproject.toml", PYPROJECT)
    _write(root / "requirements-dev.txt", "# for developers\npytest==8.0\n\nmypy\n  ruff\n-r other.txt\n")
    _write(root / "src/pkg/__init__.py", "from .core import run  # TODO: more\nfrom . import core\n")
    _write(root / "src/pkg/core.py", CORE)
    _write(root / "src/pkg/long.py", "x = 1\n" * 401)
    _write(root / "src/pkg/just.py", "x = 1\n" * 400)
    _write(root / "src/pkg/unended.py", "import os")
    _write(root / "src/pkg/dos.py", "import os\r\nimport sys as system\r\nfrom json import (\r\n    loads,\r\n)\r\n")
    _write(
        root / "tests/test_core.py",
        "import pytest\n\n\ndef test_a(): ...\n\n\nasync def test_b(): ...\n\n\ndef other(): ...\n",
    )
    _write(root / "tests/core_test.py", "class TestIt:\n    def test_c(self):\n        def test_inner(): ...\n")
    _write(root / "tests/conftest.py", "def test_data(): ...  # not in a test file\n")
    for out in (
        ".git/hooks/test_hook.py",
        ".venv/lib/a.py",
        "node_modules/m/test_m.py",
        "src/__pycache__/c.py",
        "src/.x.py",
    ):
        _write(root / out, "import out\n# TODO\ndef test_out(): ...\n")
    (root / "linked.py").symlink_to("src/pkg/core.py")


def odd(root: Path) -> None:
    """Names and contents that break what splits at white space, in several languages and without a Python test."""
    for name in (
        "a b.py",
        "line\nend.py",
        "quo'te\".py",
        "$(touch pwned).py",
        "a=b.py",
        "-n.py",
        "äö.py",
        "total",
        "x,y;z.py",
    ):
        _write(root / "src" / name, "import os, sys\nimport os.path\n")
    with open(os.fsencode(root) + b"/src/not\xffutf8.py", "wb") as file:
        file.write(b"from os import path\n")
    _write(root / "folder.py/inside.go", "package main\n")
    _write(root / "folder.py/inside_test.go", "package main\n// TODO\n")
    _write(root / "web/a b.spec.ts", "it('works', () => {})\n" * 3)
    _write(root / "web/package.json", "{}\n")
    _write(root / "nul.py", "x = 1\n\0\0\n")
    _write(root / "empty.py", "")
    (root / "latin.py").write_bytes(b"# caf\xe9\n# TODO\n")
    _write(root / "no-suffix", "TODO is not looked for here\n")
    (root / "empty folder").mkdir()
    os.mkfifo(root / "pipe.py")


def empty(root: Path) -> None:
    """Nothing at all."""


PYPROJECT = """\
[project]
name = "pkg"
dependencies = [
    "httpx[http2]>=0.27", # with "quotes" in a comment
    "rich", "typer",
]
"""
CORE = """\
import collections.abc, os
import os.path as paths  # twice
from collections import deque
from pkg.long import x

def run(command):
    \"\"\"Runs it.

    import nothing from prose
    from here on, prose again
    \"\"\"
    import subprocess
    try:
        subprocess.run(command, shell=True)
        eval(command)
        paths.exec (command)
    except:
        import pickle
        pickle.loads(b"")  # TODO TODO: one line
        pickle.load
"""


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


# --- what is true ------------------------------------------------------------------------------------


def truth(root: Path) -> Figures:
    """Every figure of the audit, counted by Python: with its parser where there is Python code."""
    files = list(_files(root))
    sources = [path for path in files if path.suffix[1:] in SUFFIXES and path.stem]
    lines = {path: path.read_bytes().count(b"\n") for path in files}
    pythons = [path for path in sources if path.suffix == ".py"]
    tests = [path for path in files if _matches(path, TESTS)]
    structure = {"files": len(files), "source files": len(sources), "lines": sum(lines[path] for path in sources)}
    structure["lines of the longest file"] = max((lines[path] for path in sources), default=0)
    for path in sources:
        for name, number in (("files", 1), ("lines", lines[path])):
            if number:
                structure[f"{path.suffix} {name}"] = structure.get(f"{path.suffix} {name}", 0) + number
    return {
        "structure": structure,
        "tests": {
            "test files": len(tests),
            "test lines": sum(lines[path] for path in tests),
            "test functions": sum(_test_functions(path) for path in tests if path.suffix == ".py"),
        },
        "dependencies": {
            **_imports(pythons),
            "manifests": sum(_matches(path, MANIFESTS) for path in files),
            "lines of requirements*.txt": _count(
                [path for path in files if _matches(path, ["requirements*.txt"])], r"^\s*[A-Za-z0-9]"
            ),
        },
        "risks": {
            "lines with open marks": _count(sources, r"\b(TODO|FIXME|XXX)\b"),
            "lines with bare excepts": _count(pythons, r"^\s*except\s*:"),
            "lines with eval or exec": _count(pythons, r"(?<![.\w])(eval|exec)\s*\("),
            "lines with shell=True": _count(pythons, r"\bshell\s*=\s*True"),
            "lines with pickle loads": _count(pythons, r"\bpickle\.loads?\s*\("),
            "files over 400 lines": sum(lines[path] > 400 for path in sources),
        },
    }


def _files(root: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".") and name not in SKIPPED]
        paths = (Path(folder, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _matches(path: Path, patterns: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatchcase(path.name, pattern) for pattern in patterns)


def _count(paths: list[Path], pattern: str) -> int:
    return sum(bool(re.search(pattern, line)) for path in paths for line in path.read_text("latin-1").split("\n"))


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes().replace(b"\0", b"#"))


def _test_functions(path: Path) -> int:
    nodes = ast.walk(_parsed(path))
    return sum(isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name.startswith("test") for it in nodes)


def _imports(paths: list[Path]) -> dict[str, int]:
    modules: list[str] = []
    for path in paths:
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.Import):
                modules.append(node.names[0].name.split(".")[0])
            elif isinstance(node, ast.ImportFrom):
                modules.append("(relative)" if node.level else str(node.module).split(".")[0])
    counted = Counter(modules)
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:8]
    figures = {f"imports of {module}": number for module, number in most}
    return {**figures, "import lines": len(modules), "modules imported": len(counted.keys() - {"(relative)"})}
