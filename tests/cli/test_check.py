"""`podium check`: a team file and all it names, and the wrong inputs of the command line."""

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from typer.models import OptionInfo

from podium.cli import app
from podium.cli.exit_codes import MEANING, ExitCode
from tests.cli.podium import Folder

ONE = "agents: {solo: {model: any}}\n"
DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"


PAIR = """
name: pair
agents:
  lead: {model: big, callable_agents: [alpha]}
  alpha: {model: small, description: Counts files. Returns a number., tools: [bash]}
limits: {turns: 9, usd: 1.5}
"""
CONFIG = """
providers.lab.base_url = "http://localhost:8000"
models.big = {provider = "anthropic", price = {input = 2.50, output = 10}}
models.small = {provider = "lab", price = {input = 0, output = 0}}
"""
NO_KEY = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_BASE_URL": ""}


def test_right_file_is_summed_up(folder: Folder) -> None:
    folder.write("team.yaml", PAIR + "rehearsal: reply.py:reply\n")
    folder.write("reply.py", "def reply(request): ...")

    folder.write("podium.toml", CONFIG)

    done = folder.run("check", "--strict", "team.yaml")

    assert done.code == 0
    assert done.out.splitlines() == [
        "pair: 2 agents, 'lead' gets the task; all is well",
        "  lead: model big; calls alpha",
        "  alpha: model small; tools bash",
        "rehearsal reply.py:reply: no model is called",
    ]
    assert not (folder.path / ".podium").exists()


def test_who_serves_each_model_is_told_with_its_price_and_what_is_missing(folder: Folder) -> None:
    folder.write("team.yaml", PAIR)
    folder.write("podium.toml", CONFIG)

    done = folder.run("check", "team.yaml", env=NO_KEY)

    assert done.code == 0
    assert done.out.splitlines()[3:] == [
        "model big: provider anthropic; $2.5 in, $10 out for a million tokens; its key is missing: "
        "$ANTHROPIC_API_KEY is not set",
        "model small: provider lab; $0 in, $0 out for a million tokens",
        "no rehearsal: it needs its models; `podium run --rehearse` makes replies up",
    ]


def test_limit_in_dollars_with_a_model_of_unknown_price_is_refused(folder: Folder) -> None:
    folder.write("team.yaml", PAIR)
    folder.write("podium.toml", CONFIG.replace(", price = {input = 0, output = 0}", ""))

    done = folder.run("check", "team.yaml")

    assert (done.code, done.out) == (2, "")
    assert "the price of model 'small' of 'alpha' is not known" in done.err
    assert "(docs/check.md#unpriced-model)" in done.err


def test_warnings_name_their_section_and_fail_only_if_strict(folder: Folder) -> None:
    folder.write("team.yaml", PAIR.replace("Counts files. Returns a number.", "Returns."))
    folder.write("podium.toml", CONFIG)

    done = folder.run("check", "team.yaml")
    strict = folder.run("check", "--strict", "team.yaml")

    assert done.out.splitlines()[0] == "pair: 2 agents, 'lead' gets the task; 1 warning"
    assert done.out.splitlines()[-1].startswith("warning: the description of 'alpha' says only 'Returns.'")
    assert done.out.splitlines()[-1].endswith("(docs/check.md#description-goal)")
    assert (done.code, done.err) == (0, "")
    assert (strict.code, strict.out) == (2, done.out)
    assert "team.yaml has 1 warning, and --strict takes none" in strict.err


def test_configuration_that_is_wrong_is_told(folder: Folder) -> None:
    folder.write("team.yaml", PAIR)
    folder.write("my.toml", "models.big.price.input = 1")

    done = folder.run("check", "team.yaml", env={"PODIUM_CONFIG": "my.toml"})

    assert (done.code, done.err) == (2, "podium: my.toml, models.big.price: 'output' is missing\n")


def test_schema_is_printed_for_editors(folder: Folder) -> None:
    printed = json.loads(folder.run("check", "--schema").out)

    assert printed["title"] == "Podium team file"
    assert printed["additionalProperties"] is False


