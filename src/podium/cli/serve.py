"""`podium serve`: the Managed Agents API, and every session of the data folder driven."""

import asyncio
import gc
import logging
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from podium.app import Podium
from podium.cli.exit_codes import ExitCode
from podium.cli.options import Data
from podium.cli.signals import on_signals
from podium.cli.text import DATA, Told, tell
from podium.core.keys import SECRET_BYTES, Keys, make_key
from podium.errors import BadInput, StoreDown
from podium.store.folder import open_folder

if TYPE_CHECKING:
    from podium.api.state import Server

GOODBYE_S = 10.0  # how long the end may take


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; another one than this machine needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 takes any that is free.")] = 7717,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The configuration, instead of the podium.toml that is found.")
    ] = None,
    limit_concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Requests and streams at once; those beyond are asked to come again."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell every request.")] = False,
    data: Data = DATA,
) -> None:
    """Serve the Managed Agents API, and drive every session of the data folder that has work.

    At its first start it makes a key and prints it, with the lines that point a program here. Ctrl-C or SIGTERM ends
    it in good order: sessions go on when it is started again. A second one quits at once.
    """
    asyncio.run(_serve(host, port, config, limit_concurrency, verbose, data))


async def _serve(
    host: str, port: int, config: Path | None, limit_concurrency: int | None, verbose: bool, data: Path
) -> None:
    from podium.api.listening import listening, open_socket  # only who serves pays for it
    from podium.api.server import open_server
    from podium.api.state import Settings

    _tell_of_http(verbose)
    settings = Settings(host=host, most_at_once=limit_concurrency)
    try:
        open_folder(data)
    except StoreDown as error:  # here it is the user's choice of a folder that is at fault
        raise BadInput(str(error)) from None
    sock = open_socket(host, port)
    stop = _Stop()
    try:
        with on_signals(stop.ask):
            async with Podium(data, config=config) as podium:
                _ = podium.config  # what is wrong with it is told now
                async with open_server(podium, settings) as server:
                    first_key = await _first_key(server.keys, host, podium)
                    _warn_of_models(server, sock)
                    async with listening(server, sock, access_log=verbose) as url:
                        if first_key is not None:
                            _show(first_key, url)
                        tell(f"podium: serving {podium.folder} at {url}; Ctrl-C ends it")
                        warming = asyncio.create_task(_warm())
                        await stop.asked.wait()
                        warming.cancel()
                        tell("podium: ending; sessions are let go, and go on with the next start")
    finally:
        sock.close()
        stop.over()


async def _warm() -> None:
    """Import the models' client, which takes seconds that the first call would wait for.

    What is there by then stays: the garbage collector need not look through it again and again.
    """
    from podium.models.connection import import_client

    await asyncio.to_thread(import_client)
    gc.freeze()


class _Stop:
    """What signals do: the first one ends it in good order, the next one quits, as does the end of patience."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """A signal came."""
        if self.asked.is_set():
            self._quit("quit at once")
        self.asked.set()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(GOODBYE_S, self._quit, f"not all was let go within {GOODBYE_S:g} s")

    def over(self) -> None:
        """All is done."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _quit(self, why: str) -> None:
        tell(f"podium: {why}; sessions go on with the next start")
        os._exit(ExitCode.INTERRUPTED)  # waits for nothing: the log is whole at every moment


async def _first_key(keys: Keys, host: str, podium: Podium) -> str | None:
    """The key that is made where there is none; its text.

    Errors: BadInput for an address that others reach, if nobody has made a key for them.
    """
    from podium.api.middleware import is_loopback

    rows = await keys.keys()
    now = datetime.now(UTC)
    if not is_loopback(host) and not any(row.is_good(now) and not row.made_by_server for row in rows):
        raise BadInput(
            f"--host {host} can be reached from other machines, and nobody has made a key for them. Make one first: "
            "`podium key create`. Requests are not encrypted: put a proxy that speaks TLS in front"
        )
    if rows:
        return None
    parts = podium.parts
    token, row = make_key(
        parts.new_id("apikey"),
        os.urandom(SECRET_BYTES),
        now,
        name="made at the first start",
        made_by_server=True,
    )
    await keys.create(row)
    return token


def _show(key: str, url: str) -> None:
    tell("podium: a key that may do everything, shown this once. In the shell of your programs, not of this server:")
    print(f"export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_API_KEY={key}", flush=True)


def _warn_of_models(server: "Server", sock: socket.socket) -> None:
    """Tell what will be wrong with the first model call."""
    config = server.podium.config
    if not any(it.upstream.api_key is not None or it.key_env is None for it in config.providers.values()):
        variable = config.providers[config.default_provider].key_env
        tell(
            f"podium: no provider of models has a key, so sessions will fail: set ${variable}, or name a server in "
            "podium.toml"
        )
    own = sock.getsockname()[:2]
    for name, provider in config.providers.items():
        at = urlsplit(provider.upstream.base_url)
        if at.port == own[1] and at.hostname in (own[0], "localhost"):
            tell(
                f"podium: provider '{name}' is this very server ({provider.upstream.base_url}), which serves no "
                "models. Unset $ANTHROPIC_BASE_URL here, or set base_url in podium.toml"
            )


def _tell_of_http(verbose: bool) -> None:
    """Let the HTTP library say what it has to say as everything else is said."""
    told = {"uvicorn.error": logging.WARNING if verbose else logging.ERROR}  # anybody's broken requests are no news
    if verbose:
        told["uvicorn.access"] = logging.INFO
    for name, level in told.items():
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(Told(level))
