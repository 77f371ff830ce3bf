"""What is said where bubblewrap cannot start: the remedy that fits its words, with the program that is really used."""

import subprocess
import sys
from pathlib import Path

import pytest

from podium.sandbox.bubblewrap import find
from podium.sandbox.remedies import start_refusal

CLONE, COUNT, PROFILE = "kernel.unprivileged_userns_clone", "user.max_user_namespaces", "/etc/apparmor.d/bwrap"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("bwrap: setting up uid map: Permission denied", {PROFILE}),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", {PROFILE}),
        ("bwrap: No permissions to create a new namespace, likely because the kernel does not allow it", {CLONE}),
        ("bwrap: Creating new namespace failed: Operation not permitted", {CLONE}),
        ("bwrap: Creating new namespace failed: nesting depth or user.max_*_namespaces exceeded (ENOSPC)", {COUNT}),
        ("bwrap: Creating new namespace failed: No space left on device", {COUNT}),
        ("bwrap: Creating new namespace failed, likely because the kernel does not support user namespaces.", set()),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", set()),
        ("bwrap: something new", set()),
    ],
)
def test_settings_are_named_only_where_they_fit_what_bubblewrap_said(said: str, named: set[str]) -> None:
    remedy = start_refusal(said).partition("\n")[2]

    assert {name for name in (CLONE, COUNT, PROFILE) if name in remedy} == named


def test_command_to_try_is_the_program_that_podium_uses() -> None:
    assert f"'{find(None).path} --unshare-user --ro-bind / / true'" in start_refusal("bwrap: something new")


def test_command_to_try_can_be_pasted_and_run() -> None:
    words = start_refusal("bwrap: something new").rpartition("See that '")[2].partition("' works")[0]

    tried = subprocess.run(words, shell=True, capture_output=True, check=False)

    assert b"not found" not in tried.stderr
    assert tried.returncode == 0


def test_profile_is_for_the_program_that_podium_uses() -> None:
    said = "bwrap: setting up uid map: Permission denied"

    packaged = start_refusal(said, Path("/home/me/my venv/bwrap"))

    assert '    profile bwrap "/home/me/my venv/bwrap" flags=(unconfined) {\n      userns,\n    }\n' in packaged
    assert "apt install bubblewrap" in packaged


def test_profile_of_the_systems_program_asks_for_no_installation() -> None:
    said = "bwrap: setting up uid map: Permission denied"

    assert "apt install" not in start_refusal(said, Path("/usr/bin/bwrap"))


def test_remedies_can_be_imported_first() -> None:
    subprocess.run([sys.executable, "-c", "import podium.sandbox.remedies"], check=True)
