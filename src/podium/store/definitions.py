"""Reading a definition with everyone below it."""

from collections.abc import Callable

import msgspec

from podium.core.definitions import SELF, Definition
from podium.errors import NotFound, StoreCorrupt


def collect(version: str, read: Callable[[str], bytes | None]) -> dict[str, Definition]:
    """The definition of this version and all it leads to, by version.

    Errors: NotFound, StoreCorrupt.
    """
    found: dict[str, Definition] = {}
    wanted = [version]
    while wanted:
        version = wanted.pop()
        if version in found or version == SELF:
            continue
        body = read(version)
        if body is None:
            raise NotFound(f"there is no agent definition {version}")
        try:
            found[version] = msgspec.json.decode(body, type=Definition)
        except msgspec.DecodeError as error:
            raise StoreCorrupt(f"the agent definition {version} is damaged: {error}") from None
        wanted += [callee.version for callee in found[version].roster]
    return found
