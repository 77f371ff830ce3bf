"""Models without a model: scripts in files, and made-up replies."""

import sys
from pathlib import Path

import pytest

from podium import Generated, ModelRequest, Rehearsal, TextBlock, ToolUseBlock, call, say
from podium.core.content import Message, text
from podium.core.definitions import TASK_SCHEMA
from podium.core.json import JSON
from podium.core.ports import ToolOffer
from podium.core.schema import misfit
from podium.errors import BadInput, ModelFailed
from podium.models.generate import generate
from podium.models.script_file import load


def request(*offers: ToolOffer, agent: str = "lead", said: str = "go") -> ModelRequest:
    return ModelRequest(agent=agent, model="m", system="", tools=offers, messages=(Message("user", text(said)),))


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))  # a script's folder is put on it


def written(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    return folder


async def test_script_answers_with_texts_blocks_or_replies() -> None:
    mixed = await Rehearsal(lambda request: [say("first"), call("read", file_path="a")]).reply(request())
    plain = await Rehearsal(lambda request: request.agent).reply(request())

    assert mixed.content == (TextBlock("first"), ToolUseBlock("", "read", {"file_path": "a"}))
    assert mixed.stop_reason == "tool_use"
    assert plain.content == (TextBlock("lead"),)
    assert plain.usage.input_tokens >= 1


async def test_script_that_answers_with_something_else_fails_its_call() -> None:
    with pytest.raises(ModelFailed, match="must return a text, a Reply, or blocks"):
        await Rehearsal(lambda request: 42).reply(request())  # type: ignore[arg-type,return-value]


async def test_generated_coordinator_calls_everyone_once_with_fitting_input_and_no_real_tool() -> None:
    offers = (
        ToolOffer("bash", "Runs.", {"type": "object"}),
        ToolOffer("a", "A.", TASK_SCHEMA, is_agent=True),
        ToolOffer("b", "B.", TASK_SCHEMA, is_agent=True),
    )

    reply = await Generated(7).reply(request(*offers))
    again = await Generated(7).reply(request(*offers))

    calls = [block for block in reply.content if isinstance(block, ToolUseBlock)]
    assert [block.name for block in calls] == ["a", "b"]
    assert [misfit(TASK_SCHEMA, block.input) for block in calls] == [None, None]
    assert again == reply


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 3, "maximum": 5},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 3},
        {"enum": ["x", "y"]},
        {"type": "string", "minLength": 30},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "uuid"},
        {"type": ["null", "string"]},
        {"anyOf": [{"type": "boolean"}, {"type": "string"}]},
        {"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"c": {"const": 1}}, "required": ["c"]}]},
        {"type": "integer", "multipleOf": 7, "minimum": 20},
    ],
)
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_made_up_value_fits_its_schema(schema: JSON, seed: str) -> None:
    whole = {
        "type": "object",
        "properties": {"v": schema},
        "required": ["v"],
        "$defs": {"a": {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}},
    }

    assert misfit(whole, generate(whole, seed)) is None


def test_schema_that_cannot_be_satisfied_says_so() -> None:
    with pytest.raises(ModelFailed, match="Script this agent"):
        generate({"type": "object", "properties": {"v": {"pattern": "^q{9}$"}}, "required": ["v"]}, "0")


def test_need_of_a_script_changes_with_its_own_modules_and_with_nothing_else(tmp_path: Path) -> None:
    written(
        tmp_path, script="def reply(request):\n    import beside\n    return 'x'\n", beside="A = 1\n", other="B = 1\n"
    )
    _, first = load("script.py:reply", tmp_path)

    written(tmp_path, other="B = 2\n")
    _, unrelated = load("script.py:reply", tmp_path)
    written(tmp_path, beside="A = 2\n")
    _, changed = load("script.py:reply", tmp_path)

    assert first.startswith(f"rehearsal:{tmp_path / 'script.py'}:reply@")
    assert unrelated == first
    assert changed != first


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("script.py", "must be FILE.py:FUNCTION"),
        ("gone.py:reply", "cannot be read: No such file"),
        ("script.py:replay", "has no function 'replay' \\(it has: reply\\)"),
        ("wrong.py:reply", "cannot be run: SyntaxError"),
        ("raises.py:reply", "cannot be run: ZeroDivisionError"),
        ("exits.py:reply", "ends the program that reads it, by sys.exit\\(0\\)"),
    ],
)
def test_script_that_cannot_be_loaded_says_why(tmp_path: Path, place: str, says: str) -> None:
    exits = "import sys\nsys.exit(0)\n"
    written(tmp_path, script="def reply(request): return 'x'\n", wrong="def (\n", raises="1 / 0\n", exits=exits)

    with pytest.raises(BadInput, match=says):
        load(place, tmp_path)
