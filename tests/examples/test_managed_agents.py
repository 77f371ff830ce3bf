"""The programs of examples/managed-agents, unmodified, against `podium serve`: two environment variables, no more."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.obedient import Obedient
from tests.api.process import Process, environment
from tests.api.sdk.script import Block, call, say
from tests.models.server import Answer, Received, fails, says

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/managed-agents"

CONFIG = """
[providers.house]
base_url = "{url}"

[models."claude-opus-5-5"]
provider = "house"
"""


def by_system(**replies: list[Block | list[Block]]) -> Callable[[Received], Answer]:
    """Each agent, known by words of its system prompt, gives its replies in order; then it says what it said last."""

    def answer(request: Received) -> Answer:
        system = str(request.body.get("system", ""))
        [name] = [name for name in replies if name.replace("_", " ") in system]
        turn = sum(message["role"] == "assistant" for message in request.body["messages"])
        reply = replies[name][min(turn, len(replies[name]) - 1)]
        return says(*(reply if isinstance(reply, list) else [reply]))

    return answer


def play(program: str, folder: Path, script: Callable[[Received], Answer]) -> str:
    """What the program prints."""
    done, log = run(program, folder, script)
    assert done.returncode == 0, done.stderr + log
    return done.stdout


def run(
    program: str, folder: Path, script: Callable[[Received], Answer]
) -> tuple[subprocess.CompletedProcess[str], str]:
    """How the program ended, and the server's log."""
    with Obedient(script) as model, Process(folder, model.url, config=CONFIG) as server:
        done = subprocess.run(
            [sys.executable, EXAMPLES / program],
            env=environment(ANTHROPIC_BASE_URL=server.url, ANTHROPIC_API_KEY=server.key),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    return done, server.log


@pytest.mark.slow
@pytest.mark.parametrize("program", ["callable_agents.py", "coordinator.py", "multiagent_20261001.py"])
def test_a_program_whose_model_refuses_the_key_says_so_and_fails(tmp_path: Path, program: str) -> None:
    done, log = run(program, tmp_path, lambda _: fails(401, "authentication_error", "that key is no good"))

    assert done.returncode == 1, log
    assert "that key is no good" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_program_of_the_research_preview_runs(tmp_path: Path) -> None:
    said = play(
        "callable_agents.py",
        tmp_path,
        by_system(
            You_hand_work=[call("counter", task="count"), say("The longest has 3 lines.")],
            You_count=[call("bash", command="echo 3"), say("3 lines")],
        ),
    )

    lines = [line.strip() for line in said.splitlines()]
    assert lines.index("counter | calls bash {'command': 'echo 3'}") < lines.index("counter | 3 lines")
    assert "lead | The longest has 3 lines." in lines


@pytest.mark.slow
def test_a_coordinator_with_a_custom_tool_and_a_person_runs(tmp_path: Path) -> None:
    said = play(
        "coordinator.py",
        tmp_path,
        by_system(
            You_ask_your_agents=[[call("clerk", task="1107"), call("operator", task="time")], say("It is on time.")],
            You_look_orders_up=[call("find_order", number="1107"), say("due 2027-01-31")],
            You_run_one_shell_command=[call("bash", command="date"), say("it is today")],
        ),
    )

    lines = said.splitlines()
    assert {"+ clerk", "+ operator"} <= set(lines)
    assert "  find_order {'number': '1107'} -> due 2027-01-31" in lines
    assert "  allowed bash {'command': 'date'}" in lines
    assert "It is on time." in lines
    assert [line.split(" ", 1)[1] for line in lines[-3:]] == ["idle, 30 tokens written"] * 3


@pytest.mark.slow
def test_the_newest_configuration_runs_with_inline_agents_and_a_follow_up(tmp_path: Path) -> None:
    inline = call("create_agent", name="polisher", system="You polish.", task="polish it")
    said = play(
        "multiagent_20261001.py",
        tmp_path,
        by_system(
            You_write_poems=[
                [call("critic", task="criticise"), inline],
                say("Files, in rows, asleep."),
                say("Folders, like bells."),
            ],
            You_are_a_severe_critic=[say("too long")],
            You_polish=[say("polished")],
        ),
    )

    lines = said.splitlines()
    assert {"+ critic", "- critic reports", "+ polisher"} <= set(lines)
    assert "Files, in rows, asleep." in lines
    assert "Folders, like bells." in lines
    assert lines[-1].startswith("idle, ")
