"""Ready patterns: short functions over a workflow's run. Each call they make is durable, traced and capped.

from podium.patterns import pipeline, verify
"""

from podium.core.plan import Plan, Step
from podium.patterns.debate import Debated, debate
from podium.patterns.handoff import Handoff, Part, hand_over
from podium.patterns.judge import Judged, Try, judge
from podium.patterns.mapping import Files, map_over
from podium.patterns.parallel import Merged, merge, parallel
from podium.patterns.perspectives import VIEWS, perspectives
from podium.patterns.pipeline import Piped, pipeline
from podium.patterns.plan_steps import PlanResult, StepResult
from podium.patterns.planning import make_plan, plan, run_plan, synthesise
from podium.patterns.route import Routed, route
from podium.patterns.verify import Verdict, Verified, verify

__all__ = [
    "VIEWS",
    "Debated",
    "Files",
    "Handoff",
    "Judged",
    "Merged",
    "Part",
    "Piped",
    "Plan",
    "PlanResult",
    "Routed",
    "Step",
    "StepResult",
    "Try",
    "Verdict",
    "Verified",
    "debate",
    "hand_over",
    "judge",
    "make_plan",
    "map_over",
    "merge",
    "parallel",
    "perspectives",
    "pipeline",
    "plan",
    "route",
    "run_plan",
    "synthesise",
    "verify",
]
