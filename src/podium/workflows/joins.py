"""Several calls at once, and the rule by which they are over."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from podium.core.joins import RULES, Join, NOf, n_of
from podium.core.json import JSON
from podium.errors import BadInput, CallEnd, CallFailed, JoinFailed

__all__ = ["Gathered", "Join", "Joining", "Missing", "NOf", "n_of"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A call of a gather without a result. Shape: `index` is its place, from 0; `end` as in CallFailed."""

    index: int
    name: str
    end: CallEnd
    reason: str
    partial: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.end.replace('_', ' ')}{f', {self.reason}' if self.reason else ''}"


def told_missing(missing: Sequence[Missing]) -> list[tuple[str, str]]:
    """What an agent is told of what is missing, as a part of its context; nothing, if all is there."""
    return [("missing", "\n".join(map(str, missing)))] if missing else []


class Gathered(Sequence[T], Generic[T]):
    """What came of a gather: the results that are there, in the order of the calls, and what is `missing`, and why.

    Shape: as a sequence it holds the results that came. `slots` has a place for each call, None where nothing came;
    `names` are those of the results that came. As context of an agent it tells what is missing too.
    """

    def __init__(self, slots: Sequence[T | None], names: Sequence[str], missing: Sequence[Missing]) -> None:
        self.slots = tuple(slots)
        self.missing = tuple(missing)
        gone = {each.index for each in missing}
        self.names = [name for index, name in enumerate(names) if index not in gone]
        self._came: list[Any] = [slot for index, slot in enumerate(slots) if index not in gone]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._came[index]

    def __len__(self) -> int:
        return len(self._came)

    def __iter__(self) -> Iterator[T]:
        return iter(self._came)

    def __repr__(self) -> str:
        return f"<Gathered {len(self._came)} of {len(self.slots)}>"

    def __podium_json__(self) -> JSON:
        return list(self._came)

    def __podium_context__(self) -> list[tuple[str, str]]:
        from podium.workflows.values import context_text

        told: list[tuple[str, str]] = []
        for name, each in zip(self.names, self._came, strict=True):
            parts = getattr(each, "__podium_context__", None)
            told += parts() if parts is not None else [(name, context_text(each))]
        return told + told_missing(self.missing)


class Joining:
    """Waits for futures until their rule is met, or cannot be met any more."""

    def __init__(self, futures: Sequence["asyncio.Future[Any]"], names: Sequence[str], rule: Any) -> None:
        self._futures = futures
        self._names = names
        self._least = _least(rule, len(futures))
        self._rule = rule
        self._left = len(futures)
        self._done: dict[int, Any] = {}
        self._failed: dict[int, CallFailed] = {}
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def gathered(self) -> Gathered[Any]:
        """What came. Losers are cancelled. Errors: JoinFailed; whatever else a branch raises."""
        try:
            self._judge()
            for index, future in enumerate(self._futures):
                future.add_done_callback(lambda future, index=index: self._take(index, future))  # type: ignore[misc]
            await self._over
        finally:
            for future in self._futures:
                if not future.done():
                    future.cancel()
        made = self._made()
        if self._failed and len(self._done) < self._least:
            raise self._error(made)
        return made

    def _take(self, index: int, future: "asyncio.Future[Any]") -> None:
        if self._over.done():
            if not future.cancelled():
                future.exception()  # looked at: it comes too late
            return
        self._left -= 1
        if future.cancelled():
            self._failed[index] = CallFailed(f"'{self._names[index]}' was cancelled", end="cancelled")
        elif (error := future.exception()) is None:
            self._done[index] = future.result()
        elif isinstance(error, CallFailed):
            self._failed[index] = error
        else:  # a mistake in the code: no rule is made for it
            self._over.set_exception(error)
            return
        self._judge()

    def _judge(self) -> None:
        is_met = len(self._done) >= self._least and self._rule != "best_effort"
        is_lost = len(self._done) + self._left < self._least
        if is_met or is_lost or not self._left:
            self._over.set_result(None)

    def _made(self) -> Gathered[Any]:
        missing = []
        for index, name in enumerate(self._names):
            if index in self._done:
                continue
            error = self._failed.get(index)
            if error is None:
                missing.append(Missing(index=index, name=name, end="cancelled", reason="not needed any more"))
            else:
                gone = Missing(
                    index=index, name=name, end=error.end, reason=error.reason or str(error), partial=error.partial
                )
                missing.append(gone)
        return Gathered([self._done.get(index) for index in range(len(self._names))], self._names, missing)

    def _error(self, made: Gathered[Any]) -> JoinFailed:
        first = next(iter(self._failed.values()))
        rule = f"{self._least} of {len(self._names)}" if isinstance(self._rule, NOf) else f"'{self._rule}'"
        failed = "; ".join(str(each) for each in made.missing if each.index in self._failed)
        error = JoinFailed(
            f"the rule {rule} of a gather cannot be met any more: {failed}",
            end=first.end,
            name=first.name,
            reason=first.reason,
            partial=first.partial,
            thread_id=first.thread_id,
            keys=[key for each in self._failed.values() for key in each.keys],
        )
        error.gathered = made
        return error


def _least(rule: Any, calls: int) -> int:
    """How many must succeed. Errors: BadInput for a rule that is none, or that can never be met."""
    if isinstance(rule, NOf):
        if rule.least > calls:
            raise BadInput(f"join=n_of({rule.least}) of {calls} calls can never be met")
        return rule.least
    if rule == "any":
        if not calls:
            raise BadInput("join='any' of no calls can never be met")
        return 1
    if rule not in RULES:
        raise BadInput(f"join is one of {', '.join(repr(name) for name in RULES)} or n_of(k), not {rule!r:.40}")
    return calls if rule == "all" else 0
