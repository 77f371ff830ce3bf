"""List prices: exact, dated, and unknown rather than guessed."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from podium.core.events import Usage
from podium.core.money import ModelFacts, Price
from podium.models.prices import facts_of, is_local

CLAUDE = "https://api.anthropic.com"
# The list grows with each release of its package; what it said of that day stays.
DAY = datetime(2026, 1, 15, tzinfo=UTC)


def price_of(model: str, base_url: str = CLAUDE, *, context_window: int | None = None) -> Price:
    price = facts_of(model, base_url, context_window=context_window, at=DAY).price
    assert price is not None
    return price


def test_price_of_the_list_is_exact_to_the_last_digit() -> None:
    price = price_of("claude-haiku-4-5")

    assert price == Price(input=Decimal(1), output=Decimal(5), cache_write=Decimal("1.25"), cache_read=Decimal("0.1"))
    assert price.cost(Usage(input_tokens=1, output_tokens=1, cache_read_input_tokens=3)) == Decimal("0.0000063")


def test_dated_name_of_a_model_has_the_price_of_the_model() -> None:
    assert price_of("claude-haiku-4-5-20251001") == price_of("claude-haiku-4-5")


def test_context_window_is_that_of_the_list() -> None:
    assert facts_of("claude-haiku-4-5", CLAUDE, at=DAY).context_window == 200_000


@pytest.mark.parametrize(
    ("model", "base_url"),
    [
        ("a-model-nobody-sells", CLAUDE),
        ("", CLAUDE),
        ("claude-haiku-4-5", "https://gateway.example.com"),
        ("claude-haiku-4-5", "http://localhost:11434"),
        ("claude-haiku-4-5", "http://127.0.0.1:8080"),
    ],
)
def test_what_is_not_known_is_unknown_and_never_free(model: str, base_url: str) -> None:
    assert facts_of(model, base_url, at=DAY) == ModelFacts()


def test_model_without_a_price_for_cached_tokens_charges_plain_input_for_them() -> None:
    price = price_of("claude-2")

    assert (price.cache_write, price.cache_read) == (price.input, price.input)


def test_window_ends_where_the_price_rises_unless_a_longer_one_is_asked_for() -> None:
    short = facts_of("claude-haiku-5-5", CLAUDE, at=DAY)
    long = facts_of("claude-haiku-5-5", CLAUDE, context_window=100_001, at=DAY)

    assert short.price is not None
    assert long.price is not None
    assert (short.context_window, long.context_window) == (100_000, 100_001)
    assert long.price.input > short.price.input
    assert long.price.output > short.price.output


def test_shorter_window_than_that_has_the_price_of_short_prompts() -> None:
    assert price_of("claude-haiku-5-5", context_window=50_000) == price_of("claude-haiku-5-5", context_window=100_000)


@pytest.mark.parametrize(
    ("base_url", "local"),
    [
        ("http://localhost:11434", True),
        ("http://ollama.localhost", True),
        ("http://127.8.0.1:80/x", True),
        ("http://[::1]:8000", True),
        ("http://192.168.1.2:8000", False),
        ("https://localhost.example.com", False),
        ("https://api.anthropic.com", False),
    ],
)
def test_server_is_local_if_its_address_is_a_loopback_one(base_url: str, local: bool) -> None:
    assert is_local(base_url) is local


def test_list_is_imported_when_a_price_is_first_asked_for() -> None:
    code = (
        "import sys; from podium.models.prices import facts_of\n"
        "facts_of('claude-haiku-4-5', 'http://localhost')\n"
        "before = 'genai_prices' in sys.modules\n"
        f"facts_of('claude-haiku-4-5', {CLAUDE!r})\n"
        "print(before, 'genai_prices' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]
