"""A context that fills up: when it is summarized, what is kept, and that work goes on."""

from podium import Agent, ModelRequest, Reply, Usage, call, say
from podium.core.content import TextBlock, ToolResultBlock, ToolUseBlock
from podium.core.facts import ContextSummarized
from podium.core.money import ModelFacts
from podium.models.rehearsal import Said
from tests.lab.cast import hangs
from tests.lab.lab import Lab, interrupted, said
from tests.lab.log import Played
from tests.lab.world import Fuse

SMALL = ModelFacts(context_window=1000)
SUMMARIZED = "Your earlier messages were replaced by this summary of your work so far. Go on from here.\n\nwhat matters"


def filling(request: ModelRequest) -> Said:
    """Each call reads 500 tokens more; a summary empties the context."""
    if request.purpose == "compact":
        return "what matters"
    calls = sum(isinstance(block, ToolUseBlock) for message in request.messages for block in message.content)
    usage = Usage(input_tokens=400 * (calls + 1))
    if any("what matters" in text for text in texts(request)) and calls == 1:
        return Reply((say("done"),), usage=usage)
    return Reply((call("look", key=str(calls)),), "tool_use", usage=usage)


def texts(request: ModelRequest) -> list[str]:
    blocks = [block for message in request.messages for block in message.content]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


def purposes(log: Played, agent: str = "lead") -> list[str]:
    return [request.purpose for request in log.requests(agent)]


def looker(lab: Lab, seconds: float = 0) -> Agent:
    return Agent("lead", model="m", tools=[lab.tool("look", seconds=seconds)])


def test_context_is_summarized_when_it_is_nearly_full_and_the_task_is_kept() -> None:
    lab = Lab(facts=SMALL, lead=filling)

    log = lab.run(looker(lab), "find it")

    assert (log.text, purposes(log)) == ("done", ["turn", "turn", "compact", "turn", "turn"])
    assert texts(log.requests("lead")[3]) == ["find it", SUMMARIZED]
    kinds = log.kinds()
    compacted = kinds.index("agent.thread_context_compacted")
    assert kinds[compacted - 3 : compacted + 2] == [
        "span.model_request_start",
        "model.called",
        "span.model_request_end",
        "agent.thread_context_compacted",
        "context.summarized",
    ]


def test_summary_is_asked_for_with_everything_that_was_said_and_nothing_may_be_called() -> None:
    lab = Lab(facts=SMALL, lead=filling)

    log = lab.run(looker(lab))

    summary = log.requests("lead")[2]
    results = [b for m in summary.messages for b in m.content if isinstance(b, ToolResultBlock)]
    assert (len(results), summary.may_call) == (2, False)
    assert texts(summary)[-1].startswith("Your context is nearly full")
    [event] = [record.event for record in log.records if isinstance(record.event, ContextSummarized)]
    assert event.messages == len(summary.messages)


def test_summary_is_no_turn_and_shows_no_message() -> None:
    lab = Lab(facts=SMALL, lead=filling)

    log = lab.run(looker(lab))

    assert log.state.turns == purposes(log).count("turn")
    assert log.kinds().count("agent.message") == 1


def test_message_that_came_before_the_summary_is_in_the_context_behind_it() -> None:
    lab = Lab(facts=SMALL, lead=filling)

    log = lab.run(looker(lab, seconds=2), acts=[(3, said("and hurry"))])

    after = log.requests("lead")[purposes(log).index("compact") + 1]
    assert texts(after) == ["go", SUMMARIZED, "and hurry"]


def test_model_without_a_known_window_is_never_summarized() -> None:
    lab = Lab(lead=[Reply((call("look"),), "tool_use", usage=Usage(input_tokens=10**9)), "done"])

    log = lab.run(looker(lab))

    assert purposes(log) == ["turn", "turn"]


def test_context_that_is_full_right_after_its_summary_is_not_summarized_again_before_a_reply() -> None:
    def line(request: ModelRequest) -> Said:
        if request.purpose == "compact":
            return Reply((say("what matters"),), usage=Usage(input_tokens=5000))
        return Reply((call("look"),), "tool_use", usage=Usage(input_tokens=5000)) if len(log_of) < 3 else "done"

    log_of: list[str] = []

    def counted(request: ModelRequest) -> Said:
        log_of.append(request.purpose)
        return line(request)

    lab = Lab(facts=SMALL, lead=counted)

    log = lab.run(looker(lab))

    assert purposes(log) == ["turn", "compact", "turn"]


def test_interrupt_during_the_summary_leaves_the_context_as_it_was() -> None:
    async def line(request: ModelRequest) -> Said:
        if request.purpose == "compact":
            return await hangs(request)
        return filling(request)

    lab = Lab(facts=SMALL, lead=line)

    log = lab.run(looker(lab), acts=[(5, interrupted())])

    assert (log.stop_reason, log.kinds().count("context.summarized")) == ("end_turn", 0)
    assert len(log.state.main.transcript.sent()) == 5


def test_process_killed_at_any_boundary_of_a_summary_ends_with_the_same_result() -> None:
    for at in range(0, 90, 3):
        lab, fuse = Lab(facts=SMALL, lead=filling), Fuse(at)
        lead = Agent("lead", model="m", tools=[lab.tool("look", idempotent=True)])
        try:
            log = lab.run(lead, fuse=fuse)
        except KeyboardInterrupt:
            if "sesn_1" not in lab.world.log.sessions:
                continue
            log = lab.resume(looks=False)
        assert log.text == "done"
