"""What people get wrong: each is told with its remedy on stderr, by the exit code, and nothing is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from podium.core.facts import BudgetSettled
from tests.models.server import MessagesServer, fails, says, text, tool_use
from tests.world.house import configured
from tests.world.processes import Done, Site

TEAM = """
name: one
agents:
  lead: {model: m, system: You are lead.}
"""
ASKING = """
name: one
agents:
  lead: {model: any, tools: [bash], permissions: {bash: always_ask}}
"""
ASKS = """
def reply(request):
    if turn(request) == 0:
        return [call("bash", command="echo one >> effects"), call("bash", command="echo two >> effects")]
    return "told: " + told(request)
"""
DONE = says(text("whole"))


def refused(done: Done, *told: str, code: int = 2) -> None:
    """The command refused in words of ours, and had no result."""
    assert (done.code, done.out) == (code, ""), done.err
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    for words in told:
        assert words in done.err


@asynccontextmanager
async def served(folder: Path, server: MessagesServer, **config: str) -> AsyncIterator[Site]:
    """A folder with a team whose models are the server's."""
    async with server, Site(folder) as site:
        (folder / "team.yaml").write_text(TEAM)
        configured(folder, server.url, **config)
        yield site


# --- keys and servers ----------------------------------------------------------------------------


async def test_missing_key_is_told_before_anything_is_created(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        (tmp_path / "team.yaml").write_text(TEAM)

        done = await site.run("run", "team.yaml", "go")

    refused(done, "$ANTHROPIC_API_KEY, which is not set. Set it, or", "`podium run --rehearse`")
    assert site.log.session() == ""


async def test_wrong_key_ends_the_session_and_a_right_one_goes_on_with_it(tmp_path: Path) -> None:
    server = MessagesServer(fails(401, "authentication_error", "invalid x-api-key"), DONE)
    async with served(tmp_path, server, provider='key_env = "HOUSE_KEY"') as site:
        wrong = await site.run("run", "team.yaml", "go", HOUSE_KEY="wrong-key")
        again = await site.run("send", "last", "try again", HOUSE_KEY="right-key")

    refused(wrong, "refused the key for 'm' (401): authentication_error: invalid x-api-key", code=1)
    assert "wrong-key" not in wrong.err + str([record.body for record in site.log.records()])
    assert (again.code, again.out) == (0, "whole\n")
    assert [request.headers["x-api-key"] for request in server.requests] == ["wrong-key", "right-key"]


async def test_server_that_is_not_there_is_named_and_the_session_can_wait_for_it(tmp_path: Path) -> None:
    async with MessagesServer() as server:
        pass
    async with Site(tmp_path) as site:
        (tmp_path / "team.yaml").write_text(TEAM)
        configured(tmp_path, server.url)
        run = await site.start("run", "team.yaml", "go")
        await run.says("attempt 2 follows in")
        run.process.terminate()
        stopped = await run.end()
        async with MessagesServer(DONE) as other:
            configured(tmp_path, other.url)
            resumed = await site.run("resume", "last")

    place = server.url.removeprefix("http://")
    refused(
        stopped,
        f"provider 'house' at {place} gave no answer (Connection refused). Check that it runs, and the base_url of",
        f"podium resume {site.log.session()}",
        code=130,
    )
    assert (resumed.code, resumed.out) == (0, "whole\n")


async def test_upstream_that_is_podium_itself_is_refused(tmp_path: Path) -> None:
    itself = replace(DONE, headers={**DONE.headers, "podium-version": "1.0"})
    async with served(tmp_path, MessagesServer(itself)) as site:
        done = await site.run("run", "team.yaml", "go")

    refused(done, "is Podium itself. Set base_url, now http://127.0.0.1:", code=1)


# --- money and limits ----------------------------------------------------------------------------


async def test_price_of_zero_is_free_and_not_unknown(tmp_path: Path) -> None:
    async with served(tmp_path, MessagesServer(DONE), models="[models.m]\nprice = {input = 0, output = 0}") as site:
        done = await site.run("run", "team.yaml", "go", "--usd", "0.01")

    assert (done.code, done.out) == (0, "whole\n")
    assert [record.event.usd for record in site.log.records() if isinstance(record.event, BudgetSettled)] == [0]


async def test_unknown_price_under_a_cap_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    server = MessagesServer(DONE)
    async with served(tmp_path, server) as site:
        done = await site.run("run", "team.yaml", "go", "--usd", "1")

    refused(done, "nobody knows that of 'm'. Give it in podium.toml, as in [models.\"m\".price] (0 is a price)")
    assert (site.log.session(), server.requests) == ("", [])


async def test_cap_that_no_call_fits_ends_the_session_without_a_call(tmp_path: Path) -> None:
    server = MessagesServer(DONE)
    async with served(tmp_path, server, models="[models.m]\nprice = {input = 3, output = 15}") as site:
        done = await site.run("run", "team.yaml", "go", "--usd", "0.0001")

    refused(done, "$0.0000 of $0.0001, and the next call needs $", code=4)
    assert server.requests == []


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--usd", "0", "limits.usd must be an amount of US dollars above 0, not '0'"),
        ("--usd", "-1", "above 0, not '-1'; leave it out for no limit"),
        ("--usd", "much", "above 0, not 'much'"),
        ("--usd", "nan", "above 0, not 'nan'"),
        ("--turns", "0", "limits.turns must be a whole number above 0, not 0; leave it out for no limit"),
        ("--seconds", "inf", "limits.seconds must be a number above 0, not inf"),
        ("--tokens", "-5", "limits.tokens must be a whole number above 0, not -5"),
    ],
)
async def test_limit_that_is_none_is_refused(option: str, value: str, told: str, tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        (tmp_path / "team.yaml").write_text(TEAM)

        refused(await site.run("run", "team.yaml", "go", "--rehearse", option, value), told)

    assert site.log.session() == ""


# --- podium.toml ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('[providers.house]\nbase_urll = "http://127.0.0.1:1"\n', "unknown key 'base_urll', did you mean 'base_url'?"),
        ('default_provider = "hose"\n', "default_provider: unknown provider 'hose'"),
        ("this is = = not toml", "podium.toml is not TOML: "),
        ('[models.m]\nprice = {input = "cheap", output = 1}\n', "podium.toml, models.m.price.input: "),
        (
            "[models.m]\ncontext_window = 1000\nmax_tokens = 2000\n",
            "podium.toml, models.m: max_tokens, 2,000, is more than context_window, 1,000",
        ),
    ],
    ids=["a typo in a key", "an unknown provider", "no TOML", "a wrong value", "limits that contradict each other"],
)
async def test_configuration_that_cannot_be_used_is_told_by_run_and_check(
    config: str, told: str, tmp_path: Path
) -> None:
    async with Site(tmp_path) as site:
        (tmp_path / "team.yaml").write_text(TEAM)
        (tmp_path / "podium.toml").write_text(config)

        run, check = await site.run("run", "team.yaml", "go"), await site.run("check", "team.yaml")

    refused(check, told)
    refused(run, told)
    assert "rehearse" not in run.err  # the file is what is to be mended
    assert site.log.session() == ""


