"""A plan drawn: its steps by levels, with what they wait for, and its longest chain marked."""

import json
from collections.abc import Iterator

from podium.cli.text import count, one_line
from podium.core.plan import Plan, levels, longest_chain

WIDTH = 60  # of a task


def picture(plan: Plan) -> Iterator[str]:
    """The lines of it."""
    chain, laid = longest_chain(plan), levels(plan)
    yield f"{one_line(plan.task) or 'a plan'} · {count(len(plan.steps), 'step')}, sha256 {plan.sha256[:12]}"
    yield f"longest chain (*): {' -> '.join(one_line(id) for id in chain)}"
    yield f"done: {_rule(plan)}"
    ids = max(len(one_line(step.id)) for step in plan.steps)
    agents = max(len(one_line(step.agent)) for step in plan.steps)
    for number, steps in enumerate(laid, 1):
        for index, step in enumerate(steps):
            level = f"{number:>3}" if not index else "   "
            mark = "*" if step.id in chain else " "
            after = f" <- {', '.join(map(one_line, step.depends_on))}" if step.depends_on else ""
            retries = f" ({count(step.retries, 'retry').replace('retrys', 'retries')})" if step.retries else ""
            told = f"{one_line(step.task, WIDTH)}{retries}{after}"
            yield f"{level} {mark} {one_line(step.id):<{ids}}  {one_line(step.agent):<{agents}}  {told}"


def as_json(plan: Plan) -> Iterator[str]:
    """The plan and how it is laid out, as one line of JSON."""
    yield json.dumps(
        {
            "plan": plan.as_json(),
            "sha256": plan.sha256,
            "levels": [[step.id for step in steps] for steps in levels(plan)],
            "longest_chain": longest_chain(plan),
            "finals": list(plan.finals),
        },
        ensure_ascii=False,
    )


def _rule(plan: Plan) -> str:
    finals = ", ".join(map(one_line, plan.finals))
    match plan.join:
        case "best_effort":
            return "when every step has ended in some way (best_effort)"
        case "all":
            return f"when all final steps are done ({finals})"
        case "any":
            return f"when one of the final steps is done ({finals})"
        case least:
            return f"when {least} of the final steps are done ({finals})"
