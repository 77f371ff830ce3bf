"""Any workflow of up to 200 calls: how one is made up, and what must come of it.

What must come of a program is worked out by itself, in plain Python and in microseconds: when each of its calls begins
and ends, what is never begun, and what the whole returns. `any_trial.py` has it run.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

NEVER = 1 << 60
NEAR = 20_000  # microseconds: what is nearer than this is a tie, since limits of time are met up to a millisecond late
LOST = "lost"
KEEPER = "keeper"  # an agent that is always at work, so that the session never rests
LeafKind = Literal["agent", "function", "checkpoint"]
TreeKind = Literal["sequence", "gather", "tasks", "group", "caught", "early", "aside"]


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A call.

    Shape: `fails` is how many of its attempts fail; a checkpoint that fails is answered with no. With `limit` it meets
    a limit of its own: of time after half of it, of turns at its end, of dollars at once.
    Units: `takes` in microseconds, of each attempt.
    """

    name: str
    kind: LeafKind
    takes: int
    fails: int = 0
    retries: int = 0
    limit: Literal["", "seconds", "turns", "usd"] = ""

    @property
    def is_good(self) -> bool:
        """Whether it gives a result in the end."""
        return not self.limit and self.fails <= self.retries

    def spans(self, start: int) -> list["Span"]:
        """Its attempts, one after the other."""
        tries = 1 if self.limit == "turns" else min(self.fails, self.retries) + 1
        takes = self.takes
        if self.limit == "seconds":
            tries, takes = self.retries + 1, self.takes // 2
        return [Span(self.name, start + n * takes, start + (n + 1) * takes) for n in range(tries)]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Code around calls.

    Shape: a "sequence" one after another, each in a phase of its own if `phase`; a "gather" with `join`; "tasks" are
    asyncio.gather, "group" a task group; "caught" goes on from a failure; "early" makes its first call and then the
    rest, and awaits the first one in the end; "aside" makes its last call where the rest has failed.
    """

    kind: TreeKind
    parts: tuple["Node", ...]
    join: str | int = "all"
    phase: bool = False

    @property
    def least(self) -> int:
        """How many of its parts must succeed."""
        if isinstance(self.join, int):
            return self.join
        return {"all": len(self.parts), "any": 1, "best_effort": 0}[self.join]


Node = Leaf | Tree


@dataclass(frozen=True)
class Span:
    """A call under way. Shape: nothing stops it from outside from `free` on."""

    name: str
    begin: int
    end: int
    free: int = NEVER


@dataclass
class Expected:
    """What must come of code: when it is over, what it gives (None if it fails), and all its calls."""

    end: int
    value: Any
    spans: list[Span] = field(default_factory=list)

    def stopped(self, at: int) -> list[Span]:
        """Its calls, if it is stopped then."""
        if self.end > at and any(_is_near(at, span.begin, span.end) for span in self.spans):
            raise Tie
        kept = [span for span in self.spans if span.begin < at or span.free <= at]
        return [span if span.free <= at else replace(span, end=min(span.end, at)) for span in kept]


class Tie(Exception):
    """Two things that are joined end in the same moment: which comes first is not said."""


def _is_near(at: int, *others: int) -> bool:
    return any(abs(at - other) < NEAR for other in others)


# --- how one is made up ------------------------------------------------------------------------------


def leaves(node: Node) -> Iterator[Leaf]:
    """All calls of the program."""
    if isinstance(node, Leaf):
        yield node
    else:
        for part in node.parts:
            yield from leaves(part)


def on_the_way_out(node: Node, *, is_aside: bool = False) -> set[str]:
    """The names of the calls that are made because others have failed."""
    if isinstance(node, Leaf):
        return {node.name} if is_aside else set()
    return {
        name
        for index, part in enumerate(node.parts)
        for name in on_the_way_out(part, is_aside=is_aside or (node.kind == "aside" and index == 1))
    }


KINDS: list[TreeKind] = ["sequence", "sequence", "gather", "gather", "gather", "tasks", "group", "early", "aside"]


class Maker:
    """Makes programs up. Shape: with `coarse` times many things end at once; where models are `priced`, calls may meet
    limits in dollars.
    """

    def __init__(self, seed: int, *, coarse: bool = False, priced: bool = False) -> None:
        self._chance = chance = Random(seed)
        self._coarse = coarse
        self._limits = ["", "", "seconds", "turns", *(["usd"] if priced else [])]
        self._count = 0
        self._fails = chance.choice([0, 0.03, 0.1, 0.3])

    def program(self, calls: int) -> Node:
        """A program of so many calls."""
        return self._tree(calls, 0)

    def _tree(self, calls: int, depth: int) -> Node:
        chance = self._chance
        if calls == 1:
            return self._leaf()
        kind = chance.choice(KINDS)
        if depth < 12 and chance.random() < 0.35:
            return Tree(kind="caught", parts=(self._tree(calls, depth + 1),))
        if kind in ("early", "aside"):
            rest, one = self._tree(calls - 1, depth + 1), self._leaf()
            return Tree(kind=kind, parts=(one, rest) if kind == "early" else (rest, one))
        parts = tuple(self._tree(each, depth + 1) for each in self._split(calls))
        if kind == "gather":
            join: Any = chance.choice(["all", "any", "best_effort", chance.randint(1, len(parts))])
            return Tree(kind=kind, parts=parts, join=join)
        return Tree(kind=kind, parts=parts, phase=chance.random() < 0.2)

    def _split(self, calls: int) -> list[int]:
        chance = self._chance
        most = chance.choice([2, 3, 5, calls])
        cuts = sorted(chance.sample(range(1, calls), min(calls, most) - 1))
        return [after - before for before, after in zip([0, *cuts], [*cuts, calls], strict=True)]

    def _leaf(self) -> Leaf:
        chance = self._chance
        self._count += 1
        takes = chance.randint(1, 4) * 1_000_000 if self._coarse else chance.randint(1_000_000, 60_000_000)
        kind: LeafKind = chance.choices(["agent", "function", "checkpoint"], [8, 2, 1])[0]  # type: ignore[assignment]
        bad = chance.random() < self._fails
        name = f"{kind[0]}{self._count}"
        if kind == "checkpoint":
            return Leaf(name=name, kind=kind, takes=takes, fails=int(bad))
        retries = chance.choice([0, 0, 1, 3])
        limit: Any = chance.choice(self._limits) if bad and kind == "agent" else ""
        fails = chance.randint(1, 4) if bad and not limit else 0
        return Leaf(name=name, kind=kind, takes=takes, fails=fails, retries=retries, limit=limit)


# --- what must come of it ----------------------------------------------------------------------------


def expected(program: Node) -> Expected:
    """What must come of the program. Errors: Tie."""
    whole = _expected(program, 0)
    return Expected(whole.end, whole.value, [*_over_at(whole.spans, whole.end), Span(KEEPER, 0, whole.end)])


def _over_at(spans: list[Span], end: int) -> list[Span]:
    if any(_is_near(end, span.begin, span.end) for span in spans if span.free < NEVER):
        raise Tie
    return [replace(span, end=min(span.end, end)) for span in spans if span.begin < end]


def _expected(node: Node, start: int) -> Expected:
    if isinstance(node, Leaf):
        spans = node.spans(start)
        return Expected(spans[-1].end, [node.name] if node.is_good else None, spans)
    match node.kind:
        case "caught":
            inner = _expected(node.parts[0], start)
            return Expected(inner.end, [LOST] if inner.value is None else inner.value, inner.spans)
        case "sequence":
            return _one_by_one(node.parts, start)
        case "aside":
            rest = _expected(node.parts[0], start)
            if rest.value is not None:
                return rest
            last = _expected(node.parts[1], rest.end)
            return Expected(last.end, None, [*rest.spans, *last.spans])
        case "early":
            first, rest = _expected(node.parts[0], start), _expected(node.parts[1], start)
            if rest.value is None:
                return Expected(rest.end, None, [*first.stopped(rest.end), *rest.spans])
            both = None if first.value is None else [*first.value, *rest.value]
            return Expected(max(first.end, rest.end), both, [*first.spans, *rest.spans])
        case _:
            return _joined(node, [_expected(part, start) for part in node.parts])


def _one_by_one(parts: tuple[Node, ...], start: int) -> Expected:
    value: list[Any] = []
    spans: list[Span] = []
    for part in parts:
        one = _expected(part, start)
        start = one.end
        spans += one.spans
        if one.value is None:
            return Expected(start, None, spans)
        value += one.value
    return Expected(start, value, spans)


def _joined(node: Tree, made: list[Expected]) -> Expected:
    ends = [each.end for each in made]
    good = sorted(each.end for each in made if each.value is not None)
    bad = sorted(each.end for each in made if each.value is None)
    if len(good) < node.least:
        over, is_met = bad[len(made) - node.least], False
    else:
        over, is_met = max(ends) if node.join == "best_effort" else good[node.least - 1], True
    if any(_is_near(ends[one], *ends[:one], *ends[one + 1 :]) for one in range(len(ends))):
        raise Tie
    value = [each.value if each.end <= over else None for each in made] if is_met else None
    if node.kind == "tasks":  # what fails beside others does not stop them
        spans = [span if is_met else replace(span, free=min(span.free, over)) for each in made for span in each.spans]
    else:
        spans = [span for each in made for span in each.stopped(over)]
    return Expected(over, value, spans)


def without_time(node: Node) -> Any:
    """What the program returns whatever its calls take: of rules that races decide, how many results there are."""
    if isinstance(node, Leaf):
        return [node.name] if node.is_good else None
    values = [without_time(part) for part in node.parts]
    match node.kind:
        case "caught":
            return [LOST] if values[0] is None else values[0]
        case "aside":
            return values[0]
        case "sequence" | "early":
            return None if None in values else [each for value in values for each in value]
        case _:
            if len(values) - values.count(None) < node.least:
                return None
            return values if node.least in (0, len(values)) else [node.least]
