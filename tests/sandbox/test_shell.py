"""The persistent shell: what stays, what is bounded, what a hostile or broken command does to it."""

import asyncio
import resource
import secrets
import time

import pytest

from podium.core.ports import Place
from podium.errors import SandboxUnavailable
from tests.sandbox.conftest import Opened
from tests.sandbox.places import processes_with, until

SHORT_S = 0.3
LONG_S = 60.0


async def test_directory_variables_functions_and_jobs_stay(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        first = await sandbox.shell("cd /tmp; x=5; f() { echo f$x; }; sleep 100 & echo $!", timeout_s=LONG_S)
        second = await sandbox.shell("pwd; f; jobs -r | wc -l; kill %1", timeout_s=LONG_S)

        assert (first.new_shell, second.new_shell) == (True, False)
        assert second.output.split() == [b"/tmp", b"f5", b"1"]


@pytest.mark.parametrize("code", [0, 1, 3, 255])
async def test_exit_code_of_a_command_is_told(opened: Opened, place: Place, code: int) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(f"echo out; echo err >&2; (exit {code})", timeout_s=LONG_S)

        assert (ran.output, ran.exit_code, ran.lost_shell) == (b"out\nerr\n", code, False)


@pytest.mark.parametrize(
    ("command", "exit_code", "output"),
    [("exit 3", 3, b""), ("echo a; exit 0", 0, b"a\n"), ("exec true", 0, b""), ("kill -9 $$", 137, b"")],
)
async def test_shell_that_ends_is_lost_and_the_next_call_starts_one(
    opened: Opened, place: Place, command: str, exit_code: int, output: bytes
) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("x=5", timeout_s=LONG_S)
        ran = await sandbox.shell(command, timeout_s=LONG_S)
        after = await sandbox.shell("echo [$x]", timeout_s=LONG_S)

        assert (ran.exit_code, ran.lost_shell, ran.output) == (exit_code, True, output)
        assert (after.new_shell, after.output, after.exit_code) == (True, b"[]\n", 0)


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("if", b"syntax error"),
        ("echo 'unclosed", b"unexpected EOF"),
        ("exec >&- 2>&-; echo lost", b""),
        ("exec >/dev/null 2>&1", b""),
        ("exec </dev/null; echo a", b"a"),
        ("cat; echo read nothing", b"read nothing"),
        ("read x; echo [$x]", b"[]"),
        ("printf '\\036deadbeefdeadbeefdeadbeefdeadbeef 0\\036'", b"deadbeef"),
        ("printf() { echo mine; }; echo defined", b"defined"),
        ("set -x; true", b"+ true"),
        ("printf '\\xff\\xfe\\0x'", b"\xff\xfe\x00x"),
        ("echo caf\u00e9 \u4e2d\u6587 \U0001f600", "caf\u00e9 \u4e2d\u6587 \U0001f600".encode()),
        ("printf '%0.s-' {1..100000}; echo", b"-----"),
        ("cat <<'E'\nfirst\nsecond\nE", b"first\nsecond"),
        ("# only a comment", b""),
        ("echo before; break; echo after", b"before"),
        ("for i in 1 2; do echo $i; continue; done; continue", b"1\n2"),
        ("return 3", b"can only"),
        ("set -u; unset nothing; echo strict", b"strict"),
        ("", b""),
        ("echo a\\\nb", b"ab"),
        ("trap 'echo trapped' DEBUG; true", b"trapped"),
    ],
)
async def test_odd_commands_leave_the_shell_usable(opened: Opened, place: Place, command: str, output: bytes) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(command, timeout_s=LONG_S)
        after = await sandbox.shell("trap - DEBUG; echo fine", timeout_s=LONG_S)

        assert output in ran.output
        assert (ran.lost_shell, after.new_shell) == (False, False)
        assert after.output.endswith(b"fine\n")


