"""Several real processes on one session: who drives it, and what the others may do meanwhile."""

import json
import signal
from pathlib import Path

import pytest

from podium import Agent
from podium.core.events import UserMessage
from podium.core.facts import ToolStarted
from podium.engine.clock import SystemClock
from podium.engine.hub import Preview
from podium.store.sqlite import read_log
from tests.invariants import check
from tests.models.server import Answer, MessagesServer, begun, delta, says, started, text
from tests.world.house import house, words
from tests.world.processes import Seen, Site, until

SOLO = """
name: one
agents:
  lead: {model: any, tools: [bash]}
"""
PAIR = """
name: pair
agents:
  lead: {model: any, callable_agents: [alpha, beta]}
  alpha: {model: any, tools: [bash], permissions: {bash: always_ask}}
  beta: {model: any, tools: [bash]}
"""
ASKING = """
async def reply(request):
    if request.agent == "lead":
        if turn(request) == 0:
            return [call("alpha", task="a"), call("beta", task="b")]
        return "lead: " + told(request)
    if request.agent == "alpha":
        return call("bash", command="echo ran >> effects") if turn(request) == 0 else "alpha: " + told(request)
    await gate("go")
    return "beta"
"""
REASON = "Permission to use bash has been denied. not on a Sunday"


# --- looking on ----------------------------------------------------------------------------------


