"""What a session needs of the process that drives it, and how the process meets it.

Shape: a need is "tool:AGENT/NAME" (a Python function), "model:NAME" (an object passed by `models=`), or
"rehearsal:FILE:FUNCTION@SHA256" ("rehearsal:generated@SEED"), which answers for every model; or
"workflow:PLACE:NAME@SHA256", which drives the primary thread (see `podium.flows`).
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from podium.core.definitions import Definition, ToolSpec
from podium.core.facts import SessionSettings
from podium.core.money import ModelFacts
from podium.core.ports import Model, Tool
from podium.core.schema import check_schema
from podium.engine.bound import Bound
from podium.errors import BadInput, NeedsUnmet, NoPrice, UnknownName
from podium.models.rehearsal import Generated, Rehearsal
from podium.models.script_file import load
from podium.providers import Providers
from podium.tools import BUILT_IN
from podium.tools.functions import FunctionTool

GENERATED = "generated"
_SEED = 0


def program() -> str:
    """The file of the program that runs in this process, or "" if there is none."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(Path(main).resolve()) if main else ""


def describe(entry: Any, where: str, found: dict[tuple[str, str], Tool]) -> ToolSpec:
    """An entry of an agent's `tools` as the session pins it; a program's own tool is put into `found`.

    Errors: BadInput for what is no tool, UnknownName for a name that is not built in.
    """
    if isinstance(entry, str):
        if entry not in BUILT_IN:
            raise UnknownName("tool", entry, BUILT_IN, where=where)
        tool: Tool = BUILT_IN[entry]
        source = "built_in"
    else:
        if hasattr(entry, "input_schema") and hasattr(entry, "run"):
            tool = entry
        elif callable(entry):
            tool = FunctionTool(entry, where)
        else:
            raise BadInput(f"{where}: a tool is a name, a Python function or a Tool object, not {entry!r:.80}")
        _check_tool(tool, where)
        source = "function"
        agent = where.removeprefix("agent '").removesuffix("'")
        found[agent, tool.name] = tool
    return ToolSpec(tool.name, tool.description, tool.input_schema, source, tool.idempotent)


def _check_tool(tool: Tool, where: str) -> None:
    for name, kind in (("name", str), ("description", str), ("idempotent", bool), ("needs_sandbox", bool)):
        if not isinstance(getattr(tool, name, None), kind):
            raise BadInput(f"{where}: tool {tool!r:.80} must have '{name}', a {kind.__name__}; see podium.Tool")
    if not callable(tool.run):
        raise BadInput(f"{where}: tool '{tool.name}' must have 'async def run(self, call, sandbox)'; see podium.Tool")
    check_schema(tool.input_schema, where=f"{where}, input_schema of tool '{tool.name}'")


def check_models(models: Any) -> dict[str, Model]:
    """The models a program passed, by name.

    Errors: BadInput for what is none, with the remedy.
    """
    if not isinstance(models, Mapping):
        raise BadInput(f"models must map names to model objects, as in models={{'fake': model}}, not {models!r:.80}")
    for name, model in models.items():
        if isinstance(model, type):
            raise BadInput(f"models['{name}'] is a class; pass an object of it")
        if callable(getattr(model, "reply", None)) and isinstance(getattr(model, "provider", None), str):
            continue
        if callable(model):
            raise BadInput(f"models['{name}'] is a function; wrap it: Rehearsal({getattr(model, '__name__', 'it')})")
        raise BadInput(
            f"models['{name}'] must have 'provider', a text, and 'async def reply(self, request)'; "
            f"{type(model).__name__} has not. See podium.Model"
        )
    return dict(models)


def needs_of(definitions: Iterable[Definition], models: Mapping[str, Model]) -> tuple[str, ...]:
    """What a session of these agents needs of its program: its Python tools, and those models that were passed in."""
    needs: dict[str, None] = {}
    for definition in definitions:
        if definition.program:
            continue
        if definition.model in models:
            needs[f"model:{definition.model}"] = None
        for spec in definition.tools:
            if spec.source == "function":
                needs[f"tool:{definition.name}/{spec.name}"] = None
    return tuple(needs)


