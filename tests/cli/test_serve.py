"""`podium serve`: how it starts, what it drives, and how it ends."""

import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from podium.store.sqlite import read_log
from tests.cli.podium import SOON_S, Folder, Started

AT = re.compile(r"serving (\S+) at (http://[\d.:]+);")


class Server:
    """A server under way."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self.said = started.until(lambda said: "Ctrl-C ends it" in said)
        found = AT.search(self.said)
        assert found is not None, self.said
        self.url = found[2]

    def first_key(self) -> str:
        """The key of the lines on stdout."""
        assert self.started.process.stdout is not None
        base, key = (self.started.process.stdout.readline().decode().strip() for _ in range(2))
        assert base == f"export ANTHROPIC_BASE_URL={self.url}"
        assert key.startswith("export ANTHROPIC_API_KEY=podium_")
        return key.partition("=")[2]

    def get(self, path: str, key: str | None = None) -> Any:
        headers = {} if key is None else {"x-api-key": key}
        return httpx2.get(self.url + path, headers=headers, trust_env=False)


@contextmanager
def serving(folder: Folder, *arguments: str) -> Iterator[Server]:
    started = folder.start("serve", "--port", "0", *arguments)
    try:
        yield Server(started)
    finally:
        started.process.kill()
        started.process.communicate()


def until_logged(folder: Folder, type: str, times: int = 1) -> list[str]:
    """Wait until the only session has so many records of this type; the types of all."""
    deadline = time.monotonic() + SOON_S
    session = folder.run("sessions", "--json").lines()[0]["id"]
    while (types := [record.type for record in read_log(folder.path / ".podium", session)]).count(type) < times:
        assert time.monotonic() < deadline, types
        time.sleep(0.02)
    return types


def test_first_start_makes_a_key_and_shows_it_this_once(folder: Folder) -> None:
    with serving(folder) as server:
        key = server.first_key()
        without, with_key = server.get("/v1/models"), server.get("/v1/models", key)
        server.started.signal(signal.SIGTERM)
        first = server.started.end()
    with serving(folder) as server:
        again = server.get("/v1/models", key)
        server.started.signal(signal.SIGTERM)
        second = server.started.end()

    assert (without.status_code, with_key.status_code, again.status_code) == (401, 200, 200)
    assert (first.code, first.out, second.code, second.out) == (0, "", 0, "")
    assert key not in first.err + second.err
    assert [row["name"] for row in folder.run("key", "list", "--json").lines()] == ["made at the first start"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_in_good_order(folder: Folder, number: signal.Signals) -> None:
    with serving(folder) as server:
        server.started.signal(number)
        done = server.started.end()

    assert done.code == 0
    assert "ending; sessions are let go" in done.err
    assert "Traceback" not in done.err


def test_second_signal_quits_at_once(folder: Folder) -> None:
    with serving(folder) as server:
        key = server.first_key()
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:  # its request is answered before the end
            slow.sendall(f"POST /v1/models HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\n".encode())
            slow.sendall(b"content-length: 9\r\n\r\n{")
            server.get("/health")
            server.started.signal(signal.SIGTERM)
            server.started.until(lambda said: "ending" in said)
            server.started.signal(signal.SIGTERM)
            done = server.started.end()

    assert done.code == 130
    assert "quit at once; sessions go on with the next start" in done.err


def test_missing_key_of_every_provider_is_told_at_the_start(folder: Folder) -> None:
    with serving(folder) as server:
        assert "no provider of models has a key, so sessions will fail: set $ANTHROPIC_API_KEY" in server.said

    folder.write("podium.toml", '[providers.own]\nbase_url = "http://127.0.0.1:9"\n')
    with serving(folder) as server:
        assert "no provider" not in server.said


def test_server_that_would_ask_itself_for_models_is_told(folder: Folder) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    folder.write("podium.toml", f'default_provider = "me"\n[providers.me]\nbase_url = "http://localhost:{port}"\n')

    with serving(folder, "--port", str(port)) as server:
        assert f"provider 'me' is this very server (http://localhost:{port})" in server.said


def test_other_address_than_loopback_needs_a_key_that_somebody_made(folder: Folder) -> None:
    with serving(folder) as server:
        server.first_key()  # made by the server: its like are not meant for others

    refused = folder.run("serve", "--port", "0", "--host", "0.0.0.0")
    folder.run("key", "create")
    with serving(folder, "--host", "0.0.0.0") as server:
        health = server.get("/health")

    assert refused.code == 2
    assert "--host 0.0.0.0 can be reached from other machines" in refused.err
    assert "`podium key create`" in refused.err
    assert health.status_code == 200


def test_what_cannot_be_served_is_told_with_the_remedy(folder: Folder) -> None:
    folder.write("file", "")
    folder.write("bad.toml", "nonsense = 1\n")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        in_use = folder.run("serve", "--port", taken)
    host = folder.run("serve", "--port", "0", "--host", "nowhere.invalid")
    foreign = folder.run("serve", "--port", "0", "--host", "192.0.2.1")
    data = folder.run("serve", "--port", "0", "--data", "file")
    config = folder.run("serve", "--port", "0", "--config", "bad.toml")

    assert [it.code for it in (in_use, host, foreign, data, config)] == [2, 2, 2, 2, 2]
    assert f"port {taken} of 127.0.0.1 is in use by another process; end it, or name another with --port" in in_use.err
    assert "--host: 'nowhere.invalid' is no address of this machine" in host.err
    assert "--host: 192.0.2.1 is no address of this machine" in foreign.err
    assert "file is not a folder; name another one with --data" in data.err
    assert "bad.toml, unknown key 'nonsense'" in config.err or "nonsense" in config.err


def test_session_whose_process_was_killed_goes_on_in_the_server(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    with serving(folder):
        run.signal(signal.SIGKILL)
        run.end()
        folder.go()
        types = until_logged(folder, "session.status_idle")

    assert types.count("driving.started") == 1


def test_message_to_an_idle_session_is_worked_on_by_the_server(folder: Folder) -> None:
    folder.team_that_waits()
    folder.go()
    folder.run("run", "team.yaml", "do both")
    with serving(folder):
        sent = folder.run("send", "last", "once more")
        types = until_logged(folder, "session.status_idle", times=2)

    assert sent.code == 0
    assert types.count("driving.started") == 1


def test_session_under_way_is_let_go_in_good_order_and_goes_on_with_the_next_start(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    run.signal(signal.SIGKILL)
    run.end()
    with serving(folder) as server:
        until_logged(folder, "driving.started")
        server.started.signal(signal.SIGTERM)
        ended = server.started.end()
    then = until_logged(folder, "driving.stopped")
    folder.go()
    with serving(folder):
        types = until_logged(folder, "session.status_idle")

    assert ended.code == 0
    assert then[-1] == "driving.stopped"
    assert types[: len(then)] == then
    assert types.count("driving.started") == 2
