"""Runs a workflow's program once more on what is recorded of it, and does nothing that it asks for."""

from collections.abc import Collection
from datetime import datetime

from podium.core.facts import SessionResumed
from podium.core.program import Move, Program
from podium.core.replay import Replay
from podium.core.session import SessionState
from podium.core.workflow import told_of


async def play_again(
    program: Program, state: SessionState, results: int, without: set[str], may_lack: Collection[str] = ()
) -> list[Move]:
    """Tell the program so many of the results that it was told, without these; what it did beyond what is recorded.

    Shape: what it may lack and does not do, or does otherwise, is no difference, and is added to `without`.
    Errors: WorkflowChanged; BadInput if the input does not fit it.
    """
    run = state.run
    assert run is not None
    replay, playing = Replay(state, run, without, may_lack), program.play(run.input)
    try:
        new = replay.take(await playing.go_on(None))
        for key in run.order[:results]:
            if key in may_lack and not replay.has(key):
                without.add(key)
            if key in without:
                continue
            replay.check_told(key)
            new += replay.take(await playing.go_on(told_of(state, run.steps[key])))
        without.update(key for key in may_lack if not replay.has(key))
        replay.check_complete()
    finally:
        playing.close()
    return new


async def check_resumable(program: Program, state: SessionState, now: datetime) -> None:
    """See that the program is the one that was recorded, before its session is resumed: if not, nothing is written.

    Shape: the state is the caller's to throw away: it is resumed in it.
    Errors: WorkflowChanged; BadInput if the input does not fit it.
    """
    state.apply(state.primary, now, SessionResumed())
    if state.run is not None and not state.run.is_over:
        await play_again(program, state, state.run.told, set())
