"""What an accepted reply writes: texts, calls, refusals the model can act on, children, and tools that start."""

from podium.core.content import TextBlock, ToolResultBlock, plain
from podium.core.definitions import SELF, Callee, Definition
from podium.core.events import AgentToolResult, MessageReceived, ThreadTerminated, Usage
from podium.core.facts import CallAnswered, DelegationOpened, ResultSubmitted, SessionSettings, ToolStarted
from podium.core.records import Event, type_of
from podium.core.reply import offers
from podium.core.steps import CallModel, Correct, Failed, Finish, Reported, RunTools, Wait
from podium.core.thread import ThreadState
from tests.unit.play import COUNT_SCHEMA, Play, agent, calls, says, team

WORKER = agent("worker")

HARNESS = ["start_agent", "send_to_agent", "wait_for_agents", "list_agents", "stop_agent"]


def kinds(events: list[Event]) -> list[str]:
    return [type_of(event) for event in events]


def refusals(events: list[Event]) -> list[str]:
    """The error results among these records."""
    return [plain(e.content) for e in events if isinstance(e, AgentToolResult | CallAnswered) and e.is_error]


def results_for(play: Play, thread: ThreadState) -> list[tuple[str, bool]]:
    """What the thread's model is given for the calls of its last reply."""
    play.ask(thread)
    blocks = thread.transcript.sent()[-1].content
    return [(plain(b.content), b.is_error) for b in blocks if isinstance(b, ToolResultBlock)]


def call_ids(events: list[Event]) -> list[str]:
    return [event.id for event in events if type_of(event) == "agent.tool_use" and event.id is not None]


# --- texts and tools -------------------------------------------------------------------------------


def test_reply_with_a_text_and_tools_is_written_in_this_order() -> None:
    play = Play(agent("lead", tools=["grep", "read"]))

    events = play.replies(play.main, says("let me look"), calls("grep"), calls("read"), usage=Usage(10, 5))

    assert kinds(events) == [
        "agent.message",
        "agent.tool_use",
        "agent.tool_use",
        "model.replied",
        "span.model_request_end",
        "tool.started",
        "tool.started",
    ]
    step = play.step(play.main)
    assert isinstance(step, RunTools)
    assert [(call.name, call.attempt) for call in step.calls] == [("grep", 1), ("read", 1)]
    assert (play.main.turns, play.main.usage, play.state.usage) == (1, Usage(10, 5), Usage(10, 5))


def test_model_is_shown_its_own_reply_block_by_block() -> None:
    play = Play(agent("lead", calls=[WORKER], tools=["grep"]), WORKER)

    play.replies(play.main, says("a"), calls("grep"), says("b"), calls("worker", task="c"), says("d"))

    blocks = play.main.transcript.sent()[-1].content
    assert [b.text if isinstance(b, TextBlock) else type(b).__name__ for b in blocks] == [
        "a",
        "ToolUseBlock",
        "b",
        "ToolUseBlock",
        "d",
    ]
    assert play.main.last_text == (TextBlock("a"), TextBlock("b"), TextBlock("d"))


def test_reply_without_a_call_ends_the_turn() -> None:
    play = Play(agent("lead"))

    play.replies(play.main, says("one"), says("two"))

    assert play.step(play.main) == Finish(Reported((TextBlock("one"), TextBlock("two"))))


def test_next_model_call_waits_for_all_results() -> None:
    play = Play(agent("lead", tools=["grep", "read"]))
    first, second = call_ids(play.replies(play.main, calls("grep"), calls("read")))

    play.returns(play.main, second, "second")
    assert isinstance(play.step(play.main), RunTools)
    play.returns(play.main, first, "first")

    assert play.step(play.main) == CallModel()
    assert results_for(play, play.main) == [("first", False), ("second", False)]


def test_unknown_tool_is_answered_with_what_there_is_and_the_others_run() -> None:
    play = Play(agent("lead", calls=[WORKER], tools=["search", "read"]), WORKER)

    events = play.replies(play.main, calls("serch"), calls("read"))

    assert refusals(events) == [
        "agent 'lead' called 'serch', which it was not given (it has: 'search', 'read', 'worker')"
    ]
    assert [event.call for event in events if isinstance(event, ToolStarted)] == call_ids(events)[1:]


def test_agent_without_tools_that_calls_one() -> None:
    play = Play(agent("lead"))

    assert refusals(play.replies(play.main, calls("bash"))) == [
        "agent 'lead' called 'bash', which it was not given (it has: no tools)"
    ]
    assert play.step(play.main) == CallModel()


