"""Takes the steps of a plan: each as soon as what it depends on is there, with the results of those steps."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Literal

import msgspec

from podium.core.definitions import Agent
from podium.core.events import Usage
from podium.core.json import JSON
from podium.core.plan import MISSING, Plan, Step
from podium.core.rows import ZERO
from podium.errors import CallEnd, CallFailed, JoinFailed
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import NOTHING, CallResult
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

StepEnd = Literal["done", "skipped"] | CallEnd


class StepResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a step of a plan ended.

    Shape: `end` is "done"; "skipped" if a step it depends on gave nothing; else as in CallFailed. `reason` says why it
    has no result, `partial` is what its agent had by then. `output`, `text` and `corrections` are as in CallResult.
    Units: `usage` in tokens, of its thread; `cost_usd` in dollars at list price, of its thread and those below.
    """

    id: str
    agent: str
    end: StepEnd
    output: JSON = None
    text: str = ""
    reason: str = ""
    partial: str = ""
    thread_id: str = ""
    attempts: int = 0
    corrections: int = 0
    usage: Usage = NOTHING
    cost_usd: Decimal = ZERO

    @property
    def is_done(self) -> bool:
        """Whether it has a result."""
        return self.end == "done"

    def __str__(self) -> str:
        said = f"{self.id}: {self.end.replace('_', ' ')}{f', {self.reason}' if self.reason else ''}"
        return said if self.partial in self.reason else f"{said}. It had by then: {self.partial}"


class PlanResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a plan. Shape: `steps` by id, in the plan's order; `synthesis` is the last word, if there is one."""

    plan: Plan
    steps: dict[str, StepResult]
    synthesis: StepResult | None = None

    @property
    def missing(self) -> list[StepResult]:
        """The steps without a result."""
        return [step for step in self.steps.values() if not step.is_done]

    @property
    def results(self) -> dict[str, StepResult]:
        """The results that no other finished step was given: what the plan comes down to."""
        used = {id for step in self.plan.steps if self.steps[step.id].is_done for id in step.depends_on}
        return {id: step for id, step in self.steps.items() if step.is_done and id not in used}

    @property
    def output(self) -> Any:
        """The synthesis; without one the outputs of `results`, by id."""
        if self.synthesis is not None:
            return self.synthesis.output
        return {id: step.output for id, step in self.results.items()}

    @property
    def text(self) -> str:
        """The same as text; without a synthesis with what is missing."""
        return context_text(self) if self.synthesis is None else self.synthesis.text

    def __podium_context__(self) -> list[tuple[str, str]]:
        """For an agent: the synthesis or else the results, and which steps gave none, and why."""
        last = {} if self.synthesis is None else {self.synthesis.id: self.synthesis}
        parts = [(id, step.text) for id, step in (last or self.results).items()]
        return [*parts, *([(MISSING, "\n".join(map(str, self.missing)))] if self.missing else [])]


class _Over(Exception):
    """The plan's rule is met, or cannot be met any more: what is left is stopped."""


