"""`podium key`: making, listing and revoking keys."""

import json

from podium.core.keys import read_token
from tests.cli.podium import Folder


def test_key_is_printed_once_on_stdout_and_kept_as_a_hash_alone(folder: Folder) -> None:
    made = folder.run("key", "create", "--name", "ci", "--scope", "agents:read", "--scope", "sessions:read")
    token = made.out.strip()
    listed = folder.run("key", "list")

    assert made.code == 0
    assert read_token(token) is not None
    assert "for workspace 'default', which may do: agents:read, sessions:read" in made.err
    assert "only time" in made.err
    assert token not in listed.out + listed.err
    secret = token.split("_")[2].encode()
    assert not any(secret in file.read_bytes() for file in (folder.path / ".podium").glob("podium.db*"))


def test_keys_are_listed_with_how_they_stand(folder: Folder) -> None:
    folder.run("key", "create", "--name", "first")
    folder.run("key", "create", "--workspace", "lab", "--expires", "10")
    [first, _] = folder.run("key", "list", "--json").lines()
    folder.run("key", "revoke", first["id"])

    one, two = folder.run("key", "list", "--json").lines()
    told = folder.run("key", "list").out.splitlines()

    assert (one["name"], one["workspace"], one["scopes"], one["standing"]) == ("first", "default", ["admin"], "revoked")
    assert (two["name"], two["workspace"], two["standing"]) == ("", "lab", "good for 10 d")
    assert one["last_used_at"] is None
    assert "hash" not in one
    assert told[0].split() == ["id", "name", "workspace", "may", "made", "last", "used", "is"]
    assert [line.split()[0] for line in told[1:]] == [one["id"], two["id"]]


def test_key_is_revoked_by_the_end_of_its_id_and_once(folder: Folder) -> None:
    folder.run("key", "create", "--name", "ci")
    [key] = folder.run("key", "list", "--json").lines()

    first = folder.run("key", "revoke", key["id"][-6:])
    again = folder.run("key", "revoke", key["id"])

    assert (first.code, first.err) == (0, f"{key['id']} (ci) is revoked\n")
    assert (again.code, again.err) == (0, f"{key['id']} (ci) was revoked before\n")


def test_what_cannot_be_is_refused(folder: Folder) -> None:
    missing = folder.run("key", "list")
    scope = folder.run("key", "create", "--scope", "agents")
    days = folder.run("key", "create", "--expires", "0")
    workspace = folder.run("key", "create", "--workspace", "a b")
    folder.run("key", "create")
    folder.run("key", "create")
    [one, two] = folder.run("key", "list", "--json").lines()
    unknown = folder.run("key", "revoke", "apikey_1")
    both = folder.run("key", "revoke", "000000")

    assert (missing.code, scope.code, days.code, workspace.code, unknown.code, both.code) == (2, 2, 2, 2, 2, 2)
    assert "there are no keys in .podium" in missing.err
    assert "unknown scope 'agents', did you mean 'agents:" in scope.err
    assert "a workspace is 1 to 64 letters" in workspace.err
    assert "there is no key 'apikey_1' here; `podium key list` lists them" in unknown.err
    assert one["id"] in both.err
    assert two["id"] in both.err


def test_list_of_a_folder_without_keys_says_how_to_make_one(folder: Folder) -> None:
    folder.team_that_waits()
    folder.go()
    folder.run("run", "team.yaml", "do both")

    done = folder.run("key", "list")

    assert (done.code, done.out) == (0, "")
    assert done.err == "no keys in .podium yet; `podium key create` makes one\n"
    assert json.loads(folder.run("key", "list", "--json").out or "[]") == []
