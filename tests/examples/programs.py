"""The programs of examples/workflows, and what their runs did."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from podium import RunResult
from podium.core.facts import DelegationOpened, StepAsked
from podium.models.rehearsal import Rehearsal

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/workflows"


def imported(name: str) -> ModuleType:
    """The program of this name, as a module."""
    file = EXAMPLES / f"{name}.py"
    spec = spec_from_file_location(f"example_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(result: RunResult) -> list[str]:
    """The calls in the order in which they were made."""
    return [r.event.name for r in result.records if isinstance(r.event, StepAsked)]


def are_at_once(result: RunResult, *names: str) -> bool:
    """Whether all of these calls were made before any call was over since the first of them."""
    seqs = [r.seq for r in result.records if isinstance(r.event, StepAsked) and r.event.name in names]
    assert len(seqs) == len(names)
    return not [r for r in result.records if r.type == "delegation.closed" and seqs[0] < r.seq < seqs[-1]]


def told(result: RunResult) -> dict[str, dict[str, Any]]:
    """What each call was given, by its name."""
    names = {r.event.call: r.event.name for r in result.records if isinstance(r.event, StepAsked)}
    opened = [r.event for r in result.records if isinstance(r.event, DelegationOpened)]
    return {names[each.call]: each.input for each in opened}


def models(module: ModuleType) -> dict[str, Any]:
    """The program's own script in its models' place."""
    return {"rehearsed": Rehearsal(module.script)}
