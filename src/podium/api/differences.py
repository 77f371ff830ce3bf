"""Where this server differs from the hosted service, and why: docs/differences.md is written from this.

An entry stands here with the code that makes it true, and has a test marked with its id: `@pytest.mark.difference(id)`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a program may notice.

    Shape: `id` is lower-case words joined by hyphens; `what` and `why` are sentences in Markdown. Entries of one
    `about` stand together.
    """

    id: str
    about: str
    what: str
    why: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        id="later-parts",
        about="Requests",
        what="Files, vaults, skills, memory stores, deployments, dreams, resources of sessions and the work queue of "
        "environments answer 404 with `not_found_error` and say that they are not part of this version.",
        why="They come with later versions. A program is told at once, and nothing is pretended.",
    ),
    Difference(
        id="unknown-fields",
        about="Requests",
        what="A field of a body or a parameter of a query that the route does not have is refused with 400; the "
        "message names it and the nearest right one.",
        why="A misspelt filter would filter nothing, and a misspelt field would be lost in silence.",
    ),
    Difference(
        id="strict-json",
        about="Requests",
        what="A body with a key that stands twice, `NaN`, `Infinity`, numbers beyond 64 bits, half a surrogate pair, "
        "the character NUL or more than 64 levels is refused with 400 naming the place.",
        why="Readers of JSON disagree about these; what is kept in the log must mean one thing.",
    ),
    Difference(
        id="betas-ignored",
        about="Requests",
        what="`anthropic-beta`, `anthropic-version`, `anthropic-workspace-id` and `beta=true` may be sent or not, and "
        "change nothing.",
        why="Both generations of clients work; everything that is here is always on.",
    ),
    Difference(
        id="keys-with-scopes",
        about="Requests",
        what="Keys are made by `podium key create` for one workspace, with scopes, and may expire; answering calls "
        "that wait for approval has a scope of its own. What belongs to another workspace is not found.",
        why="A server of your own has no console that would do it; an agent's key need not be its supervisor's.",
    ),
    Difference(
        id="no-rate-limits",
        about="Requests",
        what="Requests are not counted, and 429 is not answered. `podium serve --limit-concurrency` bounds "
        "connections.",
        why="The limits of the hosted service protect its other customers. Models have limits in `podium.toml`.",
    ),
    Difference(
        id="models-of-the-configuration",
        about="Models",
        what="`/v1/models` lists the models that `podium.toml` names, by name. Others may be used all the same: those "
        "are the default provider's. Release dates and capabilities are not told.",
        why="Models are whatever your providers serve, and they do not say what they have.",
    ),
    Difference(
        id="answers-name-podium",
        about="Answers",
        what="Every answer has the header `podium-version`.",
        why="A server that is set up as its own model provider by mistake finds out.",
    ),
)
