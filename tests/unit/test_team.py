"""Team files: what they say, and everything that can be wrong with one in words a stranger can act on."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.definitions import Concurrency, Limits, SessionLimits
from podium.core.ports import Mount
from podium.errors import BadInput
from podium.team import Team, json_schema, load_team, parse_mount

WHOLE = """
name: audit
coordinator: lead
agents:
  lead:
    model: big
    description: Leads.
    system: Lead them.
    tools: [read, write]
    permissions: {write: always_ask}
    callable_agents: [worker, self]
    input_schema: {type: object, properties: {'on': {type: string}}}
    limits: {turns: 3, seconds: 1.5, tokens: 100, usd: 0.1}
  worker: {model: small, output_schema: {type: object}}
  spare: {model: small}
workdir: ./out
mounts:
  - {path: ., at: /source}
  - "data:with:colons:/data:rw"
limits: {turns: 10, seconds: 60, tokens: 1000, usd: '2.50', depth: 3, live_threads: 4}
concurrency: {session: 8, models: {big: 4}, providers: {p: 2}}
rehearsal: reply.py:reply
"""


def load(tmp_path: Path, text: str | bytes) -> Team:
    file = tmp_path / "team.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_team(file)


def wrong(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(str(tmp_path / "team.yaml"), "FILE")


def test_everything_a_team_file_can_say(tmp_path: Path) -> None:
    team = load(tmp_path, WHOLE)

    lead = team.coordinator
    worker = lead.callable_agents[0]
    assert not isinstance(worker, str)
    assert (team.name, lead.name, lead.model, lead.description, lead.system) == (
        "audit",
        "lead",
        "big",
        "Leads.",
        "Lead them.",
    )
    assert lead.tools == ("read", "write")
    assert (worker.name, lead.callable_agents[1]) == ("worker", "self")
    assert lead.permissions == {"write": "always_ask"}
    assert lead.limits == Limits(turns=3, seconds=1.5, tokens=100, usd=Decimal("0.1"))
    assert worker.output_schema == {"type": "object"}
    assert (list(team.agents), team.unused) == (["lead", "worker", "spare"], ("spare",))
    assert team.workdir == tmp_path / "out"
    assert team.mounts == (
        Mount(path=tmp_path, at="/source", read_only=True),
        Mount(path=tmp_path / "data:with:colons", at="/data", read_only=False),
    )
    assert team.limits == SessionLimits(turns=10, seconds=60, tokens=1000, usd=Decimal("2.50"), depth=3, live_threads=4)
    assert team.concurrency == Concurrency(session=8, models={"big": 4}, providers={"p": 2})
    assert (team.rehearsal, team.folder) == ("reply.py:reply", tmp_path)


def test_agents_that_share_a_callee_share_the_agent(tmp_path: Path) -> None:
    team = load(
        tmp_path,
        "coordinator: a\nagents:\n  a: {model: m, callable_agents: [b, c]}\n"
        "  b: {model: m, callable_agents: [d]}\n  c: {model: m, callable_agents: [d]}\n  d: {model: m}\n",
    )

    assert team.agents["b"].callable_agents[0] is team.agents["c"].callable_agents[0]


@pytest.mark.parametrize(
    ("agents", "coordinator"),
    [
        ("only: {model: m}", "only"),
        ("only: {model: m, callable_agents: [self]}", "only"),
        ("a: {model: m}, b: {model: m, callable_agents: [a]}", "b"),
        ("a: {model: m}, b: {model: m, callable_agents: [a]}, c: {model: m, callable_agents: [b]}", "c"),
    ],
)
def test_coordinator_may_be_left_out_where_only_one_can_be_meant(tmp_path: Path, agents: str, coordinator: str) -> None:
    assert load(tmp_path, f"agents: {{{agents}}}").coordinator.name == coordinator


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    team = load(
        tmp_path,
        "agents:\n  a: &a {model: m, system: &s 'Be brief.'}\n  b: {<<: *a, callable_agents: [a], system: *s}\n",
    )

    assert (team.coordinator.model, team.coordinator.system) == ("m", "Be brief.")


ONE = "agents:\n  solo: {model: m}\n"

WRONG = {
    "unknown key, with the nearest right one": (
        "agents:\n  solo: {modle: m, model: m}\n",
        "FILE line 2, agents.solo.modle: unknown key 'modle', did you mean 'model'?",
    ),
    "cap of a model that nobody uses": (
        ONE + "concurrency: {models: {othr: 2}}\n",
        "FILE line 3, concurrency.models.othr: unknown model 'othr'",
    ),
    "unknown key at the top": (ONE + "limit: 3\n", "FILE line 3, limit: unknown key 'limit', did you mean 'limits'?"),
    "key of another tool": (
        "agents:\n  solo: {model: m, prompt: x}\n",
        "FILE line 2, agents.solo.prompt: unknown key 'prompt', did you mean 'system'?",
    ),
    "unknown key in limits": (
        ONE + "limits: {depths: 1}\n",
        "FILE line 3, limits.depths: unknown key 'depths', did you mean 'depth'?",
    ),
    "unknown key in a mount": (
        ONE + "mounts:\n  - {path: ., at: /a, readonly: true}\n",
        "FILE line 4, mounts[0].readonly: unknown key 'readonly', did you mean 'read_only'?",
    ),
    "unknown tool": (
        "agents:\n  solo: {model: m, tools: [grpe]}\n",
        "FILE line 2, agents.solo.tools[0]: unknown tool 'grpe', did you mean 'grep'?",
    ),
    "tool twice": (
        "agents:\n  solo: {model: m, tools: [bash, bash]}\n",
        "FILE line 2, agents.solo.tools[1]: the tool 'bash' is listed twice",
    ),
    "unknown agent": (
        "agents:\n  lead: {model: m, callable_agents: [wroker]}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.callable_agents[0]: unknown agent 'wroker', did you mean 'worker'?",
    ),
    "unknown coordinator": (
        "coordinator: sol\n" + ONE,
        "FILE line 1, coordinator: unknown agent 'sol', did you mean 'solo'?",
    ),
    "no coordinator": (
        "agents: {a: {model: m}, b: {model: m}}",
        "FILE line 1, 'coordinator' is missing: name the agent that gets the task (one of a, b)",
    ),
    "circle": (
        "coordinator: a\nagents:\n  a: {model: m, callable_agents: [b]}\n"
        "  b: {model: m, callable_agents: [c]}\n  c: {model: m, callable_agents: [b]}\n",
        "FILE line 2, agents: agents call each other in a circle: b -> c -> b. "
        "Remove one of these calls; an agent that may call itself lists 'self'.",
    ),
    "itself by name": (
        "agents:\n  solo: {model: m, callable_agents: [solo]}\n",
        "FILE line 2, agents.solo.callable_agents[0]: an agent that may call itself lists 'self', not 'solo'",
    ),
    "names that collide as tools": (
        "coordinator: l\nagents:\n  l: {model: m, callable_agents: [a b, a_b]}\n  a b: {model: m}\n  a_b: {model: m}\n",
        "FILE line 3, agents.l.callable_agents[1]: 'a_b' would be called by the name 'a_b', and so is the agent 'a b'; "
        "rename one",
    ),
    "name of a built-in tool": (
        "agents:\n  bash: {model: m}\n",
        "FILE line 2, agents.bash: an agent cannot be called 'bash': the name is taken; rename it",
    ),
    "name of a tool of Podium's": (
        "agents:\n  submit_result: {model: m}\n",
        "FILE line 2, agents.submit_result: an agent cannot be called 'submit_result': the name is taken; rename it",
    ),
    "schema that is a list": (
        "agents:\n  solo: {model: m, input_schema: [1]}\n",
        "FILE line 2, agents.solo.input_schema: a schema is a JSON object or a Pydantic model, this is list",
    ),
    "schema that is none": (
        "agents:\n  solo:\n    model: m\n    output_schema: {type: objct}\n",
        "FILE line 4, agents.solo.output_schema: this is not a JSON Schema: ",
    ),
    "model missing": ("agents:\n  solo: {}\n", "FILE line 2, agents.solo: 'model' is missing"),
    "agents missing": ("name: x\n", "FILE line 1, 'agents' is missing"),
    "no agents": ("agents: {}\n", "FILE line 1, agents: must not be empty"),
    "agent that is a text": ("agents:\n  solo: m\n", "FILE line 2, agents.solo: must be a mapping, not 'm'"),
    "number for a text": (
        "agents:\n  solo: {model: 5}\n",
        "FILE line 2, agents.solo.model: must be a text, not 5; put it in quotes",
    ),
    "text for a list": (
        "agents:\n  solo: {model: m, tools: bash}\n",
        "FILE line 2, agents.solo.tools: must be a list, not 'bash'",
    ),
    "limit of nothing": (
        ONE + "limits: {turns: 0}\n",
        "FILE line 3, limits.turns: must be a number above 0, not 0",
    ),
    "limit in words": (
        ONE + "limits: {turns: many}\n",
        "FILE line 3, limits.turns: must be a whole number above 0, not 'many'",
    ),
    "limit without end": (
        ONE + "limits: {seconds: .inf}\n",
        "FILE line 3, limits.seconds: must be a number above 0, not inf",
    ),
    "dollars in words": (
        ONE + "limits: {usd: lots}\n",
        "FILE line 3, limits.usd: must be an amount of US dollars above 0, not 'lots'; leave it out for no limit",
    ),
    "debt": (
        "agents:\n  solo: {model: m, limits: {usd: -1}}\n",
        "FILE line 2, agents.solo.limits.usd: must be an amount of US dollars above 0, not -1; leave it out",
    ),
    "dollars without end": (
        ONE + "limits: {usd: .inf}\n",
        "FILE line 3, limits.usd: must be an amount of US dollars above 0, not inf",
    ),
    "unknown key in an agent's limits": (
        "agents:\n  solo: {model: m, limits: {uds: 1}}\n",
        "FILE line 2, agents.solo.limits.uds: unknown key 'uds', did you mean 'usd'?",
    ),
    "permission of a tool it has not": (
        "agents:\n  solo: {model: m, tools: [write], permissions: {wirte: always_ask}}\n",
        "FILE line 2, agents.solo.permissions.wirte: unknown tool 'wirte', did you mean 'write'?",
    ),
    "permission that is none": (
        "agents:\n  solo: {model: m, tools: [write], permissions: {write: ask}}\n",
        "FILE line 2, agents.solo.permissions.write: must be 'always_allow' or 'always_ask', not 'ask'",
    ),
    "unknown key in an agent called as a kind of mount": (
        "agents:\n  text: {modle: m, model: m}\n",
        "FILE line 2, agents.text.modle: unknown key 'modle', did you mean 'model'?",
    ),
    "negative retries": (
        "agents:\n  lead: {model: m, callable_agents: [worker], retries: -1}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.retries: must be a whole number from 0 to 100, not -1; or a mapping of such",
    ),
    "retries in words": (
        "agents:\n  lead: {model: m, callable_agents: [worker], retries: often}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.retries: must be a whole number from 0 to 100, not 'often'",
    ),
    "retries by name that are none": (
        "agents:\n  lead: {model: m, callable_agents: [worker], retries: {worker: 1.5}}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.retries: must be a whole number from 0 to 100, not 1.5",
    ),
    "retries of an agent it does not call": (
        "agents:\n  lead: {model: m, callable_agents: [worker], retries: {wroker: 1}}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.retries.wroker: unknown agent 'wroker', did you mean 'worker'?",
    ),
    "join of nothing": (
        "agents:\n  lead: {model: m, callable_agents: [worker], join: 0}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.join: must be one of all, any, best_effort, or a whole number above 0, not 0",
    ),
    "join that is no rule": (
        "agents:\n  lead: {model: m, callable_agents: [worker], join: most}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.join: must be one of all, any, best_effort, or a whole number above 0, not 'most'",
    ),
    "join that is a list": (
        "agents:\n  lead: {model: m, callable_agents: [worker], join: [any]}\n  worker: {model: m}\n",
        "FILE line 2, agents.lead.join: must be one of all, any, best_effort, or a whole number above 0, not ['any']",
    ),
    "retries of an agent that calls nobody": (
        "agents:\n  lead: {model: m, callable_agents: [worker]}\n  worker: {model: m, retries: 2}\n",
        "FILE line 3, agents.worker.retries: is for agents that it calls, and it calls none; give it to who calls them",
    ),
    "join of an agent that calls nobody": (
        "agents:\n  solo: {model: m, join: any}\n",
        "FILE line 2, agents.solo.join: is for agents that it calls, and it calls none; give it to who calls them",
    ),
    "mount without a place": (
        ONE + "mounts: [here]\n",
        "FILE line 3, mounts[0]: mount 'here': write PATH:AT, PATH:AT:ro (read only, as without it) or PATH:AT:rw, ",
    ),
    "mount at a relative place": (
        ONE + "mounts: [{path: ., at: source}]\n",
        "FILE line 3, mounts[0].at: must be an absolute path inside, such as /source, not 'source'",
    ),
    "two mounts at one place": (
        ONE + "mounts: ['a:/x', 'b:/x']\n",
        "FILE line 3, mounts[1]: another folder is mounted at /x already",
    ),
    "key twice": (
        "agents:\n  solo: {model: m}\n  solo: {model: n}\n",
        "FILE line 2, agents.solo: the key 'solo' stands here again on line 3; keep one",
    ),
    "key that YAML takes for a truth value": (
        "agents:\n  on: {model: m}\n",
        "FILE line 2, agents.on: the key on is no text to YAML; put it in quotes",
    ),
    "list as a key": ("agents:\n  ? [a]\n  : {model: m}\n", "FILE line 2, agents: a key must be a text"),
    "syntax": ("agents:\n  solo: {model: m\n", "FILE line 3, column 1: this is not YAML: "),
    "two documents": ("a: 1\n---\nb: 2\n", "FILE line 2, column 1: this is not YAML: "),
    "python in it": (
        "agents: !!python/object/apply:os.system ['true']\n",
        "FILE line 1, column 9: this is not YAML: could not determine a constructor",
    ),
    "control character": ("name: \x07\n", "FILE line 1: a control character (#x07)"),
    "empty": ("# nothing\n", "FILE is empty; a team file has at least 'agents:'"),
    "list": ("- a\n", "FILE is no team file: it must be a mapping with 'agents:', this is a list"),
    "text": ("hello", "FILE is no team file: it must be a mapping with 'agents:', this is 'hello'"),
    "nested too deeply": ("[" * 5000, "FILE is nested too deeply"),
    "alias of itself": (
        "agents: &a {solo: *a}\n",
        "FILE line 1, agents.solo: an alias stands for something it is itself",
    ),
    "aliases that stand for billions": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "FILE line 5, e: stands for more than 100,000 values",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_file_is_told_with_its_line_and_the_remedy(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]

    assert wrong(tmp_path, text).startswith(said)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = wrong(tmp_path, "agents:\n  a: {modle: m}\n  b: {model: 5}\nlimits: {turns: x}\n")

    assert [line.partition(",")[0] for line in said.splitlines()] == [
        "FILE has 4 problems:",
        "  line 2",
        "  line 2",
        "  line 3",
        "  line 4",
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "FILE is binary; a team file is YAML, in UTF-8"),
        (ONE.encode("utf-16"), "FILE is binary; a team file is YAML, in UTF-8"),
        (b"agents:\n  caf\xe9: {}\n", "FILE is not UTF-8: byte 0xe9 on line 2. Save it as UTF-8"),
        (b"# " + b"x" * 1_000_000, "FILE is larger than 1 MB; a team file is not"),
    ],
)
def test_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    assert wrong(tmp_path, data) == said


def test_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no file"):
        load_team(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="is a folder; name the team file in it"):
        load_team(tmp_path)


def test_mark_at_the_beginning_of_utf_8_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + ONE.encode()).coordinator.name == "solo"


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_any_file_is_loaded_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: str | bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput):
        load_team(file)


def test_mount_on_the_command_line(tmp_path: Path) -> None:
    assert parse_mount("a:/b", tmp_path) == Mount(path=tmp_path / "a", at="/b", read_only=True)
    assert parse_mount("/abs:/b:rw", tmp_path) == Mount(path=Path("/abs"), at="/b", read_only=False)
    for text in ("", "a", "a:b", ":/b", "a:/b:rx", "a:/b:"):
        with pytest.raises(BadInput, match="write PATH:AT"):
            parse_mount(text, tmp_path)


def test_committed_schema_is_the_one_that_is_printed() -> None:
    kept = json.loads((Path(__file__).parents[2] / "docs" / "team.schema.json").read_text())

    assert kept == json_schema(), "write it again: podium check --schema > docs/team.schema.json"


def test_schema_for_editors_takes_what_we_take(tmp_path: Path) -> None:
    import jsonschema_rs
    import yaml

    schema = jsonschema_rs.validator_for(json_schema())

    schema.validate(yaml.safe_load(WHOLE))
    assert not schema.is_valid({"agents": {"solo": {"model": "m", "modle": "m"}}})
    assert not schema.is_valid({"agents": {"solo": {"model": "m", "tools": ["grpe"]}}})
    assert not schema.is_valid({"agents": {"solo": {"model": "m"}}, "limits": {"usd": 0}})
