"""One model call of any purpose: its place in the queue, its reservation, the request, and what came of it."""

import asyncio
import traceback
from typing import TYPE_CHECKING

from podium.core.budget import NotYet, OverBudget, Reserved, estimate_input, reserve
from podium.core.events import Usage
from podium.core.facts import AttemptFailed, BudgetReserved, BudgetSettled, Purpose
from podium.core.harness import stopped_by
from podium.core.limits import limit_met
from podium.core.moment import Moment
from podium.core.money import DEFAULT_OUTPUT_TOKENS, HAND_OVER_TOKENS, ModelFacts
from podium.core.ports import Delta, Model, ModelRequest, Rates, Reply
from podium.core.reply import record_reply, record_summary
from podium.core.rows import ZERO
from podium.core.summary import to_summarize
from podium.core.thread import ThreadState
from podium.core.turn import record_call, record_failure, record_limit, retry_time
from podium.engine.acceptance import accept_reply, is_cancelled, mended
from podium.engine.hub import Preview
from podium.errors import ModelFailed

if TYPE_CHECKING:
    from podium.engine.driver import Driver


UNTOLD_S = 1.0  # how long a model is left alone that has too many calls and does not say until when


class ModelCall:
    """One attempt of a thread to be answered."""

    def __init__(self, driver: "Driver", thread: ThreadState, facts: ModelFacts, purpose: Purpose) -> None:
        self._driver = driver
        self._thread = thread
        self._facts = facts
        self._purpose = purpose
        self._name = thread.definition.model
        self._model: Model = driver.bound.models[self._name]
        self._span = ""
        self._ids: dict[int, str] = {}  # of the events that blocks will be, by index: given out while they come

    async def make(self, at: Moment) -> Moment:
        """Make the call; the records of what came of it. `at` holds what was recorded before and is not committed."""
        driver, thread = self._driver, self._thread
        limiter = driver.parts.limiter
        slot = limiter.slot(
            session=driver.state.id,
            thread=thread.id,
            model=self._name,
            provider=self._model.provider,
            tokens=thread.context_tokens,
        )
        waits = not limiter.take(slot)
        if waits:
            await driver.commit(at)
            await limiter.wait(slot)
            at = driver.moment()
        used: Usage | None = None
        try:
            if waits and self._purpose == "turn" and limit_met(driver.state, thread, at.now):
                limiter.undo(slot)
                return at  # met while it waited: the next step says so
            if self._purpose == "turn":
                driver.take_messages(thread, at)
            if self._facts.price is not None:
                driver.fold(at)
                reserved = self._reserve()
                if isinstance(reserved, OverBudget):
                    limiter.undo(slot)
                    record_limit(driver.state, thread, reserved.met, at)
                    return at
                if reserved is None:
                    limiter.undo(slot)
                    return await driver.money_moves(at)
            else:
                reserved = None
            record_call(thread, self._purpose, reserved, at)
            await driver.commit(at)
            self._span = thread.span or ""
            try:
                reply = await answer(self._model, self._request(reserved))
            except ModelFailed as error:
                used = error.usage
                self._tell_limiter(error.rates, error)
                return self._failed(error)
            used = reply.usage
            self._tell_limiter(reply.rates)
        finally:
            limiter.give_back(slot, None if used is None else used.total_tokens)
        if stopped := stopped_by(driver.state, thread, reply):
            await driver.threads.halt(*stopped)
        return self._answered(reply)

    # --- before it -----------------------------------------------------------------------------------

    def _reserve(self) -> BudgetReserved | OverBudget | None:
        """What is set aside for the call; None while it must wait for others' to settle."""
        thread, facts = self._thread, self._facts
        assert facts.price is not None
        is_last = self._purpose == "hand_over"
        tokens = estimate_input(thread, self._driver.offers(thread))
        most = HAND_OVER_TOKENS if is_last else facts.max_tokens or DEFAULT_OUTPUT_TOKENS
        found = reserve(self._driver.state, thread, facts.price, tokens, most, is_last=is_last)
        match found:
            case Reserved(usd, max_tokens):
                return BudgetReserved(span="", model=self._name, usd=usd, input_tokens=tokens, max_tokens=max_tokens)
            case NotYet():
                return None
            case OverBudget():
                return found

    def _request(self, reserved: BudgetReserved | None) -> ModelRequest:
        thread, purpose = self._thread, self._purpose
        definition = thread.definition
        messages = thread.transcript.sent()
        most = HAND_OVER_TOKENS if purpose == "hand_over" else self._facts.max_tokens
        return ModelRequest(
            agent=definition.name,
            model=definition.model,
            system=definition.system,
            tools=self._driver.offers(thread),
            messages=to_summarize(messages, self._facts.context_window) if purpose == "compact" else messages,
            purpose=purpose,
            may_call=purpose == "turn" or (purpose == "hand_over" and definition.output_schema is not None),
            max_tokens=most if reserved is None else reserved.max_tokens,
            settings=definition.settings,
            on_delta=self._on_delta,
        )

    def _on_delta(self, delta: Delta) -> None:
        """Tell whoever watches what comes; nothing of a call that is over."""
        if self._thread.span != self._span or self._purpose == "compact" or delta.kind == "tool_use":
            return
        id = self._ids.get(delta.index)
        is_first = id is None
        if id is None:
            id = self._ids[delta.index] = self._driver.parts.new_id("sevt")
        preview = Preview(self._thread.id, self._span, id, delta, is_first)
        self._driver.parts.hub.preview(self._driver.state.id, preview)

    # --- after it ------------------------------------------------------------------------------------

    def _tell_limiter(self, rates: Rates | None, error: ModelFailed | None = None) -> None:
        """What the answer says of the model's limits, for all who call it."""
        limiter, provider = self._driver.parts.limiter, self._model.provider
        if rates is not None:
            limiter.learn(self._name, provider, rates)
        if error is not None and error.kind == "rate_limited":
            limiter.slow(self._name, provider, error.retry_after_s or UNTOLD_S)
        elif error is not None and error.kind == "overloaded":
            limiter.overloaded(self._name, provider)
        else:
            limiter.answered(self._name, provider)

    def _answered(self, reply: Reply) -> Moment:
        if reply.stop_reason == "model_context_window_exceeded":
            return self._failed(ModelFailed("the model's context is full", kind="too_long", usage=reply.usage))
        driver, thread = self._driver, self._thread
        at = driver.moment()
        if (settled := self._settled(reply.usage)) is not None:
            at.private(thread.id, settled)
        if self._purpose == "compact":
            record_summary(thread, reply, at)
        else:
            record_reply(driver.state, thread, reply, at, self._ids)
        return at

    def _failed(self, error: ModelFailed) -> Moment:
        driver, thread = self._driver, self._thread
        at = driver.moment()
        assert thread.span is not None
        retry_at = retry_time(thread, error.kind, error.retry_after_s, at.now, driver.parts.chance())
        failed = AttemptFailed(
            span=thread.span,
            reason=str(error),
            place=error.place,
            kind=error.kind,
            attempt=thread.attempts + 1,
            retry_at=retry_at,
        )
        usage = error.usage or Usage()
        record_failure(thread, failed, self._settled(usage), usage, at)
        return at

    def _settled(self, usage: Usage) -> BudgetSettled | None:
        """What the call cost, if its model has a price."""
        price = self._facts.price
        if price is None:
            return None
        assert self._thread.span is not None
        return BudgetSettled(span=self._thread.span, usd=price.cost(usage) if usage.total_tokens else ZERO)


async def answer(model: Model, request: ModelRequest) -> Reply:
    """One reply to the request.

    Errors: ModelFailed, whatever the model raised.
    """
    try:
        said = await model.reply(request)
        if is_cancelled():  # the model swallowed it
            raise asyncio.CancelledError
        return accept_reply(said)
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise ModelFailed("CancelledError: the model cancelled its own call") from error
    except ModelFailed as error:
        error.place = error.place or _place(error)
        raise ModelFailed(
            mended(str(error)),
            error.place,
            kind=error.kind,
            retry_after_s=error.retry_after_s,
            usage=error.usage,
            rates=error.rates,
        ) from error
    except (Exception, SystemExit) as error:  # the edge: a model may raise anything, and only its own thread fails
        raise ModelFailed(mended(f"{type(error).__name__}: {error}"), _place(error)) from error


def _place(error: BaseException) -> str:
    """Where it was raised: in a script, that is the line to look at."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({last.filename}:{last.lineno})"