def need_of_rehearsal(rehearsal: str, folder: Path) -> str:
    """The need of a session that is rehearsed.

    Errors: BadInput if there is no such rehearsal.
    """
    return f"rehearsal:{GENERATED}@{_SEED}" if rehearsal == GENERATED else load(rehearsal, folder)[1]


def bind(
    definitions: Mapping[str, Definition],
    needs: Sequence[str],
    models: Mapping[str, Model],
    tools: Mapping[tuple[str, str], Tool],
    providers: Providers,
    *,
    program: str = "",
    accept_changed: bool = False,
) -> Bound:
    """The models and tools of a session, found in this process; other models are the providers'.

    Errors: NeedsUnmet that names what is missing, and the program that has it; BadInput for a model without a key.
    """
    rehearsal = next((need for need in needs if need.startswith("rehearsal:")), None)
    rehearsed = None if rehearsal is None else _rehearsal(rehearsal, accept_changed)
    bound_models: dict[str, Model] = {}
    bound_tools: dict[tuple[str, str], Tool] = {}
    facts: dict[str, ModelFacts] = {}
    missing: list[str] = []
    for definition in definitions.values():
        name = definition.model
        model = rehearsed or models.get(name)
        if model is not None:
            bound_models[name] = model
            facts[name] = getattr(model, "facts", None) or ModelFacts()
        elif f"model:{name}" in needs:
            missing.append(f"the model '{name}'")
        else:
            bound_models[name] = providers.model(name, where=f"agent '{definition.name}'", given=models)
            facts[name] = providers.facts(name)
        for spec in definition.tools:
            key = (definition.tools_from or definition.name, spec.name)
            if spec.source == "built_in":
                bound_tools[key] = BUILT_IN[spec.name]
            elif spec.source == "custom":
                continue  # the client's
            elif key in tools:
                bound_tools[key] = tools[key]
            else:
                missing.append(f"the Python tool '{spec.name}' of agent '{key[0]}'")
    if missing:
        raise NeedsUnmet(
            f"this session needs {', '.join(dict.fromkeys(missing))}, which live in the program that started it"
            f"{f' ({program})' if program else ''}. Resume it there, by podium.resume(session_id, agents=, models=)"
        )
    return Bound(models=bound_models, tools=bound_tools, agents=tuple(definitions), facts=facts)


def check_prices(definitions: Iterable[Definition], settings: SessionSettings, bound: Bound) -> None:
    """Refuse a limit in dollars over models whose price nobody knows: it could not be kept.

    Errors: NoPrice that names the models and the limit.
    """
    limited = [f"agent '{definition.name}'" for definition in definitions if definition.usd is not None]
    if settings.usd is not None:
        limited.append("the session")
    unknown = [
        name
        for name, model in bound.models.items()
        if bound.facts_of(name).price is None and not isinstance(model, Rehearsal | Generated)
    ]
    if limited and unknown:
        names = ", ".join(f"'{name}'" for name in sorted(unknown))
        raise NoPrice(
            f"{' and '.join(limited)}: a limit in dollars needs the price of every model, and nobody knows that of "
            f"{names}. Give it in podium.toml, as in [models.{json_key(sorted(unknown)[0])}.price] (0 is a price), or "
            "leave usd out"
        )


def windows_of(definitions: Mapping[str, Definition], bound: Bound) -> dict[str, int]:
    """The context windows of the agents' models, in tokens, by definition; those that are known."""
    windows = {version: bound.facts_of(each.model).context_window for version, each in definitions.items()}
    return {version: window for version, window in windows.items() if window is not None}


def json_key(name: str) -> str:
    """The name as a key of a TOML table."""
    return msgspec.json.encode(name).decode()


def _rehearsal(need: str, accept_changed: bool) -> Model:
    place, _, digest = need.removeprefix("rehearsal:").rpartition("@")
    if place == GENERATED:
        return Generated(int(digest))
    try:
        model, now = load(place, Path("/"))
    except BadInput as error:
        raise NeedsUnmet(f"this session is rehearsed, and its script is gone: {error}") from None
    if now != need and not accept_changed:
        file = place.rpartition(":")[0]
        raise NeedsUnmet(
            f"the rehearsal {file} has changed since this session was started. Its replies may not fit what was done: "
            "put the old file back, or accept the new one with --accept-changed (accept_changed=True)"
        )
    return model
