"""Where this server differs from the hosted service, and why: docs/differences.md is written from this.

An entry stands here with the code that makes it true, and has a test marked with its id: `@pytest.mark.difference(id)`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a program may notice.

    Shape: `id` is lower-case words joined by hyphens; `what` and `why` are sentences in Markdown. Entries of one
    `about` stand together.
    """

    id: str
    about: str
    what: str
    why: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        id="later-parts",
        about="Requests",
        what="Files, vaults, skills, memory stores, deployments, dreams, resources of sessions and the work queue of "
        "environments answer 404 with `not_found_error` and say that they are not part of this version.",
        why="They come with later versions. A program is told at once, and nothing is pretended.",
    ),
    Difference(
        id="unknown-fields",
        about="Requests",
        what="A field of a body or a parameter of a query that the route does not have is refused with 400; the "
        "message names it and the nearest right one.",
        why="A misspelt filter would filter nothing, and a misspelt field would be lost in silence.",
    ),
    Difference(
        id="strict-json",
        about="Requests",
        what="A body with a key that stands twice, `NaN`, `Infinity`, numbers beyond 64 bits, half a surrogate pair, "
        "the character NUL or more than 64 levels is refused with 400 naming the place.",
        why="Readers of JSON disagree about these; what is kept in the log must mean one thing.",
    ),
    Difference(
        id="betas-ignored",
        about="Requests",
        what="`anthropic-beta`, `anthropic-version`, `anthropic-workspace-id` and `beta=true` may be sent or not, and "
        "change nothing.",
        why="Both generations of clients work; everything that is here is always on.",
    ),
    Difference(
        id="keys-with-scopes",
        about="Requests",
        what="Keys are made by `podium key create` for one workspace, with scopes, and may expire. Answering calls "
        "that wait for approval has a scope of its own; who may choose an agent's tools, with `sessions:write` or "
        "`agents:write`, chooses their policies all the same. What belongs to another workspace is not found.",
        why="A server of your own has no console that would do it; who answers need not be able to start anything.",
    ),
    Difference(
        id="no-rate-limits",
        about="Requests",
        what="Requests are not counted, and 429 is not answered. `podium serve --limit-concurrency` bounds "
        "how many are under way at once.",
        why="The limits of the hosted service protect its other customers. Models have limits in `podium.toml`.",
    ),
    Difference(
        id="requests-once",
        about="Requests",
        what="With an `Idempotency-Key` header, a request that makes something is done once: sent again within 24 "
        "hours, it is given the first answer. Under the key of another request it is refused with 400.",
        why="Clients try again by themselves when a connection breaks, and could make a thing twice.",
    ),
    Difference(
        id="models-of-the-configuration",
        about="Models",
        what="`/v1/models` lists the models that `podium.toml` names, by name. Others may be used all the same: those "
        "are the default provider's. Release dates and capabilities are not told.",
        why="Models are whatever your providers serve, and they do not say what they have.",
    ),
    Difference(
        id="agents-of-any-model",
        about="Agents",
        what="An agent may name any model. Whether this server can reach it is checked when a session is started, and "
        "told by the names of agent and model.",
        why="Agents outlive the configuration of models, which may be changed at any time.",
    ),
    Difference(
        id="model-settings-kept",
        about="Agents",
        what="`effort`, `speed` and `inference_geo` of a model are kept and answered, and sent to models of "
        "api.anthropic.com alone; an effort that was not given is not answered.",
        why="Ordinary programs send them, and models of other providers have no such thing.",
    ),
    Difference(
        id="web-tools-kept",
        about="Agents",
        what="`web_search` and `web_fetch` are taken in toolsets and by their bare names, with their settings, and are "
        "kept. They are not offered to the model. The first event of a session with such an agent is a `session.error` "
        "that says so, and `/health` says it too.",
        why="Ordinary programs name them; they search and read by the hosted service's own means.",
    ),
    Difference(
        id="workflows-kept",
        about="Agents",
        what="`workflows` of `multiagent_20261001` is kept, and offers no tool.",
        why="It is on by default in the newest configuration; workflow runs come with a later version.",
    ),
    Difference(
        id="agent-parts-later",
        about="Agents",
        what="`mcp_servers`, `skills`, `mcp_toolset`, advisors, the permission policy `auto` and the identity "
        "`aws_role` are refused with 400, which says that they are not available. Empty ones pass.",
        why="They come with later versions. An agent that silently lacked them would be another one.",
    ),
    Difference(
        id="nested-rosters",
        about="Agents",
        what="Agents on a roster may have rosters of their own, up to two levels below the coordinator. Circles cannot "
        "be: a roster names versions that were there before it.",
        why="Teams of teams are useful, and every limit holds over all of them.",
    ),
    Difference(
        id="names-of-own-tools",
        about="Agents",
        what="Custom tools may not have the names of Podium's tools for delegating: `start_agent`, `send_to_agent`, "
        "`list_agents`, `wait_for_agents`, `stop_agent`, `send_to_parent`, `create_agent`, `submit_result`. "
        "An agent on a roster with the name of a tool is called by that name and a number.",
        why="Each agent is a tool of its coordinator here, and no two tools of a model may be called the same.",
    ),
    Difference(
        id="agent-extensions",
        about="Agents",
        what="Agents may have three fields more, sent by `extra_body`: `input_schema` and `output_schema`, JSON "
        "Schemas of what they are given and return, and `limits` of turns, seconds, tokens and usd. They are answered "
        "where they are set.",
        why="Results of agents are then checked before others build on them, and no agent runs on for ever.",
    ),
    Difference(
        id="older-previews",
        about="Agents",
        what='`callable_agents` and bare tools like `{"type": "bash"}` are read, and answered in today\'s form.',
        why="Programs and tutorials of the research preview run unchanged.",
    ),
    Difference(
        id="environments-of-this-machine",
        about="Environments",
        what="An environment is the sandbox of this machine, which has no network: `unrestricted` networking and "
        "`limited` networking without hosts are kept, and mean the same. Hosts, package managers, packages and "
        "`self_hosted` are refused with 400.",
        why="A program that says nothing of the network runs; one that needs it is told at once.",
    ),
    Difference(
        id="answers-name-podium",
        about="Answers",
        what="Every answer has the header `podium-version`.",
        why="A server that is set up as its own model provider by mistake finds out.",
    ),
    Difference(
        id="session-parts-later",
        about="Sessions",
        what="`resources` and `vault_ids` that are not empty, `user.define_outcome`, `user.tool_result` and sources of "
        "the type `file` are refused with 400 naming the field.",
        why="They come with later versions.",
    ),
    Difference(
        id="sessions-of-programs",
        about="Sessions",
        what="Sessions that the command line or the library began in the same data folder are shown too, in the "
        "workspace `default`. Their `environment_id` is empty, their agents have version 1 and an id made of their "
        "content, and Python functions show as custom tools.",
        why="What one begins, the others see, watch, approve and interrupt.",
    ),
    Difference(
        id="twenty-sixth-child",
        about="Sessions",
        what="A session has 25 child threads at once. The next one makes the one give way that has been idle longest: "
        "that is archived, and its stream ends. It is refused while all of them are working.",
        why="A coordinator that goes on delegating would else have to be told which threads to archive.",
    ),
    Difference(
        id="list-cost-of-tokens",
        about="Sessions",
        what="`list_cost`, and what a budget counts, is that of the tokens at the prices of `podium.toml` or of the "
        "public lists; hours of work cost nothing. Where the price of a model is not known it is null.",
        why="It is what your provider bills; the machine is yours.",
    ),
    Difference(
        id="interrupted-calls-estimated",
        about="Sessions",
        what="A model call that is interrupted, or whose process died, counts in `list_cost` and in the budget with "
        "all that was set aside for it before it began.",
        why="Nobody knows what the provider bills for it; a budget that is kept counts the most that it may be.",
    ),
    Difference(
        id="streams-resume",
        about="Streams",
        what="Every event of a stream has an `id:` line; with `Last-Event-ID` a stream goes on behind it, 0 being the "
        "beginning. Pieces of replies have none.",
        why="A program that lost its connection need not list all events and leave out what it knows. One that does so "
        "all the same is right too.",
    ),
    Difference(
        id="streams-late",
        about="Streams",
        what="The first stream that is opened within 5 seconds of an input to which nobody listened begins with that "
        "input.",
        why="A program that sends first and opens its stream then would else miss the beginning, or wait for ever.",
    ),
    Difference(
        id="streams-end",
        about="Streams",
        what="A stream ends after `session.status_terminated` too, and the stream of a thread with that thread or its "
        "session.",
        why="Nothing more can come.",
    ),
    Difference(
        id="messages-beside-waiting-threads",
        about="Events",
        what="While only other threads than the primary wait for the client, a `user.message` is accepted and reaches "
        "the primary thread; what they wait for stays open. While the primary itself waits it is refused with 400.",
        why="One can ask a coordinator how it stands without answering for its agents first.",
    ),
    Difference(
        id="system-messages-of-any-model",
        about="Events",
        what="`system.message` is accepted whatever the model: the model is sent it with the message or result that it "
        "goes with.",
        why="Providers do not say which of their models take system turns in the middle of a conversation.",
    ),
)
