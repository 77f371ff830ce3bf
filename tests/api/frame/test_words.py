"""What does not fit a request, in words: the place first, as the API writes it."""

from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from podium.api.errors import told
from podium.api.shapes.body import Body, refused, wrong


class Bash(Body):
    type: Literal["bash"]
    seconds: int = Field(1, gt=0)


class Custom(Body):
    type: Literal["custom"]
    name: str = Field(min_length=1, max_length=8)

    @field_validator("name")
    @classmethod
    def _no_space(cls, name: str) -> str:
        if " " in name:
            raise wrong("must have no space")
        return name


class Agent(Body):
    NOT_AVAILABLE: ClassVar[frozenset[str]] = frozenset(["skills"])
    IGNORED: ClassVar[frozenset[str]] = frozenset(["old"])
    name: str
    model: "str | Model"
    tools: list[Annotated[Bash | Custom, Field(discriminator="type")]] = Field([])
    limit: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Agent":
        if self.limit == 7:
            raise refused("limit", "must not be 7")
        return self


class Model(Body):
    id: str


GOOD = {"name": "a", "model": "m"}
BASH, CUSTOM = {"type": "bash"}, {"type": "custom"}


def said(**given: Any) -> str:
    body = {"agent": GOOD | given}
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, Agent]).validate_python(body)
    errors = [{**details, "loc": ("body", *details["loc"])} for details in caught.value.errors()]
    return told(errors, body)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": None}, "agent.name: must be a text, not null"),
        ({"name": 5}, "agent.name: must be a text, not a number"),
        ({"nmae": 5}, "agent.nmae: unknown field 'nmae', did you mean 'name'?"),
        ({"model": {"id": 5}}, "agent.model.id: must be a text, not a number"),
        ({"model": {"idd": "5"}}, "agent.model.idd: unknown field 'idd', did you mean 'id'?"),
        ({"model": {}}, "agent.model.id: is required"),
        ({"model": 5}, "agent.model: must be a text or an object, not a number"),
        ({"tools": {}}, "agent.tools: must be an array, not an object"),
        (
            {"tools": [{"type": "bash"}, {"type": "basj"}]},
            "agent.tools[1].type: must be one of 'bash', 'custom', not 'basj'",
        ),
        ({"tools": [{}]}, "agent.tools[0].type: is required"),
        ({"tools": [5]}, "agent.tools[0]: must be an object, not a number"),
        ({"tools": [{"type": "bash", "seconds": 0}]}, "agent.tools[0].seconds: must be greater than 0, not 0"),
        ({"tools": [{"type": "custom", "name": ""}]}, "agent.tools[0].name: must not be empty"),
        (
            {"tools": [{"type": "custom", "name": "n" * 9}]},
            "agent.tools[0].name: must have at most 8 characters, not 9",
        ),
        ({"tools": [{"type": "custom", "name": "a b"}]}, "agent.tools[0].name: must have no space"),
        ({"skills": [{"type": "custom"}]}, "agent.skills: is not available in this version of Podium"),
        ({"limit": 7}, "agent.limit: must not be 7"),
        ({"limit": "7"}, "agent.limit: must be a whole number, not '7'"),
    ],
)
def test_words_begin_with_the_place(given: dict[str, Any], words: str) -> None:
    assert said(**given) == words


def test_missing_field_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Agent.model_validate({"model": "m"})
    assert (
        told([{**it, "loc": ("body", *it["loc"])} for it in caught.value.errors()], {"model": "m"})
        == "name: is required"
    )


@pytest.mark.parametrize("empty", [None, [], {}, "", False])
def test_field_that_is_not_available_passes_while_it_says_nothing(empty: object) -> None:
    assert Agent.model_validate({**GOOD, "skills": empty, "old": 1}).name == "a"