async def test_watch_tells_what_another_process_does_as_it_happens(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(SOLO, 'async def reply(request):\n    await gate("go")\n    return "all done"\n')
        run = await site.start("run", "team.yaml", "wait")
        await run.says("lead: starts")

        watch = await site.start("watch", "last", "--json")
        plain = await site.start("watch")
        await watch.says("span.model_request_start")
        await plain.says("lead: starts")
        assert "model.replied" not in watch.out + str(site.log.types())
        site.open_gate("go")
        done = [await watch.end(), await plain.end(), await run.end()]

    assert [it.code for it in done] == [0, 0, 0]
    lines = [json.loads(line) for line in done[0].out.splitlines()]
    assert [line["type"] for line in lines if "seq" in line] == site.log.types()
    assert (done[1].out, done[2].out) == ("", "all done\n")


async def test_watch_of_a_session_whose_process_died_names_the_command_that_goes_on(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(SOLO, 'async def reply(request):\n    await gate("go")\n    return "all done"\n')
        run = await site.start("run", "team.yaml", "wait")
        await run.says("lead: starts")
        watch = await site.start("watch")
        await watch.says("lead: starts")
        await run.kill()

        await watch.says(f"no process drives it; go on with: podium resume {site.log.session()}")
        site.open_gate("go")
        resumed = await site.run("resume")
        watched = await watch.end()

    assert (resumed.code, resumed.out, watched.code) == (0, "all done\n", 0)
    assert "is taken over" in watched.err


# --- messages ------------------------------------------------------------------------------------


async def test_message_from_another_process_is_taken_at_the_next_model_call(tmp_path: Path) -> None:
    script = """
async def reply(request):
    if turn(request) == 0:
        await gate("go")
        return call("bash", command="true")
    return "told: " + told(request)
"""
    async with Site(tmp_path) as site:
        site.team(SOLO, script)
        run = await site.start("run", "team.yaml", "wait")
        await run.says("lead: starts")

        sent = await site.run("send", "last", "and mind the gap")
        site.open_gate("go")
        done = await run.end()

    assert (sent.code, sent.out) == (0, "")
    assert "lead: is told: and mind the gap" in done.err
    assert f"sent; process {run.process.pid} goes on with it" in sent.err
    assert (done.code, done.out) == (0, "told: (no output) | and mind the gap\n")


async def test_message_wakes_a_session_that_is_idle_and_is_answered_where_it_was_sent(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(SOLO, 'def reply(request):\n    return "told: " + told(request)\n')
        await site.run("run", "team.yaml", "first")

        sent = await site.run("send", "last", "second")

        assert (sent.code, sent.out) == (0, "told: second\n")
        texts = [record.event.content for record in site.log.records() if isinstance(record.event, UserMessage)]
        assert [content[0].text for content in texts] == ["first", "first", "second", "second"]  # type: ignore[union-attr]


# --- interrupts ----------------------------------------------------------------------------------


async def test_interrupt_ends_a_tool_with_all_it_does(tmp_path: Path) -> None:
    script = """
def reply(request):
    if turn(request) == 0:
        return call("bash", command="echo begun > begun; while :; do echo out; echo x >> counting; sleep 0.01; done")
    return "told: " + told(request)
"""
    async with Site(tmp_path) as site:
        site.team(SOLO, script)
        run = await site.start("run", "team.yaml", "wait")
        await until(lambda: site.work("counting").exists())

        interrupted = await site.run("interrupt", "last")
        counted = site.work("counting").stat().st_size
        done = await run.end()

        assert (interrupted.code, done.code, done.out) == (0, 130, "")
        assert "lead: was interrupted (1 turn" in done.err
        assert "\ninterrupted · 1 thread, 1 turn" in done.err
        types = site.log.types()
        taken = max(number for number, type in enumerate(types) if type == "user.interrupt")
        results = [number for number, type in enumerate(types) if type == "agent.tool_result"]
        assert [number > taken for number in results] == [True]
        said = read_log(tmp_path / ".podium", site.log.session())[results[0]].body.decode()
        assert "Tool execution was interrupted before completion" in said
        assert "model.replied" not in types[taken:]
        again = await site.run("send", "last", "go on")
        assert site.work("counting").stat().st_size == counted
        assert again.out == "told: Tool execution was interrupted before completion. Please retry. | go on\n"


async def test_interrupt_of_one_thread_leaves_the_others_at_work(tmp_path: Path) -> None:
    script = """
async def reply(request):
    if request.agent == "lead":
        if turn(request) == 0:
            return [call("alpha", task="a"), call("beta", task="b")]
        return "lead: " + told(request)
    await gate("go" if request.agent == "beta" else "never")
    return "beta"
"""
    async with Site(tmp_path) as site:
        site.team(PAIR, script)
        run = await site.start("run", "team.yaml", "both")
        await run.says("alpha: starts")
        await run.says("beta: starts")

        unknown = await site.run("interrupt", "last", "--thread", "alpa")
        interrupted = await site.run("interrupt", "last", "--thread", "alpha")
        await run.says("alpha: was interrupted")
        site.open_gate("go")
        done = await run.end()

    assert (unknown.code, interrupted.code, done.code) == (2, 0, 0)
    assert "unknown thread 'alpa', did you mean 'alpha'?" in unknown.err
    assert done.out == "lead: interrupted by a person | beta\n"


async def test_interrupt_ends_a_model_reply_and_nothing_of_it_comes_afterwards(tmp_path: Path) -> None:
    begun_reply = [begun(), started(0, text("")), delta(0, "text_delta", text="And ")]
    endless = Answer(parts=begun_reply, then="ping", pings=delta(0, "text_delta", text="so on. "))
    server = MessagesServer(endless, says(text("whole")))
    heard, taken_by_then = list[str](), list[bool]()

    def hear(preview: Preview) -> None:
        heard.append(preview.delta.text)
        taken_by_then.append(log.types().count("user.interrupt") > 1)  # queued, and taken

    async with Site(tmp_path) as site, server, house(tmp_path, server, SystemClock()) as podium:
        log = Seen(tmp_path / "data")
        run = await podium.start(Agent("solo", model="m"), "go")
        with run.previews(hear):
            await until(lambda: len(heard) > 5)

            interrupted = await site.run("interrupt", "last", "--data", "data")
            result = await run.result()
            await server.hung_up.wait()
        await podium.send(run.id, "go on")
        again = await podium.take_up_if_needed(run.id, within_s=0)
        assert again is not None
        after = await again.result()
        await check(podium.parts.store, run.id)

    assert (interrupted.code, result.stop_reason, result.output) == (0, "end_turn", "")
    assert not any(taken_by_then)
    assert (after.output, words(after)) == ("whole", ["whole"])


# --- approvals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told", "ran"),
    [(["--allow"], "(no output)", True), (["--deny", "--reason", "not on a Sunday"], REASON, False)],
)
async def test_answer_from_another_process_reaches_the_run_that_lives(
    answer: list[str], told: str, ran: bool, tmp_path: Path
) -> None:
    async with Site(tmp_path) as site:
        site.team(PAIR, ASKING)
        run = await site.start("run", "team.yaml", "both")
        await run.says("asks to run bash (echo ran >> effects)")

        answered = await site.run("approve", "last", *answer)
        await run.says("alpha: reported")
        site.open_gate("go")
        done = await run.end()

        assert (answered.code, answered.out) == (0, "")
        assert f"1 answer given; process {run.process.pid} goes on with it" in answered.err
        assert (done.code, done.out) == (0, f"lead: alpha: {told} | beta\n")
        assert site.work("effects").exists() == ran


@pytest.mark.parametrize(
    ("answer", "told"), [(["--allow"], "(no output)"), (["--deny", "--reason", "not on a Sunday"], REASON)]
)
async def test_answer_sets_a_session_going_whose_run_has_ended(answer: list[str], told: str, tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(PAIR, ASKING)
        site.open_gate("go")
        waits = await site.run("run", "team.yaml", "both")

        answered = await site.run("approve", "last", *answer)

    assert (waits.code, waits.out) == (3, "")
    assert f"podium approve {site.log.session()}" in waits.err
    assert (answered.code, answered.out) == (0, f"lead: alpha: {told} | beta\n")
    assert "called wrongly" not in answered.err
    assert ("alpha: is told: " + REASON in answered.err) == (told == REASON)


async def test_answer_is_not_lost_where_the_driver_was_killed(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(PAIR, ASKING)
        run = await site.start("run", "team.yaml", "both")
        await run.says("asks to run bash")
        await run.kill()
        site.open_gate("go")

        answered = await site.run("approve", "last", "--allow")

        assert (answered.code, answered.out) == (0, "lead: alpha: (no output) | beta\n")
        assert site.work("effects").read_text() == "ran\n"


APPROVERS = """
import asyncio, sys
from podium import Podium
from podium.errors import Refused

async def main():
    session, call = sys.argv[1:]
    async with Podium() as podium:
        print("ready", flush=True)
        while not __import__("pathlib").Path("all").exists():
            await asyncio.sleep(0.001)
        given = await asyncio.gather(
            *[podium.approve(session, call, allow=True) for _ in range(25)], return_exceptions=True)
        accepted, refused = (sum(isinstance(it, kind) for it in given) for kind in (str, Refused))
        print("accepted", accepted, "refused", refused)
        run = await podium.take_up_if_needed(session)
        if run is not None:
            print("drove", (await run.result()).output)

asyncio.run(main())
"""


@pytest.mark.parametrize("lives", [True, False])
async def test_hundred_answers_from_four_processes_run_the_call_once(lives: bool, tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(PAIR, ASKING)
        if not lives:
            site.open_gate("go")
        run = await site.start("run", "team.yaml", "both")
        await run.says("asks to run bash")
        if not lives:
            assert (await run.end()).code == 3
        [call] = site.log.asked()
        (tmp_path / "approvers.py").write_text(APPROVERS)
        approvers = [await site.start_program("approvers.py", site.log.session(), call) for _ in range(4)]
        for approver in approvers:
            await approver.says("ready")
        site.open_gate("all")
        outs = [(await approver.end()).out for approver in approvers]
        site.open_gate("go")
        done = await run.end()

        said = "\n".join(outs)
        assert sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("accepted")) == 1
        assert sum(int(line.split()[3]) for line in said.splitlines() if line.startswith("accepted")) == 99
        assert site.work("effects").read_text() == "ran\n"
        assert [record.event.call for record in site.log.records() if isinstance(record.event, ToolStarted)] == [call]
        output = "lead: alpha: (no output) | beta\n"
        assert (done.out, "drove" in said) == ((output, False) if lives else ("", True))


# --- taking over ---------------------------------------------------------------------------------


async def test_session_that_waits_for_an_answer_is_taken_over_with_its_question(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(PAIR, ASKING)
        run = await site.start("run", "team.yaml", "both")
        await run.says("asks to run bash")
        run.process.send_signal(signal.SIGSTOP)
        site.open_gate("go")

        over = await site.run("resume", "last", "--take-over", "--yes")
        stopped = await run.end()
        answered = await site.run("approve", "last", "--allow")

        assert (over.code, stopped.code) == (3, -signal.SIGKILL)
        assert (answered.code, answered.out) == (0, "lead: alpha: (no output) | beta\n")
        assert site.work("effects").read_text() == "ran\n"
        assert [type for type in site.log.types() if type == "driving.started"] == ["driving.started"] * 2
