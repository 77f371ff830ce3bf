"""One agent and a team on the same task, run in turn, side by side in figures, and which of them is worth it."""

from podium.comparison.figures import Comparison, Figures, Judgement, Measured, Outcome, Side, Spread
from podium.comparison.judging import judge_of
from podium.comparison.rule import Conclusion
from podium.comparison.runs import Comparing, compare
from podium.comparison.single import single_of

__all__ = [
    "Comparing",
    "Comparison",
    "Conclusion",
    "Figures",
    "Judgement",
    "Measured",
    "Outcome",
    "Side",
    "Spread",
    "compare",
    "judge_of",
    "single_of",
]
