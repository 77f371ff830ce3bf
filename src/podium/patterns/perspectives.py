"""One question, looked at from several sides at once, and what they come to together."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.errors import BadInput, UnknownName
from podium.patterns.given import How, a_text, named, told_in_words
from podium.patterns.handoff import Handoffs
from podium.patterns.parallel import Merged, merge, parallel
from podium.workflows.joins import Join
from podium.workflows.run import WorkflowRun

VIEWS = {
    "for": "Make the best case for it.",
    "against": "Make the best case against it.",
    "technical": "Say what it takes technically, and what can break.",
    "business": "Say what it costs and brings, and for whom.",
    "user": "Say what it is like for those who use it.",
}
SYNTHESIS = "Weigh these views of the question against each other, and answer it. Say what they do not agree on."


async def perspectives(
    run: WorkflowRun,
    task: str,
    agents: Agent | Mapping[str, Agent],
    *,
    views: Sequence[str] | Mapping[str, str] = tuple(VIEWS),
    synthesis: Agent | None = None,
    join: Join = "all",
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Merged:
    """Have a question looked at from several views at once; with `synthesis`, an agent makes one answer of them.

    Shape: `agents` is one for all views, or one for each by its name. `views` are names, or names and what each is to
    do. Those in VIEWS are known; any other is "the view of" its name.
    Errors: BadInput for no views, UnknownName for agents of views that are not there; JoinFailed.
    """
    where = "perspectives"
    a_text(where, "task", task)
    wanted = _views(views)
    by_view = agents if isinstance(agents, Mapping) else dict.fromkeys(wanted, agents)
    for name in by_view:
        if name not in wanted:
            raise UnknownName("view", str(name), wanted, where=where, remedy="Name it in `views` too.")
    for name in wanted:
        if name not in by_view:
            raise BadInput(f"{where}: nobody takes the view '{name}'. Give it an agent, or leave it out of `views`")
        told_in_words(where, f"the agent of '{name}'", by_view[name])
    if synthesis is not None:
        told_in_words(where, "synthesis", synthesis)
    calls = {name: (by_view[name], f"{task}\n\n{said}") for name, said in wanted.items()}
    results = await parallel(run, calls, join=join, context=context, handoff=handoff, **how)
    return await merge(run, results, by=synthesis, task=f"{task}\n\n{SYNTHESIS}", handoff=handoff, **how)


def _views(views: Any) -> dict[str, str]:
    """What each view is to do, by its name."""
    if isinstance(views, Mapping):
        given = named("perspectives", "views", views)
        return {name: a_text("perspectives", f"view '{name}'", said) for name, said in given.items()}
    if not isinstance(views, list | tuple) or not views:
        raise BadInput(f"perspectives: views is a list of at least one name, not {views!r:.80}")
    names = [a_text("perspectives", "a view", each) for each in views]
    if len(set(names)) < len(names):
        raise BadInput(f"perspectives: each view has a name of its own, and these are {', '.join(names)}")
    return {name: VIEWS.get(name, f"Take the view of: {name}. Leave the others to others.") for name in names}
