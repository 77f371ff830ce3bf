"""A server on a loop and a thread of its own, for tests that are not asynchronous themselves."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.api.server import Served, serve

T = TypeVar("T")


class Background:
    """tests.api.server.serve, running from `with` to its end. Shape: `how` is what serve takes."""

    def __init__(self, folder: Path, **how: Any) -> None:
        self._folder = folder
        self._how = how

    def __enter__(self) -> "Background":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server")
        self._thread.start()
        self._serving = serve(self._folder, **self._how)
        self.served: Served = self.run(self._serving.__aenter__())
        self.url, self.key = self.served.url, self.served.key
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self._serving.__aexit__(None, None, None))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What this comes to, on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)
