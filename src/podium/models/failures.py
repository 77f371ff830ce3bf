"""Why an answer is no reply, and what a provider's error means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from podium.core.json import JSON
from podium.errors import ModelFailure

# How servers say that a prompt does not fit the model. Source: issue threads of each; they share no code for it, and
# the status may be 400, 413, 422 or 500, or 200 where the answer had begun.
_TOO_LONG = re.compile(
    r"prompt (is )?too long"  # Anthropic, Ollama
    r"|exceeds?\b[^.]{0,40}\bcontext (limit|length|size|window)"  # Anthropic with max_tokens, llama.cpp, Ollama
    r"|context (length|size|window)\b[^.]{0,20}\bexceeded"  # llama.cpp when it fills up, LM Studio on MLX
    r"|exceed_context_size|context_length_exceeded"  # llama.cpp's type, OpenAI's code
    r"|maximum (context|model) length"  # vLLM, OpenAI and proxies in front of it
    r"|longer than the model's context length"  # SGLang
    r"|context the overflows|reached context length",  # LM Studio, before and while it answers
    re.IGNORECASE,
)


class NotAReply(Exception):
    """What came is no reply. Shape: the text continues "provider 'x' at HOST ..."; the rest as in ModelFailed."""

    def __init__(self, reason: str, kind: ModelFailure = "transient", retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.kind: ModelFailure = kind
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Said:
    """An error in a provider's own words. Shape: `type` as in the API's errors, or ""."""

    type: str
    message: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.type else self.message

    @property
    def is_too_long(self) -> bool:
        """Whether it says that the prompt does not fit the model's context."""
        return _TOO_LONG.search(str(self)) is not None


def said_in(body: bytes) -> Said:
    """The error in the body of an answer, which may be JSON, a web page or nothing."""
    try:
        return said_by(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError):
        return Said("", first_words(body) or "it said nothing more")


def said_by(error: JSON) -> Said:
    """The error in JSON: `{"error": {"type", "message"}}` by the API, something like it by others."""
    match error:
        case {"error": {"message": str(message), **rest}}:
            type = rest.get("type")
            return Said(type if isinstance(type, str) else "", message)
        case {"error": str(message)} | {"message": str(message)} | {"detail": str(message)}:
            return Said("", message)
        case _:
            return Said("", first_words(msgspec.json.encode(error)))


def kind_of_status(status: int, headers: Mapping[str, str], said: Said) -> ModelFailure:
    """The kind of failure of an answer with an error status.

    Source: Messages API, errors; the header x-should-retry says which are to be tried again, whatever the status.
    """
    kind = _kind(status, said)
    match headers.get("x-should-retry"):
        case "true" if kind == "refused":
            return "transient"
        case "false" if kind in ("transient", "rate_limited", "overloaded"):
            return "failed"
        case _:
            return kind


def broken_off(said: Said) -> NotAReply:
    """The failure of an answer that had begun, and ended with an error."""
    kind: ModelFailure = "too_long" if said.is_too_long else "transient"
    if said.type in ("rate_limit_error", "overloaded_error"):
        kind = "rate_limited" if said.type == "rate_limit_error" else "overloaded"
    return NotAReply(f"broke off with an error: {said}", kind)


def first_words(body: bytes) -> str:
    """The beginning of something that should have been something else, on one line."""
    return " ".join(body[:2000].decode(errors="replace").split())[:200]


def _kind(status: int, said: Said) -> ModelFailure:
    if status == 429:
        return "rate_limited"
    if status == 529 or said.type == "overloaded_error":
        return "overloaded"
    if status not in (401, 403, 404) and said.is_too_long:
        return "too_long"
    return "transient" if status in (408, 409) or status >= 500 else "refused"
