"""The rules by which the agents of one reply are over."""

from itertools import product

import pytest

from podium.core.joins import Delegated, NOf, Rule, n_of, rule_of, why_over
from podium.errors import BadInput

ENDS = ("", "reported", "limit", "failed", "interrupted", "refused")


@pytest.mark.parametrize(("given", "rule"), [("all", "all"), ("any", "any"), (3, 3), (n_of(2), 2), (NOf(1), 1)])
def test_what_is_a_rule(given: object, rule: Rule) -> None:
    assert rule_of(given) == rule


@pytest.mark.parametrize("given", ["most", "", 0, -1, True, 1.5, None, [], NOf(0)])
def test_what_is_no_rule(given: object) -> None:
    with pytest.raises(BadInput, match="join must be one of all, any, best_effort, or a whole number above 0, not"):
        rule_of(given)


@pytest.mark.parametrize("rule", ["all", "any", "best_effort", 1, 2, 3, 9])
def test_a_rule_is_over_exactly_when_what_is_open_cannot_change_it(rule: Rule) -> None:
    def met(ends: tuple[str, ...]) -> bool:
        done = sum(end == "reported" for end in ends)
        return done >= ({"all": len(ends), "any": 1}[rule] if isinstance(rule, str) else min(rule, len(ends)))

    for ends in product(ENDS, repeat=3):
        is_over = why_over(rule, [Delegated(f"a{n}", end) for n, end in enumerate(ends)]) is not None
        ways = product(*([end] if end else ["reported", "failed"] for end in ends))
        outcomes = {met(way) for way in ways} if rule != "best_effort" else {True, False}
        assert is_over == (len(outcomes) == 1), (rule, ends)


@pytest.mark.parametrize(
    ("rule", "ends", "said"),
    [
        ("any", ["reported", "", ""], "stopped: not needed any more, 1 of 3 was enough"),
        (2, ["reported", "reported", ""], "stopped: not needed any more, 2 of 3 were enough"),
        ("all", ["limit", "", ""], "stopped: 'a0' met a limit, and all were needed"),
        (3, ["refused", "", ""], "stopped: 'a0' could not be started, and all were needed"),
        (2, ["failed", "interrupted", ""], "stopped: 'a0' failed and 'a1' was interrupted, and 2 of 3 were needed"),
    ],
)
def test_why_it_is_over_is_said_in_words(rule: Rule, ends: list[str], said: str) -> None:
    assert why_over(rule, [Delegated(f"a{n}", end) for n, end in enumerate(ends)]) == said
