"""Verification: a second agent checks a draft against its sources, and it is revised until it holds."""

from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.errors import BadInput
from podium.patterns.given import How, count, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

VERDICT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "verified": {"type": "boolean", "description": "Whether all that the draft says is borne out by the sources."},
        "issues": {"type": "array", "items": {"type": "string"}, "description": "What is wrong, one by one; or none."},
        "confidence": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "How sure you are of this verdict.",
        },
    },
    "required": ["verified", "issues", "confidence"],
    "additionalProperties": False,
}
CHECK = (
    "Check the draft: is everything that it says borne out by the sources you are given with it? Name each issue so "
    "that its author can mend it. If there are no sources, check it for itself."
)
REVISE = "Revise the draft: mend every issue that was found in it, keep the rest, and give the whole draft again."


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a checker says of a draft. Shape: `confidence` from 0 to 1."""

    verified: bool
    issues: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A draft that was checked.

    Shape: `output` is the last draft, `text` the same as text. If it is not `verified`, it ran out of attempts, and the
    last of the `verdicts` has what is open. There is a verdict for each attempt.
    """

    output: Any
    text: str
    verified: bool
    verdicts: tuple[Verdict, ...]

    @property
    def attempts(self) -> int:
        """How often it was checked."""
        return len(self.verdicts)

    @property
    def issues(self) -> tuple[str, ...]:
        """What the last verdict has against it."""
        return self.verdicts[-1].issues

    def __podium_context__(self) -> list[tuple[str, str]]:
        told = [("draft", self.text)]
        if not self.verified:
            told.append(("not verified", "\n".join(self.issues) or "the checker named no issue"))
        return told


async def verify(
    run: WorkflowRun,
    draft: Any,
    *,
    by: Agent,
    against: Any = None,
    attempts: int = 3,
    reviser: Agent | None = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Verified:
    """Have `by` check a draft against its sources, and `reviser` mend it, until it is verified or out of attempts.

    Shape: `draft` is a result, also of another pattern, or a text; `against` are the sources, as context is given to
    `run.agent`. Without a `reviser`, who made the draft revises it, if it is the result of a call. An attempt is one
    check, so with 1 nothing is revised.
    Errors: BadInput for no attempts, and for several where nobody is known to revise it; CallFailed.
    """
    where = "verify"
    count(where, "attempts", attempts, most=100)
    told_in_words(where, "by", by)
    if reviser is not None:
        told_in_words(where, "reviser", reviser)
    elif attempts > 1 and isinstance(draft, CallResult):
        reviser = told_in_words(where, "the draft's author, who revises it without a reviser=AGENT,", draft.made_by)
    elif attempts > 1:
        raise BadInput(f"{where}: who revises the draft? Say reviser=AGENT, or attempts=1 to have it checked only")
    output, text = _output(draft)
    if not text.strip():
        raise BadInput(f"{where}: the draft is empty, so there is nothing to check")
    verdicts: list[Verdict] = []
    while True:
        context = await hand_over(run, [{"draft": text}, against], to=by, by=handoff)
        check = await run.agent(
            by, CHECK, context=context, output_schema=VERDICT, name=f"check {len(verdicts) + 1}", **how
        )
        verdicts.append(_verdict(check.output))
        if verdicts[-1].verified or len(verdicts) == attempts or reviser is None:
            return Verified(output=output, text=text, verified=verdicts[-1].verified, verdicts=tuple(verdicts))
        issues = "\n".join(verdicts[-1].issues) or "the checker named none, and did not verify it"
        context = await hand_over(run, [{"draft": text, "issues": issues}, against], to=reviser, by=handoff)
        revised = await run.agent(reviser, REVISE, context=context, name=f"revision {len(verdicts)}", **how)
        output, text = revised.output, revised.text


def _output(draft: Any) -> tuple[Any, str]:
    """The output of a result, of a call or a pattern, and the same as text; of anything else itself."""
    is_result = hasattr(draft, "__podium_context__") and hasattr(draft, "output") and hasattr(draft, "text")
    return (draft.output, draft.text) if is_result else (draft, context_text({"": draft}))


def _verdict(said: dict[str, Any]) -> Verdict:
    return Verdict(verified=said["verified"], issues=tuple(said["issues"]), confidence=said["confidence"])