# --- approvals -----------------------------------------------------------------------------------


async def test_answers_that_fit_no_call_are_refused_and_the_calls_go_on_waiting(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        waits = await site.run("run", "team.yaml", "go")
        calls = site.log.asked()
        before = site.log.types()

        unknown = await site.run("approve", "last", "sevt_none", "--allow")
        several = await site.run("approve", "last", "--allow")
        nobody = await site.run("approve", "last")
        reason = await site.run("approve", "last", calls[0], "--allow", "--reason", "why not")
        assert (waits.code, site.log.types()) == (3, before)
        first = await site.run("approve", "last", calls[0], "--allow")
        again = await site.run("approve", "last", calls[0], "--deny")
        last = await site.run("approve", "last", calls[1], "--deny")
        over = await site.run("approve", "last", "--allow")

        refused(unknown, "call 'sevt_none' is not known", calls[0])
        refused(several, "2 calls of session", "wait for an answer", calls[0], calls[1], "Name one: podium approve")
        refused(nobody, "nobody can be asked here: say --allow or --deny")
        refused(reason, "--reason goes with --deny")
        refused(again, f"call '{calls[0]}' waits for no answer any more", calls[1])
        refused(over, "no call of session", "waits for an answer")
        assert (first.code, last.code) == (3, 0)
        assert site.work("effects").read_text() == "one\n"


# --- sessions that are over, idle or paused ------------------------------------------------------


async def test_interrupt_of_what_is_over_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(TEAM, 'def reply(request):\n    return "whole"\n')
        await site.run("run", "team.yaml", "go")
        before = site.log.types()

        whole, thread = await site.run("interrupt", "last"), await site.run("interrupt", "last", "--thread", "lead")

    refused(whole, "is idle, and nothing of it is under way; podium show sesn_")
    refused(thread, "(lead) is idle: nothing of it is under way")
    assert site.log.types() == before


async def test_paused_session_takes_a_message_and_goes_on(tmp_path: Path) -> None:
    script = """
async def reply(request):
    await gate("go")
    return "told: " + told(request)
"""
    async with Site(tmp_path) as site:
        site.team(TEAM, script)
        run = await site.start("run", "team.yaml", "first")
        await run.says("lead: starts")
        run.process.terminate()
        assert (await run.end()).code == 130
        site.open_gate("go")

        again = await site.run("interrupt", "last")
        sent = await site.run("send", "last", "second")

    refused(again, "was interrupted before; go on with it: podium resume sesn_")
    assert (sent.code, sent.out) == (0, "told: first | second\n")


async def test_message_that_must_wait_for_an_answer_says_so_and_is_taken_with_it(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS.replace(', call("bash", command="echo two >> effects")', ""))
        await site.run("run", "team.yaml", "go")

        sent = await site.run("send", "last", "hurry up")
        answered = await site.run("approve", "last", "--allow")

    assert (sent.code, sent.out) == (0, "")
    assert f"sent; the session waits for a person's answer first: podium approve {site.log.session()}" in sent.err
    assert (answered.code, answered.out) == (0, "told: (no output) | hurry up\n")


async def test_failed_session_takes_a_message_and_tries_again(tmp_path: Path) -> None:
    server = MessagesServer(fails(400, "invalid_request_error", "no"), DONE)
    async with served(tmp_path, server) as site:
        failed = await site.run("run", "team.yaml", "go")
        sent = await site.run("send", "last", "again")

    refused(failed, "refused the request (400)", code=1)
    assert (sent.code, sent.out) == (0, "whole\n")


async def test_prefix_that_two_sessions_share_is_refused_with_both(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        (tmp_path / "team.yaml").write_text(TEAM)
        for _ in range(2):
            await site.run("run", "team.yaml", "go", "--rehearse")

        done = [await site.run(*command) for command in (["send", "sesn", "x"], ["interrupt", "sesn"], ["show", "se"])]

    for each in done:
        refused(each, "may be any of sesn_", "; give more of the id")
        assert each.err.count("sesn_") == 2


@pytest.mark.parametrize(
    "command", [["show"], ["watch"], ["send", "last", "x"], ["interrupt", "last"], ["approve", "last"], ["cost"]]
)
async def test_folder_without_sessions_says_how_to_make_one(command: list[str], tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        refused(await site.run(*command), "there are no sessions in .podium; `podium run` makes one")


async def test_session_of_unknown_price_shows_its_tokens_and_no_dollars(tmp_path: Path) -> None:
    async with served(tmp_path, MessagesServer(says(tool_use("t", "none"), text("a")), DONE)) as site:
        await site.run("run", "team.yaml", "go")
        cost = await site.run("cost")

    assert cost.code == 0
    assert "what 2 calls of m cost is not known" in cost.out
    assert "$" not in cost.out
