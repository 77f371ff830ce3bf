"""What `podium cost` prints of hand-made logs."""

import json
from decimal import Decimal
from pathlib import Path

from podium.analysis.spending import spending
from podium.cli.cost import bill, told
from podium.core import facts as f
from tests.cli.podium import Folder
from tests.unit.hand_log import Log

MODELS = {"hash": "opus", "h": "mine"}


def spent() -> Log:
    """A lead with a price, one failed attempt of its that cost too, and a child without."""
    log = Log()
    log.priced("lead", 0, 1, "0.012345678")
    span = log.fails("lead", 1, 2, retry=3)
    log.add(2, "lead", f.BudgetSettled(span=span, usd=Decimal("0.0003"), is_estimate=True))
    log.delegate(3, "a")
    log.model("a", 3, 4, tokens=70)
    return log


def printed(log: Log) -> list[str]:
    made = log.trace
    return list(bill(made, spending(made, MODELS)))


def cells(lines: list[str], name: str) -> list[list[str]]:
    """The cells of every row of this name."""
    return [line.split() for line in lines if line.split()[:1] == [name]]


def test_bill_adds_up_to_the_last_place_in_each_table() -> None:
    lines = printed(spent())

    row = ["2", "1", "10", "0", "0", "0", "~$0.012645678", "100%"]
    assert cells(lines, "lead") == [["lead", *row], ["lead", *row]]
    assert cells(lines, "opus") == [["opus", *row]]
    total = ["all", "3", "1", "80", "0", "0", "0", "~$0.012645678", "+", "unknown", "100%"]
    assert cells(lines, "all") == [total] * 3


def test_bill_names_what_has_no_known_price_and_what_is_estimated() -> None:
    lines = printed(spent())

    assert cells(lines, "mine") == [["mine", "1", "70", "0", "0", "0", "?", "?"]]
    assert lines[-2:] == [
        "? what 1 call of mine cost is not known, and is in no sum of dollars",
        "~ the cost of 1 call is estimated: the provider did not tell what was used",
    ]


def test_bill_as_json_keeps_dollars_exact() -> None:
    made = spent().trace

    said = told(made, spending(made, MODELS))

    assert isinstance(said["total"], dict)
    assert {key: said["total"][key] for key in ("calls", "failed_calls", "usd", "unknown_calls")} == {
        "calls": 3,
        "failed_calls": 1,
        "usd": "0.012645678",
        "unknown_calls": 1,
    }
    assert said["models_of_unknown_price"] == ["mine"]


def test_rehearsed_session_says_that_no_model_was_called() -> None:
    log = Log(needs=("rehearsal:generated",))
    log.model("lead", 0, 1)

    assert printed(log)[-1] == "rehearsed: no model was called, tokens are estimated"
    assert "?" not in "".join(printed(log))


def test_calls_of_agents_that_were_defined_on_the_way_count_for_their_model(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("team.yaml", "agents: {lead: {model: any, inline_agents: true}}\nrehearsal: reply.py:reply\n")
    folder.write(
        "reply.py",
        """
from podium import call

def reply(request):
    if request.agent == "scout" or len(request.messages) > 1:
        return "done"
    return call("create_agent", name="scout", system="Look.", task="look")
""",
    )
    assert folder.run("run", "team.yaml", "go").code == 0

    said = json.loads(folder.run("cost", "--json").out)

    assert [(model["name"], model["calls"]) for model in said["models"]] == [("any", 3)]
    assert [agent["name"] for agent in said["agents"]] == ["lead", "scout"]
