"""The agents of sessions, read once: a definition is named by its content and never changes."""

from collections.abc import Mapping

from podium.core.definitions import Definition
from podium.core.ports import Store

KEPT = 512  # teams


class Definitions:
    """Definitions with all they lead to, by version."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Mapping[str, Definition]] = {}

    async def of(self, version: str) -> Mapping[str, Definition]:
        """The definition of this version and all it leads to. Errors: NotFound."""
        known = self._known.pop(version, None)
        if known is None:
            known = await self._store.definitions(version)
        self._known[version] = known  # the one that was asked for last stands last
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return known