class Walk:
    """The way through a plan that has no problems."""

    def __init__(self, run: WorkflowRun, plan: Plan, agents: Mapping[str, Agent], handoff: Handoffs) -> None:
        self._run = run
        self._handoff = handoff
        self._plan = plan
        self._agents = agents
        self._ended: dict[str, StepResult] = {}
        self._errors: list[CallFailed] = []
        self._lacks = {step.id: len(step.depends_on) for step in plan.steps}
        self._after: dict[str, list[Step]] = {step.id: [] for step in plan.steps}
        for step in plan.steps:
            for id in step.depends_on:
                self._after[id].append(step)

    async def result(self) -> PlanResult:
        """Take the steps. Errors: JoinFailed once the plan's rule cannot be met any more."""
        loop = asyncio.get_running_loop()
        self._ready: dict[str, asyncio.Future[bool]] = {id: loop.create_future() for id in self._lacks}
        for id, lacks in self._lacks.items():
            if not lacks:
                self._ready[id].set_result(True)
        with suppress(_Over):
            await self._run.gather(*map(self._take, self._plan.steps), join="best_effort")
        made = PlanResult(plan=self._plan, steps=dict(self._told()))
        if self._came < self._plan.least or not made.results:
            raise self._lost(made)
        return made

    @property
    def _came(self) -> int:
        return sum(id in self._ended and self._ended[id].is_done for id in self._plan.finals)

    async def _take(self, step: Step) -> None:
        """One step, in a branch of its own: so its place in the log depends on the plan alone."""
        if not await self._ready[step.id]:
            return
        agent = self._agents[step.agent]
        known = {id: self._ended[id].text for id in step.depends_on} or None
        attempts = 0
        try:
            told = await hand_over(self._run, known, to=agent, by=self._handoff)
            call = self._run.agent(
                agent,
                step.task,
                context=told,
                expected_output=step.expected_output,
                name=step.id,
                retries=step.retries,
            )
            try:
                got = await call
            finally:
                attempts = call.attempts
        except CallFailed as error:
            self._errors.append(error)
            self._end(_failed(step, error, attempts))
            for left in self._after_all(step):
                self._skip(left)
        else:
            self._end(done(step.id, got))
            for each in self._after[step.id]:
                self._lacks[each.id] -= 1
                if not self._lacks[each.id] and not self._ready[each.id].done():
                    self._ready[each.id].set_result(True)
        self._judge()

    def _end(self, result: StepResult) -> None:
        self._ended[result.id] = result

    def _after_all(self, step: Step) -> Iterator[Step]:
        """The steps that wait for this one, near or far, and have not been skipped."""
        waiting = [*self._after[step.id]]
        while waiting:
            each = waiting.pop(0)
            if each.id not in self._ended:
                yield each
                waiting += self._after[each.id]

    def _skip(self, step: Step) -> None:
        gone = [id for id in step.depends_on if id in self._ended and not self._ended[id].is_done]
        reason = f"it needs {' and '.join(gone)}"
        self._end(StepResult(id=step.id, agent=step.agent, end="skipped", reason=reason))
        self._ready[step.id].set_result(False)

    def _judge(self) -> None:
        if self._plan.join == "best_effort":
            return
        left = sum(id not in self._ended for id in self._plan.finals)
        if self._came >= self._plan.least or self._came + left < self._plan.least:
            raise _Over

    def _told(self) -> Iterator[tuple[str, StepResult]]:
        for step in self._plan.steps:
            ended = self._ended.get(step.id)
            unneeded = StepResult(id=step.id, agent=step.agent, end="cancelled", reason="not needed any more")
            yield step.id, ended or unneeded

    def _lost(self, made: PlanResult) -> JoinFailed:
        first = self._errors[0]
        is_lost = self._came < self._plan.least
        what = f"the plan's rule {self._plan.join!r} cannot be met any more" if is_lost else "no step has a result"
        failed = [str(step) for step in made.missing if step.end not in ("skipped", "cancelled")]
        error = JoinFailed(
            f"{what}: {'; '.join(failed)}",
            end=first.end,
            name=first.name,
            reason=first.reason,
            partial=first.partial,
            thread_id=first.thread_id,
            keys=[key for each in self._errors for key in each.keys],
        )
        error.gathered = made
        return error


def done(id: str, got: CallResult) -> StepResult:
    """The result of a call as that of a step."""
    return StepResult(
        id=id,
        agent=got.agent,
        end="done",
        output=got.output,
        text=got.text,
        thread_id=got.thread_id,
        attempts=got.attempts,
        corrections=got.corrections,
        usage=got.usage,
        cost_usd=got.cost_usd,
    )


def _failed(step: Step, error: CallFailed, attempts: int) -> StepResult:
    return StepResult(
        id=step.id,
        agent=step.agent,
        end=error.end,
        reason=error.reason or str(error),
        partial=error.partial,
        thread_id=error.thread_id,
        attempts=attempts,
    )