def test_input_that_does_not_fit_is_answered_and_never_starts() -> None:
    play = Play(agent("lead", tools=["grep"]))

    events = play.replies(play.main, calls("grep", path=5))

    assert refusals(events) == ["the input does not fit the schema of 'grep': path: 5 is not of type \"string\""]
    assert "tool.started" not in kinds(events)


# --- delegations -----------------------------------------------------------------------------------


def test_delegation_opens_a_child_with_its_task_and_the_parent_waits() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER)

    events = play.replies(play.main, calls("worker", task="count", context="the tests", expected_output="a number"))

    assert kinds(events) == [
        "model.replied",
        "span.model_request_end",
        "delegation.opened",
        "session.thread_created",
        "agent.thread_message_received",
        "session.thread_status_running",
        "agent.thread_message_sent",
    ]
    child = play.thread("worker")
    received = events[4]
    assert isinstance(received, MessageReceived)
    assert plain(received.content) == "count\n\nContext:\nthe tests\n\nExpected output:\na number"
    assert (child.parent, child.depth, child.status) == (play.main.id, 1, "running")
    assert play.step(play.main) == Wait()
    assert play.step(child) == CallModel()


def test_structured_input_reaches_the_child_as_json() -> None:
    worker = agent("worker", input_schema=COUNT_SCHEMA)
    play = Play(agent("lead", calls=[worker]), worker)

    play.replies(play.main, calls("worker", count=3))

    play.ask(play.thread("worker"))
    assert play.thread("worker").transcript.sent()[0].content == (TextBlock('{"count":3}'),)


def test_delegation_whose_input_does_not_fit_starts_nothing() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER)

    events = play.replies(play.main, calls("worker", tsk="count"), calls("worker", task=""))

    assert len(refusals(events)) == 2
    assert refusals(events)[0].startswith("the input does not fit the schema of 'worker': ")
    assert all(refusal.endswith("Nothing was started.") for refusal in refusals(events))
    assert len(play.state.threads) == 1
    assert play.step(play.main) == CallModel()


def test_agent_that_calls_itself_delegates_to_its_own_definition() -> None:
    lead = Definition(name="lead", model="fake", roster=(Callee("lead", SELF),))
    play = Play(lead, settings=SessionSettings(depth=1))

    events = play.replies(play.main, calls("lead", task="a part of it"))

    opened = [event for event in events if isinstance(event, DelegationOpened)]
    assert [event.agent for event in opened] == [lead.version]
    assert [offer.name for offer in offers(lead, team(lead)) if offer.is_agent] == ["lead"]


def test_depth_limit_is_told_to_the_model_that_would_go_deeper() -> None:
    middle = agent("middle", calls=[WORKER])
    play = Play(agent("lead", calls=[middle]), middle, WORKER, settings=SessionSettings(depth=1))
    play.replies(play.main, calls("middle", task="x"))

    events = play.replies(play.thread("middle"), calls("worker", task="y"))

    assert refusals(events) == ["limits.depth is 1: an agent this deep cannot delegate further. Do the work yourself."]
    assert play.step(play.thread("middle")) == CallModel()


def test_live_threads_limit_counts_the_children_of_the_same_reply() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(live_threads=2))

    events = play.replies(play.main, *[calls("worker", task=str(n)) for n in range(3)])

    assert refusals(events) == [
        "limits.live_threads is 2, and all of them are working. Call again when one has reported."
    ]
    assert len(play.state.threads) == 3


def test_child_that_has_been_idle_longest_gives_way_to_a_new_one() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(live_threads=2))
    play.replies(play.main, calls("worker", task="first"), calls("worker", task="second"))
    first, second = [thread for thread in play.state.threads.values() if thread.parent is not None]
    for child in (second, first):  # the second ends before the first
        play.pass_(10)
        play.replies(child, says("done"))
        play.moves(child)

    events = play.replies(play.main, calls("worker", task="third"))

    archived = [event.session_thread_id for event in events if isinstance(event, ThreadTerminated)]
    assert archived == [second.id]
    assert refusals(events) == []
    assert [first.status, second.status, play.thread("worker").status] == ["idle", "terminated", "running"]


def test_two_children_of_one_reply_archive_two() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(live_threads=2))
    play.replies(play.main, calls("worker", task="first"), calls("worker", task="second"))
    for child in [thread for thread in play.state.threads.values() if thread.parent is not None]:
        play.replies(child, says("done"))
        play.moves(child)

    events = play.replies(play.main, *[calls("worker", task=str(n)) for n in range(3)])

    assert kinds(events).count("session.thread_status_terminated") == 2
    assert kinds(events).count("delegation.opened") == 2
    assert len(refusals(events)) == 1