def test_all_that_is_missing_around_the_file_is_told_at_once(folder: Folder) -> None:
    folder.write("a file", "")
    folder.write("team.yaml", ONE + "workdir: none\nmounts: ['a file:/x']\nrehearsal: none.py:reply\n")

    done = folder.run("check", "team.yaml")

    assert done.code == 2
    assert "none does not exist; create it first" in done.err
    assert "a file is a file, not a folder" in done.err
    assert "rehearsal file" in done.err
    assert "none.py cannot be read: No such file or directory" in done.err


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("def reply(:", "cannot be run: SyntaxError"),
        ("raise OSError('no')", "cannot be run: OSError: no"),
        ("def replay(request): ...", "has no function 'reply' (it has: replay)"),
    ],
)
def test_rehearsal_that_cannot_be_loaded_is_told(folder: Folder, reply: str, said: str) -> None:
    folder.write("team.yaml", ONE + "rehearsal: reply.py:reply\n")
    folder.write("reply.py", reply)

    assert said in folder.run("check", "team.yaml").err
    assert said in folder.run("run", "team.yaml", "work").err


def test_team_that_delegates_too_deep_is_told_with_the_chain(folder: Folder) -> None:
    folder.write(
        "team.yaml",
        "agents: {a: {model: m, callable_agents: [b]}, b: {model: m, callable_agents: [c]}, c: {model: m}}\n"
        "limits: {depth: 1}\n",
    )

    done = folder.run("check", "team.yaml")

    assert (done.code, "2 levels deep (a -> b -> c), and limits.depth is 1" in done.err) == (2, True)


WRONG = {
    "empty task": (("run", "team.yaml", "  ", "--rehearse"), "the task is empty"),
    "no task": (("run", "team.yaml"), "Missing argument 'TASK'"),
    "no such file": (("run", "tame.yaml", "work"), "there is no file tame.yaml"),
    "binary file": (("check", "binary.yaml"), "binary.yaml is binary"),
    "folder for a file": (("check", "."), "is a folder"),
    "unknown option": (("run", "team.yaml", "work", "--rehears"), "No such option"),
    "unknown command": (("ran",), "No such command 'ran'"),
    "no workdir": (("run", "team.yaml", "work", "--rehearse", "--workdir", "none"), "none does not exist"),
    "workdir that is a file": (
        ("run", "team.yaml", "work", "--rehearse", "--workdir", "team.yaml"),
        "is a file, not a folder",
    ),
    "mount without a place": (("run", "team.yaml", "work", "--mount", "here"), "write PATH:AT"),
    "mount of nothing": (("run", "team.yaml", "work", "--rehearse", "--mount", "none:/x"), "none does not exist"),
    "limit of nothing": (("run", "team.yaml", "work", "--rehearse", "--turns", "0"), "above 0, not 0"),
    "unknown session": (("show", "sesn_none", "--data", "data"), "there is no session 'sesn_none' here"),
    "no data folder": (("show", "last", "--data", "none"), "there are no sessions in none"),
    "data folder that is a file": (("sessions", "--data", "team.yaml"), "is not a folder"),
    "nothing to check": (("check",), "name the team file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told_without_a_traceback(folder: Folder, case: str) -> None:
    folder.write("team.yaml", ONE)
    (folder.path / "binary.yaml").write_bytes(b"\x7fELF\0\0")
    arguments, said = WRONG[case]
    if "data" in arguments:
        folder.run("run", "team.yaml", "work", "--rehearse", "--data", "data")

    done = folder.run(*arguments)

    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert done.code == (1 if case == "data folder that is a file" else 2)


def test_exit_codes_are_documented() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]

    assert rows == [f"| {code.value} | {MEANING[code]} |" for code in ExitCode]


def callbacks(of: typer.Typer, before: str = "") -> dict[str, Any]:
    """The function of each command, by its name behind that of its group."""
    found: dict[str, Any] = {f"{before}{command.name}": command.callback for command in of.registered_commands}
    for group in of.registered_groups:
        assert group.typer_instance is not None
        found |= callbacks(group.typer_instance, f"{before}{group.name} ")
    return found


def test_every_command_and_option_is_documented() -> None:
    sections = dict(part.split("\n", 1) for part in DOCUMENT.read_text().split("\n## podium ")[1:])

    commands = callbacks(app)
    assert sorted(sections) == sorted(commands)
    for name, callback in commands.items():
        hints = get_type_hints(callback, include_extras=True)
        options = [option for option, hint in hints.items() if any(isinstance(it, OptionInfo) for it in get_args(hint))]
        section = sections[name]
        assert [option for option in options if f"`--{option.replace('_', '-')}" not in section] == []
