"""The SQL of `sql/*.sql`, by name: each statement stands under a line `-- name: what it is for`."""

from importlib.resources import files


def _load(file: str) -> dict[str, str]:
    queries: dict[str, str] = {}
    text = (files("podium.store") / "sql" / file).read_text()
    for part in text.split("-- name: ")[1:]:
        head, _, body = part.partition("\n")
        queries[head.partition(":")[0].strip()] = body.strip().rstrip(";")
    return queries


SQL = _load("sqlite.sql")
CATALOG = _load("catalog.sql")
KEYS = _load("keys.sql")
