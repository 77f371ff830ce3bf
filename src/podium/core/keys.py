"""Keys of the API: what they look like, what may be done with them, and whether one that was shown is good.

Shape: a key is "podium_<id>_<secret>_<checksum>". The secret has 256 bits and is kept only as its SHA-256, which needs
no slow hash: nobody can guess it. The checksum tells a mistyped key from a wrong one without a look at the database.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from podium.core.base62 import base62
from podium.errors import BadInput, UnknownName

SCOPES = {
    "agents:read": "read agents, environments and models",
    "agents:write": "create and change agents and environments",
    "sessions:read": "read sessions, threads and events, and follow them",
    "sessions:write": "create, steer, archive and delete sessions",
    "approvals:write": "allow or deny calls that wait for approval",
    "admin": "everything",
}
ADMIN = "admin"
SECRET_BYTES = 32
USE_KEPT = timedelta(minutes=1)  # how exactly it is kept when a key was last used

_PREFIX, _ID_PREFIX = "podium", "apikey_"
_SECRET_DIGITS, _CHECK_DIGITS = 43, 6
_MOST_CHARS = 200
_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class KeyRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key as it is kept.

    Shape: `hash` is SHA-256 of the secret. `made_by_server` marks the one that was made at the first start.
    """

    id: str
    workspace: str
    name: str
    scopes: tuple[str, ...]
    hash: bytes
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    made_by_server: bool = False

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What a caller showed: the id of a key, and the hash of the secret that came with it."""

    id: str
    hash: bytes


class Keys(Protocol):
    """Keeps the keys of a data folder. Several processes may use one at once."""

    async def create(self, row: KeyRow) -> None:
        """Keep a new key. Errors: StoreError."""
        ...

    async def key(self, id: str) -> KeyRow | None:
        """The key of this id, revoked or not, as it stands at most a second ago. Errors: StoreError."""
        ...

    async def keys(self) -> list[KeyRow]:
        """All keys, oldest first. Errors: StoreError."""
        ...

    async def revoke(self, id: str, at: datetime) -> KeyRow:
        """The key, good for nothing from now on; one that was revoked before stays as it was. Errors: NotFound."""
        ...

    async def used(self, id: str, at: datetime) -> None:
        """Note that it was used. Kept to the minute: most calls write nothing. Errors: StoreError."""
        ...

    async def close(self) -> None:
        """Let go of the file. May be called twice."""
        ...


def make_key(
    id: str,
    secret: bytes,
    at: datetime,
    *,
    name: str = "",
    scopes: Iterable[str] = (ADMIN,),
    workspace: str = "default",
    expires_at: datetime | None = None,
    made_by_server: bool = False,
) -> tuple[str, KeyRow]:
    """A new key: its text, to be shown once, and what is kept of it. Shape: `secret` are 32 bytes of chance.

    Errors: BadInput for scopes or names that cannot be.
    """
    if not _WORKSPACE.fullmatch(workspace):
        raise BadInput(f"a workspace is 1 to 64 letters, digits, '-' and '_', not {workspace!r:.80}")
    if len(name) > 256 or not name.isprintable():
        raise BadInput("the name of a key is at most 256 characters on one line")
    digits = base62(int.from_bytes(secret), _SECRET_DIGITS)
    stem = f"{_PREFIX}_{id.removeprefix(_ID_PREFIX)}_{digits}"
    row = KeyRow(
        id=id,
        workspace=workspace,
        name=name,
        scopes=checked_scopes(scopes),
        hash=_hash(digits),
        created_at=at,
        expires_at=expires_at,
        made_by_server=made_by_server,
    )
    return f"{stem}_{_checksum(stem)}", row


def read_token(token: str) -> Shown | None:
    """What was shown, or None for what is no key of Podium's at all."""
    if len(token) > _MOST_CHARS or not token.isascii():
        return None
    stem, _, check = token.rpartition("_")
    prefix, _, rest = stem.partition("_")
    id, _, secret = rest.rpartition("_")
    if prefix != _PREFIX or not id or len(secret) != _SECRET_DIGITS or check != _checksum(stem):
        return None
    return Shown(_ID_PREFIX + id, _hash(secret))


def opens(shown: Shown, row: KeyRow | None, now: datetime) -> bool:
    """Whether what was shown is this key, and it is good. Takes as long for a key that is not there."""
    known = _NOBODY if row is None else row.hash
    is_same = hmac.compare_digest(shown.hash, known)
    return is_same and row is not None and row.is_good(now)


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once, in the order of SCOPES. Errors: UnknownName; BadInput for none."""
    given = set(scopes)
    for scope in sorted(given):
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
    if not given:
        raise BadInput(f"a key needs a scope, one or more of {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def may(scopes: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether a key of these scopes may do what needs those."""
    has = set(scopes)
    return ADMIN in has or has.issuperset(needed)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(stem: str) -> str:
    return base62(int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]), _CHECK_DIGITS)


_NOBODY = hashlib.sha256(b"no key has this hash").digest()
