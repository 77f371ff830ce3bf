"""JSON values, one encoding for hashes and for the log."""

from hashlib import sha256
from typing import Any

import msgspec

# Any JSON value. A recursive alias costs every reader a cast, so the alias stays open.
JSON = Any

_canonical = msgspec.json.Encoder(order="deterministic")


def canonical(value: object) -> bytes:
    """The value as JSON bytes, the same for equal values whatever the order of their keys."""
    return _canonical.encode(value)


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, in hex: what names a definition and binds an input."""
    return sha256(canonical(value)).hexdigest()
