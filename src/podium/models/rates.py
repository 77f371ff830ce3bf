"""What a provider's headers say of its limits and of when to come back."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from podium.core.ports import Rates


def rates(headers: Mapping[str, str]) -> Rates | None:
    """The limits that an answer's headers tell, or None if they tell none.

    Shape: the names of `headers` are in lower case.
    Source: Messages API, anthropic-ratelimit-* headers. Where there is no limit of all tokens, those of input and
    output are added up.
    """
    if not any(name.startswith("anthropic-ratelimit-") for name in headers):
        return None
    now = _now(headers)
    said = Rates(
        requests_limit=_count(headers, "requests-limit"),
        requests_left=_count(headers, "requests-remaining"),
        requests_reset_s=_until(headers, "requests-reset", now),
        tokens_limit=_tokens(headers, "limit"),
        tokens_left=_tokens(headers, "remaining"),
        tokens_reset_s=_tokens_reset(headers, now),
    )
    return None if said == Rates() else said


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the provider wants to be asked again, or None if it does not say.

    Source: RFC 9110 section 10.2.3 (seconds or a date), with fractions, which providers send; retry-after-ms is finer.
    """
    ms = _seconds(headers.get("retry-after-ms"))
    if ms is not None:
        return ms / 1000
    after = headers.get("retry-after")
    seconds = _seconds(after)
    if seconds is not None or after is None:
        return seconds
    try:
        at = parsedate_to_datetime(after)
    except ValueError:
        return None
    return max(0.0, (_aware(at) - _now(headers)).total_seconds())


def _now(headers: Mapping[str, str]) -> datetime:
    # By the provider's own clock, where it tells it: the two may differ by minutes.
    try:
        return _aware(parsedate_to_datetime(headers["date"]))
    except (KeyError, ValueError):
        return datetime.now(UTC)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(f"anthropic-ratelimit-{name}", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _until(headers: Mapping[str, str], name: str, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(headers[f"anthropic-ratelimit-{name}"])
    except (KeyError, ValueError):
        return None
    return max(0.0, (_aware(at) - now).total_seconds())


def _tokens(headers: Mapping[str, str], what: str) -> int | None:
    both = _count(headers, f"tokens-{what}")
    if both is not None:
        return both
    parts = (_count(headers, f"input-tokens-{what}"), _count(headers, f"output-tokens-{what}"))
    return sum(part for part in parts if part is not None) if parts != (None, None) else None


def _tokens_reset(headers: Mapping[str, str], now: datetime) -> float | None:
    both = _until(headers, "tokens-reset", now)
    if both is not None:
        return both
    parts = (_until(headers, "input-tokens-reset", now), _until(headers, "output-tokens-reset", now))
    return max((part for part in parts if part is not None), default=None)