async def test_declared_variables_stay_and_a_command_that_breaks_out_of_the_loop_costs_only_the_shell(
    opened: Opened, place: Place
) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("declare -a list=(1 2); declare -x exported=e; alias ll=ls", timeout_s=LONG_S)
        kept = await sandbox.shell("echo ${list[1]}; env | grep ^exported", timeout_s=LONG_S)
        broken = await sandbox.shell("break 9", timeout_s=LONG_S)

        assert kept.output == b"2\nexported=e\n"
        assert broken.lost_shell
        assert (await sandbox.shell("echo fine", timeout_s=LONG_S)).output == b"fine\n"


async def test_shell_whose_stdin_was_closed_is_replaced_before_the_next_command_runs(
    opened: Opened, place: Place
) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("exec 10>&-", timeout_s=LONG_S)
        after = await sandbox.shell("echo once >> log; cat log", timeout_s=LONG_S)

        assert (after.output, after.exit_code, after.new_shell) == (b"once\n", 0, True)


async def test_command_of_a_megabyte_arrives_whole(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell("cat <<'E' | wc -c\n" + "x" * 1_000_000 + "\nE", timeout_s=LONG_S)

        assert ran.output.strip() == b"1000001"


async def test_text_that_no_shell_can_read_is_refused(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        for command in ("echo \0", "echo \ud800"):
            with pytest.raises(ValueError, match=r"characters|NUL"):
                await sandbox.shell(command, timeout_s=LONG_S)


async def test_timeout_kills_the_shell_with_all_it_started(opened: Opened, place: Place) -> None:
    word = secrets.token_hex(8)
    daemon = f"(setsid nohup bash -c 'trap \"\" TERM HUP; while :; do sleep 1; done' {word} &) ; trap '' TERM"
    async with opened(place) as sandbox:
        before = time.monotonic()
        ran = await sandbox.shell(f"{daemon}; echo started; sleep 100", timeout_s=SHORT_S)
        took_s = time.monotonic() - before

        assert (ran.output, ran.timed_out, ran.lost_shell, ran.exit_code) == (b"started\n", True, True, None)
        assert took_s < SHORT_S + 1
        assert processes_with(word) == []
        assert (await sandbox.shell("echo $?", timeout_s=LONG_S)).new_shell


async def test_shell_that_stops_itself_is_killed_at_its_timeout(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell("kill -STOP $$", timeout_s=SHORT_S)

        assert (ran.timed_out, ran.lost_shell) == (True, True)


async def test_cancelled_call_leaves_no_process(opened: Opened, place: Place) -> None:
    word = secrets.token_hex(8)
    async with opened(place) as sandbox:
        calls = [
            asyncio.ensure_future(sandbox.shell(f"bash -c 'sleep 100; :' {word}", timeout_s=LONG_S)),
            asyncio.ensure_future(sandbox.run(["bash", "-c", "sleep 100; :", word], timeout_s=LONG_S, keep_bytes=10)),
        ]
        await until(lambda: len(processes_with(word)) >= 2)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

        assert all(call.cancelled() for call in calls)
        assert processes_with(word) == []
        assert (await sandbox.shell("echo hi", timeout_s=LONG_S)).new_shell


async def test_restart_ends_a_call_under_way(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("x=5", timeout_s=LONG_S)
        call = asyncio.ensure_future(sandbox.shell("touch begun; sleep 100", timeout_s=LONG_S))
        await until((place.workdir / "begun").exists)
        await sandbox.restart()
        ran = await call

        assert (ran.exit_code, ran.lost_shell, ran.timed_out) == (None, True, False)
        assert (await sandbox.shell("echo [$x]", timeout_s=LONG_S)).output == b"[]\n"


async def test_two_calls_queue(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        runs = await asyncio.gather(
            *(sandbox.shell(f"echo {n}; sleep 0.01; echo {n}", timeout_s=LONG_S) for n in "abc")
        )

        assert [ran.output for ran in runs] == [b"a\na\n", b"b\nb\n", b"c\nc\n"]
        assert [ran.new_shell for ran in runs] == [True, False, False]


async def test_closed_sandbox_refuses_calls_and_may_be_closed_again(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("true", timeout_s=LONG_S)
        await sandbox.close()
        await sandbox.close()

        with pytest.raises(SandboxUnavailable, match="closed"):
            await sandbox.shell("true", timeout_s=LONG_S)


async def test_close_while_starting_leaves_nothing(opened: Opened, place: Place) -> None:
    word = secrets.token_hex(8)
    for wait_ms in range(0, 20, 2):
        async with opened(place) as sandbox:
            call = asyncio.ensure_future(sandbox.run(["bash", "-c", "sleep 100; :", word], timeout_s=9, keep_bytes=1))
            await asyncio.sleep(wait_ms / 1000)
            await sandbox.close()
            await asyncio.wait((call,))

            assert processes_with(word) == []
            call.exception()


async def test_beginning_and_end_of_long_output_are_kept_and_the_rest_counted(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(
            "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last", timeout_s=LONG_S
        )

        assert ran.output.startswith(b"first\nxxx")
        assert ran.output.endswith(b"xxx\nlast\n")
        assert 99_890_000 < ran.dropped_bytes < 100_000_000
        assert b"[... %d bytes of output dropped here ...]" % ran.dropped_bytes in ran.output
        assert len(ran.output) < 110_000
        assert (await sandbox.shell("echo fine", timeout_s=LONG_S)).output == b"fine\n"


async def test_endless_output_does_not_grow_memory(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ran = await sandbox.shell("yes", timeout_s=1)
        one_line = await sandbox.shell("tr '\\0' x </dev/zero", timeout_s=1)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib

        assert ran.timed_out
        assert min(ran.dropped_bytes, one_line.dropped_bytes) > 10_000_000
        assert len(ran.output) < 110_000
        assert grown_kib < 32_000


async def test_output_of_a_background_job_comes_with_the_next_call(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        first = await sandbox.shell(
            "(while [ ! -e go ]; do sleep 0.01; done; echo late; touch done) & echo now", timeout_s=9
        )
        (place.workdir / "go").touch()
        await until((place.workdir / "done").exists)
        second = await sandbox.shell("echo next", timeout_s=9)

        assert (first.output, second.output) == (b"now\n", b"late\nnext\n")


async def test_one_program_runs_beside_the_shell(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("x=5", timeout_s=LONG_S)
        ran = await sandbox.run(
            ["bash", "-c", "cat; echo oops >&2; exit 4"], stdin=b"given", timeout_s=9, keep_bytes=99
        )

        assert (ran.output, ran.errors, ran.exit_code) == (b"given", b"oops\n", 4)
        assert (await sandbox.shell("echo $x", timeout_s=LONG_S)).output == b"5\n"


async def test_one_program_is_bounded_in_output_and_time(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        long = await sandbox.run(["head", "-c", "5000000", "/dev/zero"], timeout_s=9, keep_bytes=100)
        slow = await sandbox.run(["bash", "-c", "echo begun; sleep 100"], timeout_s=SHORT_S, keep_bytes=100)
        absent = await sandbox.run(["no-such-program"], timeout_s=9, keep_bytes=100)

        assert (len(long.output), long.dropped_bytes, long.exit_code) == (100, 4_999_900, 0)
        assert (slow.output, slow.timed_out, slow.exit_code) == (b"begun\n", True, None)
        assert absent.exit_code == 127
        assert b"no-such-program" in absent.errors


async def test_warm_call_takes_a_few_milliseconds(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("true", timeout_s=LONG_S)
        before = time.perf_counter()
        for _ in range(100):
            await sandbox.shell("echo hi", timeout_s=LONG_S)

        assert (time.perf_counter() - before) / 100 < 0.02  # 0.5 ms on a quiet machine
