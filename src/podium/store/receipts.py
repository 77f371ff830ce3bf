"""Requests that are done once: kept in the transaction of what they did."""

import sqlite3
from datetime import datetime

from podium.core.ports import Receipt
from podium.errors import KeyReused
from podium.store.queries import SQL
from podium.store.times import micros


def known(db: sqlite3.Connection, receipt: Receipt | None) -> bytes | None:
    """What came of the request, if it was done before.

    Errors: KeyReused if the key is another request's.
    """
    if receipt is None:
        return None
    row = db.execute(SQL["receipt"], (receipt.workspace, receipt.key)).fetchone()
    if row is None:
        return None
    if row[0] != receipt.fingerprint:
        raise KeyReused(f"Idempotency-Key: {receipt.key!r:.80} was used for another request; use a new key for each")
    return bytes(row[1])


def keep(
    db: sqlite3.Connection, receipt: Receipt | None, response: bytes, at: datetime, session: str | None = None
) -> None:
    """Remember what came of the request, for as long as the session is in the file, if it is about one."""
    if receipt is not None:
        values = receipt.workspace, receipt.key, receipt.fingerprint, response, micros(at), session
        db.execute(SQL["insert_receipt"], values)
