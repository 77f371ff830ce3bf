"""What the model is told about a command."""

import subprocess
import sys

import pytest

from podium.core.content import plain
from podium.core.ports import Place, ToolCall
from podium.core.schema import check_schema, misfit
from podium.tools import BUILT_IN
from tests.tools.conftest import Begun


async def test_output_comes_as_it_is(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        assert await thread.does("bash", command="echo out; echo err >&2; printf end") == "out\nerr\nend"
        assert await thread.does("bash", command="true") == "(no output)"


async def test_failed_command_is_an_error_with_its_exit_code(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        assert await thread.fails("bash", command="printf why; exit_code() { return 3; }; exit_code") == (
            "why\n[exit code 3]"
        )


async def test_ended_shell_is_told_and_the_next_result_says_it_is_new(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        first = await thread.call("bash", command="cd /tmp; exit 0")
        second = await thread.call("bash", command="pwd")
        third = await thread.call("bash", command="pwd")

        assert "[the shell ended: its working directory, variables and background jobs are gone" in plain(first.content)
        assert [first.new_shell, second.new_shell, third.new_shell] == [True, True, False]
        assert plain(second.content) == "/workspace\n"


async def test_timeout_says_what_is_gone(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        told = await thread.fails("bash", command="echo begun; sleep 100", timeout_ms=200)

        assert told.startswith("begun\n[timed out after 0.2 s: the shell was killed, its working directory, variables")


async def test_output_that_is_no_text_is_shown_and_said(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        told = await thread.does("bash", command="printf 'a\\xff\\n'")

        assert told == "a\ufffd\n[the output is not valid UTF-8: bytes that are no text are shown as \ufffd]"


async def test_dropped_output_is_counted(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        told = await thread.does("bash", command="seq 1000000")

        assert told.startswith("1\n2\n")
        assert "1000000\n[6786496 bytes of output were dropped" in told
        assert len(told) < 110_000


async def test_restart_alone_and_with_a_command(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        await thread.does("bash", command="x=5")

        assert await thread.does("bash", restart=True) == "The shell was restarted."
        assert await thread.does("bash", command="echo [$x]; x=6") == "[]\n"
        assert await thread.does("bash", command="echo [$x]", restart=True) == "[]\n"


async def test_call_without_a_command_or_with_one_that_cannot_be_run_is_told(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        assert "Give a command" in await thread.fails("bash")
        assert "NUL" in await thread.fails("bash", command="echo \0")
        outcome = await BUILT_IN["bash"].run(
            ToolCall(id="c", name="bash", input={"command": "\ud800"}),
            thread.sandbox,
        )
        assert "no valid text" in plain(outcome.content)


@pytest.mark.parametrize(
    "given",
    [
        {"command": "true", "dangerouslyDisableSandbox": True},
        {"command": "true", "timeout_ms": 600_001},
        {"command": "true", "timeout_ms": 0},
        {"command": ["true"]},
    ],
)
def test_input_that_asks_for_more_does_not_fit(given: dict[str, object]) -> None:
    assert misfit(BUILT_IN["bash"].input_schema, given) is not None


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tools_say_what_they_are(name: str) -> None:
    tool = BUILT_IN[name]

    check_schema(tool.input_schema, where=name)
    assert tool.name == name
    assert tool.description
    assert tool.needs_sandbox
    assert tool.idempotent == (name in {"read", "glob", "grep"})
    assert tool.input_schema["additionalProperties"] is False


def test_importing_the_tools_loads_no_sandbox() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, podium.tools; print('pyseccomp' in sys.modules, 'podium.sandbox' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout == "False False\n"
