"""What in a team is likely to go wrong, or to cost more than it is worth. docs/check.md has a section for each rule."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Literal, get_args

from podium.core.definitions import SELF, Agent, Limits, with_all_below
from podium.core.money import ModelFacts
from podium.patterns.stages import Stage, called
from podium.team.load import Team

Rule = Literal[
    "description-goal",
    "description-return",
    "no-limits",
    "limits-never-met",
    "many-agents",
    "weak-coordinator",
    "near-equal-agents",
    "unused-agent",
    "unpriced-model",
]
RULES: tuple[Rule, ...] = get_args(Rule)
FactsOf = Callable[[str], ModelFacts]

MOST_AGENTS = 7
NEAR_EQUAL = 0.9

# What an agent is called says nothing of what it does.
_EMPTY_WORDS = frozenset(
    ["a", "agent", "ai", "an", "and", "assistant", "expert", "for", "of", "specialist", "the", "to"]
)
_RETURNS = re.compile(
    r"\b(answers?|csv|formats?|json|lists?|markdown|outputs?|repl(y|ies)|reports?|responds?|returns?|sentences?"
    r"|summar(y|ies)|tables?|yaml|yes or no)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something to think about, or, if `is_error`, something `podium run` refuses. `section` explains it."""

    rule: Rule
    text: str
    is_error: bool = False

    @property
    def section(self) -> str:
        """Where the rule is explained."""
        return f"docs/check.md#{self.rule}"


def lint(team: Team, facts_of: FactsOf) -> list[Finding]:
    """What is found, in the order of `RULES`. `facts_of` tells what is known of a model by its name."""
    used = [agent for agent in team.agents.values() if agent.name not in team.unused]
    chosen = [agent for agent in used if any(_calls(caller, agent) for caller in used) or agent in _chosen(team)]
    working = [agent for agent in used if agent in chosen or agent in _staged(team)]
    return [
        *_undescribed(chosen),
        *_unlimited(team, used, working),
        *_never_met(team, used),
        *_many(team),
        *_weak(used, facts_of),
        *_near_equal(working),
        *_unused(team),
        *_unpriced(team, used, facts_of),
    ]


def _calls(caller: Agent, agent: Agent) -> bool:
    return any(callee is agent or (callee == SELF and caller is agent) for callee in caller.callable_agents)


def _staged(team: Team) -> Sequence[Agent]:
    """The agents that stages of a workflow call."""
    return () if team.workflow is None else team.workflow.agents


def _stages(team: Team) -> Sequence[Stage]:
    return () if team.workflow is None else team.workflow.stages


def _chosen(team: Team) -> list[Agent]:
    """The agents that others are to choose from in a stage, by their descriptions."""
    names = [name for stage in _stages(team) for name in stage.get("route", {}).get("to", {}).values()]
    names += [name for stage in _stages(team) for name in stage.get("plan", {}).get("agents", ())]
    return [team.agents[name] for name in names]


# --- what a delegation must say ----------------------------------------------------------------------


def _undescribed(called: Sequence[Agent]) -> Iterator[Finding]:
    for agent in called:
        telling = set(_words(agent.description)) - set(_words(agent.name)) - _EMPTY_WORDS
        if len(telling) < 2:
            said = f"says only '{agent.description}'" if agent.description else "is missing"
            yield Finding(
                rule="description-goal",
                text=f"the description of '{agent.name}' {said}: those who may call it cannot tell what for. "
                "Say what it does, and to what",
            )
    for agent in called:
        if not _says_what_it_returns(agent):
            yield Finding(
                rule="description-return",
                text=f"nothing says what '{agent.name}' returns, and in which form. Give it an output_schema, or "
                "say it in its description",
            )


def _says_what_it_returns(agent: Agent) -> bool:
    asked = agent.input_schema if isinstance(agent.input_schema, dict) else {}
    is_asked_for = "expected_output" in asked.get("required", ())
    return (
        agent.output_schema is not None or is_asked_for or bool(_RETURNS.search(f"{agent.description} {agent.system}"))
    )


def _unlimited(team: Team, used: Sequence[Agent], called: Sequence[Agent]) -> Iterator[Finding]:
    if _stops(team.limits):
        return
    limited = _limited_by_stages(team)
    unlimited = [f"'{agent.name}'" for agent in called if not _stops(agent.limits) and agent.name not in limited]
    # What an agent defines has its limits, and it may define as many as it likes.
    unlimited += [f"what '{agent.name}' defines" for agent in used if agent.inline_agents and not _stops(agent.limits)]
    if unlimited:
        yield Finding(
            rule="no-limits",
            text=f"nothing stops {_joined(unlimited)}: neither own limits nor the team's. "
            "Set turns, seconds, tokens or usd in 'limits'",
        )


def _limited_by_stages(team: Team) -> set[str]:
    """The names of agents that only stages call, with limits each time."""
    calls = [(name, _stops(_limits(stage))) for stage in _stages(team) for _, name in called(stage)]
    below = {each.name for agent in team.agents.values() for each in agent.callable_agents if isinstance(each, Agent)}
    return {name for name, _ in calls} - {name for name, is_limited in calls if not is_limited} - below


def _limits(stage: Stage) -> Limits:
    return Limits(**stage.get("limits", {}))


