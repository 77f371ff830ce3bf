"""Keys of the API: what they look like, and which are good."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.keys import SECRET_BYTES, KeyRow, make_key, may, opens, read_token
from podium.errors import BadInput

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ID = "apikey_1CkTzBk4fQa00001f"


def made(secret: bytes = b"s" * SECRET_BYTES, **how: Any) -> tuple[str, KeyRow]:
    return make_key(ID, secret, NOW, **how)


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_key_opens_what_it_was_made_for_and_nothing_else(secret: bytes) -> None:
    token, row = made(secret)
    _, other = made(
        bytes(SECRET_BYTES - 1) + b"\1" if secret != bytes(SECRET_BYTES - 1) + b"\1" else bytes(SECRET_BYTES)
    )
    shown = read_token(token)

    assert token.startswith("podium_1CkTzBk4fQa00001f_")
    assert token.isascii()
    assert shown is not None
    assert shown.id == ID
    assert opens(shown, row, NOW)
    assert not opens(shown, other, NOW)
    assert not opens(shown, None, NOW)


def test_secret_is_not_in_what_is_kept() -> None:
    token, row = made()

    assert token.split("_")[2] not in repr(row)
    assert token.split("_")[2].encode() not in row.hash


@given(st.data())
def test_mistyped_key_is_no_key(data: st.DataObject) -> None:
    token, _ = made()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=300))
    changed = token[:at] + other + token[at + 1 :]

    assert changed == token or read_token(changed) is None


@pytest.mark.parametrize(
    "text", ["", "podium", "podium__", "podium_a_b_c", "sk-ant-api03-abc", "podium_" * 100, "ü" * 70]
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert read_token(text) is None


def test_expired_and_revoked_keys_open_nothing() -> None:
    token, row = made(expires_at=NOW + timedelta(days=1))
    shown = read_token(token)
    assert shown is not None

    assert opens(shown, row, NOW)
    assert not opens(shown, row, NOW + timedelta(days=1))


def test_scopes_say_what_may_be_done() -> None:
    assert may(["admin"], ["sessions:write", "approvals:write"])
    assert may(["sessions:read", "agents:read"], ["agents:read"])
    assert not may(["sessions:write"], ["sessions:read"])
    assert not may([], ["agents:read"])
    assert may([], [])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"scopes": ["session:read"]}, "unknown scope 'session:read', did you mean 'sessions:read'?"),
        ({"scopes": []}, "a key needs a scope, one or more of agents:read, "),
        ({"workspace": "a b"}, "a workspace is 1 to 64 letters, digits, '-' and '_', not 'a b'"),
        ({"name": "a\nb"}, "the name of a key is at most 256 characters on one line"),
    ],
)
def test_key_that_cannot_be_is_refused(how: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        made(**how)

    assert str(caught.value).startswith(words)
