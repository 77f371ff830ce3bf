"""What importing costs: the library stays light, and the core pulls in nothing that waits or does I/O."""

import subprocess
import sys
from pathlib import Path

import podium

FOLDER = Path(podium.__file__).parent
CORE = sorted(f"podium.core.{file.stem}" for file in (FOLDER / "core").glob("[a-z]*.py"))
# Runs a module of the core without podium/__init__.py, which imports the engine.
ALONE = f"import sys, types; sys.modules['podium'] = p = types.ModuleType('podium'); p.__path__ = [{str(FOLDER)!r}]\n"


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after this code."""
    listing = "import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", f"{code}\n{listing}"], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_library_imports_no_vendor_no_web_framework_and_nothing_of_the_command_line() -> None:
    loaded = modules_after("import podium")

    assert "podium.app" in loaded
    assert loaded.isdisjoint({"pydantic", "typer", "click", "rich", "yaml", "anthropic", "httpx", "aiohttp"})


def test_core_imports_only_the_core_and_two_libraries() -> None:
    libraries = modules_after("import jsonschema_rs, msgspec, dataclasses, difflib, graphlib, hashlib, hmac, pathlib")

    loaded = modules_after(ALONE + "\n".join(f"import {module}" for module in CORE))

    assert set(CORE) <= loaded
    assert "asyncio" not in libraries
    assert {name for name in loaded - libraries if not name.startswith(("podium.core", "podium.errors"))} == {"podium"}
