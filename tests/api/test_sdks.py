"""The official SDKs, unchanged, against `podium serve`: every flow with every generation, by its own interpreter.

`make sdks` runs these; tools/sdks makes the environments.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.obedient import Obedient
from tests.api.process import Process, environment
from tests.api.sdk.flows import FLOWS
from tests.api.sdk.routes import ANSWERS, KINDS

pytestmark = [pytest.mark.sdk, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300


@dataclass(frozen=True)
class Ran:
    """What a run printed: an error, or None, by flow; and what was seen."""

    errors: dict[str, str | None]
    seen: dict[str, Any]


def run(command: list[str], folder: Path) -> Ran:
    """Run the flows against a server of their own."""
    with Obedient() as model, Process(folder, model.url) as server:
        keys = {"ANTHROPIC_API_KEY": server.key, "PODIUM_READER_KEY": server.make_key("sessions:read")}
        done = subprocess.run(
            command,
            cwd=ROOT, env=environment(ANTHROPIC_BASE_URL=server.url, **keys), capture_output=True, text=True,
            timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    errors = {line["flow"]: line["error"] for line in lines if "flow" in line}
    return Ran(errors, next((line for line in lines if "routes" in line), {}))


# --- Python -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=(2, 1, 0))
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All flows with one SDK, against a server of its own."""
    python = ROOT / f".sdk/python-{request.param}/bin/python"
    if not python.exists():
        pytest.fail("the SDKs are not installed: run `make sdks`")
    return run([str(python), "-m", "tests.api.sdk.run"], tmp_path_factory.mktemp("sdk"))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_runs_unchanged(ran: Ran, flow: str) -> None:
    error = ran.errors[flow]

    assert error is None, error


@pytest.mark.parametrize("ran", [2], indirect=True)
@pytest.mark.parametrize("route", ANSWERS)
def test_every_answer_fits_the_sdks_types_exactly(ran: Ran, route: str) -> None:
    assert route in ran.seen["routes"], "no flow met this route"
    assert ran.seen["faults"].get(route, []) == []


@pytest.mark.parametrize("ran", [2], indirect=True)
def test_every_error_has_the_apis_shape(ran: Ran) -> None:
    assert {route: faults for route, faults in ran.seen["faults"].items() if route not in ANSWERS} == {}


@pytest.mark.parametrize("ran", [2], indirect=True)
def test_every_kind_of_event_was_seen(ran: Ran) -> None:
    assert KINDS - set(ran.seen["kinds"]) == set()


# --- TypeScript -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=("v1", "v0"))
def program(request: pytest.FixtureRequest) -> Path:
    """The flows, compiled under strict with one SDK."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node and npm here, so the TypeScript SDKs are not tried")
    folder = ROOT / "tests/api/typescript" / str(request.param)
    if not (folder / "node_modules/stamp").exists():
        pytest.fail("the SDKs are not installed: run `make sdks`")
    shutil.rmtree(folder / "built", ignore_errors=True)
    assert faults_of_compiling(folder, ".") == []
    return folder / "built/run.mjs"


def faults_of_compiling(folder: Path, project: str) -> list[str]:
    """What the compiler of this SDK's folder says of a project. Shape: a line for each fault."""
    command = ["node_modules/.bin/tsc", "--pretty", "false", "--project", project]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def compiled(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All flows with one SDK, against a server of its own."""
    return run(["node", str(program)], tmp_path_factory.mktemp("sdk"))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_runs_unchanged_in_typescript(compiled: Ran, flow: str) -> None:
    error = compiled.errors[flow]

    assert error is None, error


@pytest.mark.parametrize("ran", [2], indirect=True)
def test_every_answer_compiles_as_what_the_sdk_says_that_it_is(ran: Ran, program: Path) -> None:
    lines = ["import type { Answers } from '../../answers.mjs';"]
    for route, answers in ran.seen["answers"].items():
        lines += [f"({json.dumps(answer)}) satisfies Answers['{route}'];" for answer in answers]
    built = program.parent
    (built / "answers.mts").write_text("\n".join(lines))
    compiling = {
        "extends": "../tsconfig.json",
        "compilerOptions": {"noEmit": True},
        "include": [],
        "files": ["answers.mts"],
    }
    (built / "tsconfig.json").write_text(json.dumps(compiling))

    found = faults_of_compiling(built.parent, "built")

    assert found == []


@pytest.mark.parametrize("family", dict.fromkeys(flow.partition("/")[0] for flow in FLOWS))
def test_every_flow_has_its_twin_in_typescript(family: str) -> None:
    """Read from the source, so that a missing one is told where there is no Node too."""
    source = ROOT / f"tests/api/typescript/flows_{family}.mts"
    [listed] = re.findall(r"^export const FLOWS = \[\n(.*?)^\];", source.read_text(), re.MULTILINE | re.DOTALL)
    found = [re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name) for name in re.findall(r"\w+", listed)]

    assert found == [flow.partition("/")[2] for flow in FLOWS if flow.startswith(f"{family}/")]