# --- submit_result ---------------------------------------------------------------------------------

REPORTER = agent("reporter", output_schema=COUNT_SCHEMA)


def test_fitting_result_ends_the_turn_with_itself_as_json() -> None:
    play = Play(REPORTER)

    events = play.replies(play.main, says("here"), calls("submit_result", count=3))

    assert [event.output for event in events if isinstance(event, ResultSubmitted)] == [{"count": 3}]
    assert play.step(play.main) == Finish(Reported((TextBlock('{"count":3}'),)))


def test_result_that_does_not_fit_may_be_corrected_twice() -> None:
    play = Play(REPORTER)
    for attempt in ("one", "two"):
        events = play.replies(play.main, calls("submit_result", count=attempt))
        assert refusals(events)[0].startswith("the input does not fit the schema of 'submit_result': count: ")
        assert play.step(play.main) == CallModel()

    play.replies(play.main, calls("submit_result", count="three"))

    why = 'the input does not fit the schema of \'submit_result\': count: "three" is not of type "integer"'
    assert play.step(play.main) == Finish(Failed(f"its result did not fit its schema, 3 times. The last time, {why}"))


def test_corrected_result_counts() -> None:
    play = Play(REPORTER)
    play.replies(play.main, calls("submit_result", count="one"))
    play.replies(play.main, calls("submit_result", count="two"))

    play.replies(play.main, calls("submit_result", count=3))

    assert play.step(play.main) == Finish(Reported((TextBlock('{"count":3}'),)))


def test_end_without_a_result_costs_a_corrective_turn_two_at_most() -> None:
    play = Play(REPORTER)
    for _ in range(2):
        play.replies(play.main, says("I am done"))
        correct = play.step(play.main)
        assert isinstance(correct, Correct)
        play.moves(play.main)
        play.ask(play.main)
        assert play.main.transcript.sent()[-1].content == (TextBlock(correct.text),)
        play.fails_to_reply(play.main)

    play.replies(play.main, says("I am really done"))

    assert play.step(play.main) == Finish(Failed("it ended 3 times without giving its result by submit_result"))


def test_second_result_in_one_reply_is_refused_and_the_first_stands() -> None:
    play = Play(REPORTER)

    events = play.replies(play.main, calls("submit_result", count=1), calls("submit_result", count=2))

    assert refusals(events) == ["submit_result was called before in this reply; the first result stands"]
    assert play.step(play.main) == Finish(Reported((TextBlock('{"count":1}'),)))


def test_result_beside_a_tool_waits_for_it() -> None:
    play = Play(agent("reporter", tools=["grep"], output_schema=COUNT_SCHEMA))
    [grep] = call_ids(play.replies(play.main, calls("grep"), calls("submit_result", count=3)))
    assert isinstance(play.step(play.main), RunTools)

    play.returns(play.main, grep)

    assert isinstance(play.step(play.main), Finish)


def test_submit_result_of_an_agent_that_owes_none_is_an_unknown_tool() -> None:
    play = Play(agent("lead"))

    assert refusals(play.replies(play.main, calls("submit_result", count=3))) == [
        "agent 'lead' called 'submit_result', which it was not given (it has: no tools)"
    ]


def test_new_task_asks_for_a_new_result() -> None:
    play = Play(REPORTER)
    play.replies(play.main, calls("submit_result", count=3))
    play.moves(play.main)
    play.idles()

    play.hears("count again")

    assert play.step(play.main) == CallModel()
    play.ask(play.main)
    play.answer(play.main, says("no"))
    assert isinstance(play.step(play.main), Correct)


def test_message_that_comes_while_a_result_is_given_is_answered_before_the_end() -> None:
    play = Play(REPORTER)
    play.replies(play.main, calls("submit_result", count=3))

    play.hears("wait, count again")

    assert play.step(play.main) == CallModel()


def test_offers_are_tools_then_agents_then_the_harness_then_submit_result() -> None:
    worker = agent("the worker", description="Counts.", input_schema=COUNT_SCHEMA)
    lead = agent("lead", calls=[worker], tools=["grep"], output_schema=COUNT_SCHEMA)

    offered = offers(lead, team(lead, worker))

    assert [offer.name for offer in offered] == ["grep", "the_worker", *HARNESS, "submit_result"]
    assert [offer.name for offer in offers(worker, team(worker), is_child=True)] == ["send_to_parent"]
    assert offered[1].description == "Counts."
    assert offered[1].input_schema == offered[-1].input_schema == COUNT_SCHEMA
