"""How versions of agents come to be: the first one, and what an update makes of the one before.

Shape: `sent` holds the fields that a client sent, each in the form that is stored but for its omissions: a `multiagent`
of today's form may leave out what it does not change, a model its effort. None clears, an absent field stays.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from podium.core.catalog import AgentRow, EnvironmentRow
from podium.core.json import JSON
from podium.errors import BadInput, Conflict

MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512
TODAY: Literal["multiagent_20261001"] = "multiagent_20261001"

_ENABLED: dict[str, JSON] = {"type": "enabled"}
_DISABLED: dict[str, JSON] = {"type": "disabled"}
_TEAM: dict[str, JSON] = {"type": "enabled", "inline_agents": _ENABLED, "predefined_agents": []}
_MULTIAGENT: dict[str, JSON] = {"type": TODAY, "subagents": _TEAM, "workflows": _TEAM, "advisor": _DISABLED}

# What is stored for a field that was never sent, or was cleared. Name and model have no such value.
_CLEARED: dict[str, JSON] = {
    "description": None,
    "system": None,
    "tools": [],
    "mcp_servers": [],
    "skills": [],
    "multiagent": None,
    "execution_identity": {"type": "service_account"},
}
_EXTENSIONS = ("input_schema", "output_schema", "limits")


def first_version(row: AgentRow, sent: Mapping[str, JSON]) -> AgentRow:
    """The row as version 1, with a body made of what was sent. Errors: BadInput naming the field."""
    body = _body({"name": sent["name"], "metadata": {}, "model": {"id": None}, **_CLEARED}, sent)
    return msgspec.structs.replace(row, version=1, body=_checked(of_version(body, row.id, 1)))


def next_version(row: AgentRow, sent: Mapping[str, JSON], at: datetime) -> AgentRow:
    """The version that the update makes, or the same row if it changes nothing.

    Errors: BadInput for an archived agent, or naming the field.
    """
    check_current(row, None)
    body = of_version(_body(row.body, sent), row.id, row.version)
    if body == row.body:
        return row
    version = row.version + 1
    body = _checked(of_version(body, row.id, version))
    return msgspec.structs.replace(row, version=version, updated_at=at, body=body)


def check_current(row: AgentRow, expected: int | None) -> None:
    """Nothing, if the agent may be updated by who has seen that version; None is whichever there is.

    Errors: Conflict if there is a newer one; BadInput for an archived agent.
    """
    if expected is not None and expected != row.version:
        raise Conflict(
            f"version: agent {row.id} is at version {row.version}, not {expected}: it was updated meanwhile. "
            "Retrieve it, and update that version"
        )
    if row.archived_at is not None:
        raise BadInput(f"agent {row.id} is archived, and can no longer be updated; create another agent")


def archived(row: AgentRow, at: datetime) -> AgentRow:
    """The agent, archived; as it was if it is already."""
    return row if row.archived_at is not None else msgspec.structs.replace(row, archived_at=at)


def model_of(
    id: str, *, effort: JSON = None, inference_geo: str | None = None, speed: str | None = None
) -> dict[str, JSON]:
    """A model as agents keep and show it. Shape: `effort` and `inference_geo` are absent where they were not given."""
    given = {"effort": effort, "inference_geo": inference_geo}
    said = {name: value for name, value in given.items() if value is not None}
    return {"id": id, **said, "speed": speed or "standard"}


def merged_metadata(stored: Mapping[str, str], sent: Mapping[str, str | None]) -> dict[str, str]:
    """The pairs after an update: each key that was sent is set, or deleted by null or "".

    Errors: BadInput if there are too many, or one is too long.
    """
    return checked_metadata({key: value for key, value in {**stored, **sent}.items() if key not in sent or value})


def checked_metadata(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """The pairs, if they keep the limits. Errors: BadInput."""
    checked = {key: value for key, value in pairs.items() if value is not None}
    if len(checked) > MAX_PAIRS:
        raise BadInput(f"metadata: at most {MAX_PAIRS} pairs, these would be {len(checked)}")
    for key, value in checked.items():
        if not 0 < len(key) <= MAX_KEY:
            raise BadInput(f"metadata: a key has 1 to {MAX_KEY} characters, {key!r:.80} has {len(key)}")
        if len(value) > MAX_VALUE:
            raise BadInput(f"metadata.{key}: at most {MAX_VALUE} characters, these are {len(value)}")
    return checked


def merged_multiagent(stored: JSON, sent: JSON) -> JSON:
    """The multiagent configuration after an update.

    Today's form is merged into a stored one level by level: an omitted key stays, null is the default, an object of
    another type takes its defaults, a list replaces. Everything else replaces what is stored.
    Source: the Managed Agents API, section D.1.
    """
    if sent is None or sent["type"] != TODAY:
        return sent
    return _merged(stored, sent, _MULTIAGENT)


def _merged(stored: Any, sent: Any, default: Any) -> Any:
    if sent is None:
        return default
    if not isinstance(sent, dict):
        return sent
    kind = sent["type"]
    base: dict[str, JSON] = next(
        (each for each in (stored, default) if isinstance(each, dict) and each.get("type") == kind), {}
    )
    defaults = default if default["type"] == kind else {}
    return {**base, **{key: _merged(base.get(key), value, defaults.get(key)) for key, value in sent.items()}}


def references(multiagent: JSON) -> list[JSON]:
    """The references of a stored multiagent configuration: subagents first, those of workflows after them."""
    return [*subagents(multiagent), *workflow_agents(multiagent)]


def subagents(multiagent: JSON) -> list[JSON]:
    """The references to agents that this one may delegate to."""
    if multiagent is None:
        return []
    if multiagent["type"] != TODAY:
        return list(multiagent["agents"])
    return list(multiagent["subagents"].get("predefined_agents", ()))


def workflow_agents(multiagent: JSON) -> list[JSON]:
    """The references to agents that workflows of this one may use."""
    if multiagent is None or multiagent["type"] != TODAY:
        return []
    return list(multiagent["workflows"].get("predefined_agents", ()))


def may_define_agents(multiagent: JSON) -> bool:
    """Whether the agent may define one-off agents as it delegates."""
    return (
        multiagent is not None
        and multiagent["type"] == TODAY
        and multiagent["subagents"].get("inline_agents") == _ENABLED
    )


def of_version(body: dict[str, JSON], id: str, version: int) -> dict[str, JSON]:
    """The body with its references to the agent itself at this version."""

    def pinned(value: Any) -> Any:
        if isinstance(value, list):
            return [pinned(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("type") == "agent" and value["id"] == id:
            return {**value, "version": version}
        return {key: pinned(each) for key, each in value.items()}

    return {**body, "multiagent": pinned(body["multiagent"])}


def _body(stored: Mapping[str, JSON], sent: Mapping[str, JSON]) -> dict[str, JSON]:
    body = dict(stored)
    for field, value in sent.items():
        if field == "metadata":
            body[field] = merged_metadata(stored[field], value or {})
        elif field == "model":
            body[field] = _model(stored[field], value)
        elif field == "multiagent":
            body[field] = merged_multiagent(stored[field], value)
        elif field in _EXTENSIONS:
            body.pop(field, None)
            if value is not None:
                body[field] = value
        elif value is None or value == "":
            body[field] = _CLEARED[field]
        else:
            body[field] = value
    return body


def _model(stored: dict[str, JSON], sent: dict[str, JSON]) -> dict[str, JSON]:
    """The model replaced whole, but for its effort if that was not said and the model is the same."""
    kept = stored.get("effort") if stored["id"] == sent["id"] else None
    return model_of(**{**sent, "effort": sent.get("effort") or kept})


def _checked(body: dict[str, JSON]) -> dict[str, JSON]:
    """Rules about the whole. Errors: BadInput naming the field."""
    multiagent = body["multiagent"]
    if multiagent is not None and multiagent["type"] == TODAY:
        for member in ("subagents", "workflows"):
            team = multiagent[member]
            if team["type"] == "enabled" and team["inline_agents"] == _DISABLED and not team["predefined_agents"]:
                raise BadInput(
                    f"multiagent.{member}: with inline_agents disabled, predefined_agents must name at least one agent"
                )
    return body


def next_environment(row: EnvironmentRow, sent: Mapping[str, JSON], at: datetime) -> EnvironmentRow:
    """The environment after an update; the same row if nothing changes.

    Shape: `sent` holds the fields to set; metadata is merged by key.
    Errors: BadInput naming the field.
    """
    body = {**row.body, **sent}
    if "metadata" in sent:
        body["metadata"] = merged_metadata(row.body["metadata"], sent["metadata"])
    return row if body == row.body else msgspec.structs.replace(row, updated_at=at, body=body)
