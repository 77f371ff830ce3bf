"""People, kills and a slow store together, as Hypothesis likes: each session comes to its end, whole."""

from hypothesis import given
from hypothesis import strategies as st

from podium.core.content import text
from podium.core.inputs import SendMessage
from tests.crash.people import answered, archived_nth, raised, stopped_nth, wrote
from tests.crash.play import Build
from tests.crash.plays import ALL
from tests.crash.points import goes_on, live
from tests.crash.test_points import verify
from tests.lab.lab import SESSION, Act, interrupted, interrupted_elsewhere
from tests.lab.world import Fuse, Killed

MOST_LIVES = 30  # after the last thing that happens: one for each call that asks, and a few

HAPPENINGS = [
    interrupted(),
    interrupted(pause=True),
    interrupted_elsewhere(),
    interrupted_elsewhere(pause=True),
    *(stopped_nth(nth, elsewhere=elsewhere) for nth in range(4) for elsewhere in (False, True)),
    *(archived_nth(nth, elsewhere=elsewhere) for nth in range(1, 4) for elsewhere in (False, True)),
    *(raised(usd, elsewhere=elsewhere) for usd in ("5", None) for elsewhere in (False, True)),
    *(wrote("more", elsewhere=elsewhere) for elsewhere in (False, True)),
    *(
        answered(most=most, allow=allow, elsewhere=elsewhere)
        for most in (1, 100)
        for allow in (True, False)
        for elsewhere in (False, True)
    ),
    lambda live: live.let_go(),
]
acts: st.SearchStrategy[list[Act]] = st.lists(
    st.tuples(st.integers(0, 80).map(lambda tenths: tenths / 10), st.sampled_from(HAPPENINGS)), max_size=6
)


@given(
    build=st.sampled_from([ALL[name] for name in sorted(ALL)]),
    commit_s=st.sampled_from([0.0, 0.1, 0.3]),
    lives=st.lists(st.tuples(st.none() | st.integers(0, 160), acts), min_size=1, max_size=4),
    words=st.booleans(),
)
def test_whatever_happens_the_session_comes_to_its_end(
    build: Build, commit_s: float, lives: list[tuple[int | None, list[Act]]], words: bool
) -> None:
    play = build()
    play.lab.commit_s = commit_s
    deaths: list[str] = []
    for fuse, happens in lives:
        try:
            live(play, Fuse(fuse), acts=happens)
        except Killed as death:
            deaths.append(str(death))
    if words and SESSION in play.lab.world.log.sessions and not play.lab.row().is_workflow:
        play.lab.tell(SendMessage(content=text("last words")))
    played = live(play, Fuse(), acts=[])
    for _ in range(MOST_LIVES):
        if played.state.status == "idle" and not played.state.paused and not goes_on(play, played):
            break
        played = live(play, Fuse(), acts=[])
    assert (played.state.status, played.state.paused, played.state.queue) == ("idle", False, {})
    assert played.stop_reason != "requires_action"
    verify(play, played, ["somehow"])