def _stops(limits: Limits) -> bool:
    return any(limit is not None for limit in (limits.turns, limits.seconds, limits.tokens, limits.usd))


def _never_met(team: Team, used: Sequence[Agent]) -> Iterator[Finding]:
    for agent in used:
        for kind in ("turns", "seconds", "tokens", "usd"):
            own, whole = getattr(agent.limits, kind), getattr(team.limits, kind)
            if own is not None and whole is not None and own > whole:
                yield Finding(
                    rule="limits-never-met",
                    text=f"limits.{kind} of '{agent.name}', {own:,}, is more than the whole team's, {whole:,}, which "
                    "is met before. Lower it, or raise the team's",
                )
    for stage in _stages(team):
        for kind, own in vars(_limits(stage)).items():
            least = [(whose, most) for whose, most in _around(team, stage, kind) if own is not None and most < own]
            for whose, most in least[:1]:
                yield Finding(
                    rule="limits-never-met",
                    text=f"limits.{kind} of stage '{stage['name']}', {own:,}, is more than {whose}, {most:,}, which "
                    "is met before. Lower it, or raise the other",
                )


def _around(team: Team, stage: Stage, kind: str) -> Iterator[tuple[str, Any]]:
    """The limits of this kind that hold in the stage besides its own."""
    limits: list[tuple[str, Limits]] = [("the whole team's", team.limits)]
    limits += [(f"that of '{name}'", team.agents[name].limits) for _, name in called(stage)]
    yield from ((whose, most) for whose, each in limits if (most := getattr(each, kind)) is not None)


# --- who is needed -----------------------------------------------------------------------------------


def _many(team: Team) -> Iterator[Finding]:
    if team.workflow is None and len(team.agents) > MOST_AGENTS:
        yield Finding(
            rule="many-agents",
            text=f"{len(team.agents)} agents are more than {MOST_AGENTS}: a coordinator chooses worse among "
            "many, and each call costs a prompt of its own. Join those that do similar work",
        )


def _weak(used: Sequence[Agent], facts_of: FactsOf) -> Iterator[Finding]:
    for caller in used:
        own = facts_of(caller.model).price
        workers = [
            (callee, facts_of(callee.model).price) for callee in caller.callable_agents if isinstance(callee, Agent)
        ]
        stronger = [(price.output, callee) for callee, price in workers if own and price and price.output > own.output]
        if own is not None and stronger:
            dearest, worker = max(stronger, key=lambda pair: pair[0])
            yield Finding(
                rule="weak-coordinator",
                text=f"'{caller.name}' ({caller.model}, {_dollars(own.output)} a million tokens of output) directs "
                f"'{worker.name}' ({worker.model}, {_dollars(dearest)}): who decides should not be weaker than who "
                "works. Swap the models, or give both the same",
            )


def _dollars(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _near_equal(called: Sequence[Agent]) -> Iterator[Finding]:
    groups: list[list[Agent]] = []
    for agent in called:
        alike = next((group for group in groups if _are_near_equal(group[0], agent)), None)
        if alike is None:
            groups.append([agent])
        else:
            alike.append(agent)
    for group in groups:
        if len(group) > 1:
            yield Finding(
                rule="near-equal-agents",
                text=f"{_listed([agent.name for agent in group])} have the same tools and nearly the same prompt: "
                "one agent would do, called once for each task",
            )


def _are_near_equal(one: Agent, other: Agent) -> bool:
    if set(one.tools) != set(other.tools) or one.output_schema != other.output_schema:
        return False
    words, others = _words(one.system or one.description), _words(other.system or other.description)
    match = SequenceMatcher(None, words, others, autojunk=False)
    # The quick ratios are upper bounds: long prompts that share little are not compared word by word.
    ratios = (match.real_quick_ratio, match.quick_ratio, match.ratio)
    return bool(words) and all(ratio() >= NEAR_EQUAL for ratio in ratios)


def _unused(team: Team) -> Iterator[Finding]:
    why = "no stage names it, and nobody that one names can reach it. Name it in a stage"
    if team.lead is not None:
        why = f"'{team.lead.name}' cannot reach it. List it in somebody's callable_agents"
    for name in team.unused:
        yield Finding(rule="unused-agent", text=f"'{name}' is never called: {why}, or remove it")


# --- money -------------------------------------------------------------------------------------------


def _unpriced(team: Team, used: Sequence[Agent], facts_of: FactsOf) -> Iterator[Finding]:
    limited = {"the session": used} if team.limits.usd is not None else {}
    limited |= {f"'{agent.name}'": with_all_below(agent) for agent in used if agent.limits.usd is not None}
    told: set[str] = set()
    for whose, agents in limited.items():
        for agent in agents:
            if agent.model not in told and facts_of(agent.model).price is None:
                told.add(agent.model)
                yield Finding(
                    rule="unpriced-model",
                    text=f"limits.usd of {whose} cannot be kept: the price of model '{agent.model}' of '{agent.name}' "
                    f'is not known. Write it into podium.toml, as models."{agent.model}".price, or drop the limit',
                    is_error=team.rehearsal is None,  # rehearsed, no model is called
                )


# --- words -------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _listed(names: Sequence[str]) -> str:
    return _joined([f"'{name}'" for name in names])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
