"""podium.toml and the environment: what they say of a model, and all that can be wrong, in words to act on."""

import contextlib
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.config import Config, RequestLimits, load_config
from podium.core.money import Price
from podium.errors import BadInput
from podium.models.upstream import Deadlines

WHOLE = """
default_provider = "house"

[providers.house]
base_url = "https://models.example.com/anthropic/"
key_env = "HOUSE_KEY"
auth = "bearer"
caching = false
headers = {x-team = "audit"}
[providers.house.deadlines]
connect_s = 2
call_s = 1200.5
[providers.house.limits]
calls = 4
requests_per_minute = 50
tokens_per_minute = 100_000

[providers.lab]
base_url = "http://127.0.0.1:8000"

[models."big"]
name = "vendor/big-1"
context_window = 200_000
max_tokens = 32_000
price = {input = 3, output = 15.5}
options = {temperature = 0.5, thinking = {type = "disabled"}}
limits = {calls = 2}

[models."qwen3:8b"]
provider = "lab"
price = {input = 0, output = 0, cache_write = 0.1, cache_read = 0.2}
"""
KEYS = {"HOUSE_KEY": "secret-of-the-house", "ANTHROPIC_API_KEY": "secret-of-claude"}
CLAUDE = "claude-haiku-4-5"


def config(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Config:
    file = tmp_path / "podium.toml"
    file.write_text(text)
    return load_config(file, env=KEYS if env is None else env)


def wrong(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        config(tmp_path, text, env)
    return str(caught.value).replace(str(tmp_path / "podium.toml"), "FILE")


def test_everything_a_file_can_say_of_a_provider(tmp_path: Path) -> None:
    house = config(tmp_path, WHOLE).provider_of("big")

    assert house.upstream.provider == "house"
    assert house.upstream.base_url == "https://models.example.com/anthropic"
    assert (house.upstream.api_key, house.upstream.auth, house.key_env) == (
        "secret-of-the-house",
        "bearer",
        "HOUSE_KEY",
    )
    assert house.upstream.headers == {"x-team": "audit"}
    assert house.upstream.deadlines == Deadlines(connect_s=2, first_event_s=600, progress_s=600, call_s=1200.5)
    assert house.caching is False
    assert house.limits == RequestLimits(calls=4, requests_per_minute=50, tokens_per_minute=100_000)


def test_everything_a_file_can_say_of_a_model(tmp_path: Path) -> None:
    said = config(tmp_path, WHOLE)
    facts = said.facts_of("big")

    assert said.name_of("big") == "vendor/big-1"
    assert facts.price == Price(
        input=Decimal(3), output=Decimal("15.5"), cache_write=Decimal("3.75"), cache_read=Decimal("0.3")
    )
    assert (facts.context_window, facts.max_tokens) == (200_000, 32_000)
    assert said.options_of("big") == {"temperature": 0.5, "thinking": {"type": "disabled"}}
    assert said.limits_of("big") == RequestLimits(calls=2)


def test_free_model_has_a_known_price_of_nothing(tmp_path: Path) -> None:
    price = config(tmp_path, WHOLE).facts_of("qwen3:8b").price

    assert price == Price(input=Decimal(0), output=Decimal(0), cache_write=Decimal("0.1"), cache_read=Decimal("0.2"))


def test_model_that_the_file_does_not_name_is_the_default_providers(tmp_path: Path) -> None:
    said = config(tmp_path, WHOLE)

    assert said.upstream("anything").provider == "house"
    assert (said.name_of("anything"), said.options_of("anything")) == ("anything", {})
    assert said.limits_of("anything") == RequestLimits()


def test_server_on_this_machine_needs_no_key(tmp_path: Path) -> None:
    assert config(tmp_path, WHOLE, {}).upstream("qwen3:8b").api_key is None


def test_local_models_price_is_unknown_even_if_it_is_called_like_a_priced_one(tmp_path: Path) -> None:
    said = config(tmp_path, 'default_provider = "lab"\nproviders.lab.base_url = "http://localhost:8000"')

    assert said.facts_of(CLAUDE).price is None


def test_price_of_the_file_wins_over_the_list(tmp_path: Path) -> None:
    said = config(tmp_path, f"[models.{CLAUDE}]\nprice = {{input = 0.5, output = 1}}")
    facts = said.facts_of(CLAUDE)

    assert facts.price is not None
    assert (facts.price.input, facts.price.output) == (Decimal("0.5"), Decimal(1))
    assert facts.context_window == 200_000  # of which the file says nothing


def test_other_name_of_a_model_has_the_price_of_what_it_stands_for(tmp_path: Path) -> None:
    said = config(tmp_path, f'[models.cheap]\nname = "{CLAUDE}"')

    assert said.facts_of("cheap") == said.facts_of(CLAUDE)
    assert said.facts_of("cheap").price is not None


def test_short_names_of_claudes_models_stand_for_the_newest_where_claude_is(tmp_path: Path) -> None:
    made = config(tmp_path, "")

    whole = {name: made.name_of(name) for name in ("fable", "opus", "sonnet", "haiku", CLAUDE)}
    assert whole == {
        "fable": "claude-fable-5",
        "opus": "claude-opus-5",
        "sonnet": "claude-sonnet-5",
        "haiku": CLAUDE,
        CLAUDE: CLAUDE,
    }
    assert made.facts_of("haiku") == made.facts_of(CLAUDE)
    assert made.facts_of("haiku").price is not None


def test_short_names_are_what_the_file_says_and_as_they_are_for_other_servers(tmp_path: Path) -> None:
    made = config(tmp_path, WHOLE + '[models.haiku]\nname = "small-1"\n[models.opus]\nprovider = "anthropic"\n')

    assert [made.name_of(name) for name in ("haiku", "sonnet", "opus")] == ["small-1", "sonnet", "claude-opus-5"]


def test_two_models_of_one_provider_may_stand_for_the_same(tmp_path: Path) -> None:
    said = config(tmp_path, f'[models.calm]\nname = "{CLAUDE}"\noptions = {{temperature = 0}}\n[models.{CLAUDE}]')

    assert said.upstream("calm") == said.upstream(CLAUDE)
    assert (said.options_of("calm"), said.options_of(CLAUDE)) == ({"temperature": 0}, {})


# --- keys ---------------------------------------------------------------------------------------------


def test_key_that_is_missing_is_told_with_its_variable(tmp_path: Path) -> None:
    said = config(tmp_path, WHOLE, {"HOUSE_KEY": " "})

    assert said.missing_key("big") == "HOUSE_KEY"
    with pytest.raises(BadInput) as caught:
        said.upstream("big")
    assert str(caught.value).startswith(
        "model 'big' needs provider 'house', whose key is read from $HOUSE_KEY, which is not set"
    )


def test_key_that_a_local_server_was_given_must_be_there(tmp_path: Path) -> None:
    said = config(
        tmp_path, 'providers.lab = {base_url = "http://localhost", key_env = "LAB"}\nmodels.m.provider = "lab"'
    )

    assert said.missing_key("m") == "LAB"


def test_no_key_shows_where_a_configuration_is_printed(tmp_path: Path) -> None:
    assert "secret" not in repr(config(tmp_path, WHOLE))


@pytest.mark.parametrize("key", ["api_key", "apikey", "token", "API_KEY"])
def test_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    said = wrong(tmp_path, f'[providers.p]\nbase_url = "http://localhost"\n{key} = "sk-1234"')

    assert said == (
        f"FILE, providers.p.{key}: keys are never written here: put it into an environment variable, and name that by "
        "'key_env'"
    )


@pytest.mark.parametrize(
    "line",
    [
        'key_env = "sk-ant-1234"',
        'base_url = "https://me:sk-1234@example.com"',
        'base_url = "me:sk-1234@example.com"',
        'base_url = "https://example.com?key=sk-1234"',
        'headers = {Authorization = "Bearer sk-1234"}',
        'headers = {x-api-key = "sk-1234"}',
    ],
)
def test_key_in_a_wrong_place_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    said = wrong(tmp_path, f"[providers.p]\n{line}")

    assert "1234" not in said
    assert "key" in said


# --- the environment ----------------------------------------------------------------------------------


def test_without_anything_claude_is_there_and_lacks_its_key() -> None:
    said = load_config(env={})

    assert said.file is None
    assert (said.default_provider, said.missing_key(CLAUDE)) == ("anthropic", "ANTHROPIC_API_KEY")
    claude = said.provider_of(CLAUDE)
    assert claude.upstream.base_url == "https://api.anthropic.com"
    assert claude.upstream.deadlines == Deadlines(connect_s=5, first_event_s=60, progress_s=90, call_s=900)
    assert claude.caching


@pytest.mark.parametrize(
    ("env", "provider", "base_url", "key", "auth"),
    [
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic", "https://api.anthropic.com", "k", "x-api-key"),
        ({"ANTHROPIC_AUTH_TOKEN": "t"}, "anthropic", "https://api.anthropic.com", "t", "bearer"),
        (
            {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "t"},
            "anthropic",
            "https://api.anthropic.com",
            "t",
            "bearer",
        ),
        (
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"},
            "anthropic",
            "https://api.anthropic.com",
            "k",
            "x-api-key",
        ),
        ({"ANTHROPIC_BASE_URL": "http://localhost:11434/"}, "anthropic", "http://localhost:11434", None, "x-api-key"),
        ({"PODIUM_MODEL_API_KEY": "p"}, "environment", "https://api.anthropic.com", "p", "x-api-key"),
        (
            {"PODIUM_MODEL_BASE_URL": "http://localhost:1", "ANTHROPIC_API_KEY": "k"},
            "environment",
            "http://localhost:1",
            None,
            "x-api-key",
        ),
    ],
)
def test_environment_says_where_calls_go(
    env: dict[str, str], provider: str, base_url: str, key: str | None, auth: str
) -> None:
    upstream = load_config(env=env).upstream("m")

    assert (upstream.provider, upstream.base_url, upstream.api_key, upstream.auth) == (provider, base_url, key, auth)


def test_server_of_the_environment_is_sent_no_other_servers_key() -> None:
    said = load_config(env={"PODIUM_MODEL_BASE_URL": "https://gateway.example.com", "ANTHROPIC_API_KEY": "k"})

    assert said.missing_key("m") == "PODIUM_MODEL_API_KEY"


def test_default_of_the_file_wins_over_the_environments(tmp_path: Path) -> None:
    env = {"PODIUM_MODEL_BASE_URL": "http://localhost:1", "ANTHROPIC_API_KEY": "k"}
    said = config(tmp_path, 'default_provider = "anthropic"\nmodels.local.provider = "environment"', env)

    assert (said.upstream("m").provider, said.upstream("local").provider) == ("anthropic", "environment")


def test_limits_of_claude_can_be_set_without_saying_again_where_it_is(tmp_path: Path) -> None:
    claude = config(tmp_path, "providers.anthropic.limits.calls = 2").provider_of("m")

    assert claude.limits.calls == 2
    assert (claude.upstream.base_url, claude.upstream.api_key) == ("https://api.anthropic.com", "secret-of-claude")


def test_claude_that_is_redefined_elsewhere_does_not_get_the_key_of_the_environment(tmp_path: Path) -> None:
    said = config(tmp_path, '[providers.anthropic]\nbase_url = "http://localhost:1"')

    assert said.upstream("m").api_key is None


@pytest.mark.parametrize("variable", ["PODIUM_MODEL_BASE_URL", "ANTHROPIC_BASE_URL"])
def test_url_of_the_environment_that_is_none_is_told_with_its_variable(variable: str) -> None:
    with pytest.raises(BadInput, match=rf"^\${variable} must be a URL such as .*, not 'localhost:1'$"):
        load_config(env={variable: "localhost:1"})


# --- which file ---------------------------------------------------------------------------------------


def test_file_is_looked_for_where_it_may_be_and_the_nearest_wins(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("named", "here", "xdg", "home")}
    files = {
        "named": places["named"] / "any.toml",
        "here": places["here"] / "podium.toml",
        "xdg": places["xdg"] / "podium" / "podium.toml",
        "home": places["home"] / ".config" / "podium" / "podium.toml",
    }
    for name, file in files.items():
        file.parent.mkdir(parents=True)
        file.write_text(f'[providers.{name}]\nbase_url = "http://localhost"')
    env = {"HOME": str(places["home"])}
    xdg = env | {"XDG_CONFIG_HOME": str(places["xdg"])}

    def found(cwd: Path, env: dict[str, str], file: Path | None = None) -> str:
        with contextlib.chdir(cwd):
            return next(name for name in load_config(file, env=env).providers if name in files)

    elsewhere = tmp_path
    assert found(elsewhere, env) == "home"
    assert found(elsewhere, env | {"XDG_CONFIG_HOME": "relative"}) == "home"
    assert found(elsewhere, xdg) == "xdg"
    assert found(places["here"], xdg) == "here"
    assert found(places["here"], xdg | {"PODIUM_CONFIG": ""}) == "here"
    assert found(places["here"], xdg | {"PODIUM_CONFIG": str(files["named"])}) == "named"
    assert found(places["here"], xdg | {"PODIUM_CONFIG": str(files["named"])}, files["home"]) == "home"


def test_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    none = tmp_path / "none.toml"
    with pytest.raises(BadInput, match=r"^there is no file .*none\.toml$"):
        load_config(none, env={})
    with pytest.raises(BadInput, match=r"^there is no file .*none\.toml, which \$PODIUM_CONFIG names$"):
        load_config(env={"PODIUM_CONFIG": str(none)})
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        load_config(tmp_path, env={})


# --- what is wrong ------------------------------------------------------------------------------------

WRONG = {
    "unknown key at the top": ("provider = 1", "FILE, provider: unknown key 'provider', did you mean 'providers'?"),
    "unknown key of a provider": (
        'providers.p.base_rul = "x"\nproviders.p.base_url = "http://localhost"',
        "FILE, providers.p.base_rul: unknown key 'base_rul', did you mean 'base_url'?",
    ),
    "unknown key deep inside": (
        'models."qwen3:8b".price = {inptu = 1, input = 1, output = 1}',
        "FILE, models.\"qwen3:8b\".price.inptu: unknown key 'inptu', did you mean 'input'?",
    ),
    "word of another tool": (
        "models.m.max_output_tokens = 5",
        "FILE, models.m.max_output_tokens: unknown key 'max_output_tokens', did you mean 'max_tokens'?",
    ),
    "half a price": ("models.m.price.input = 1", "FILE, models.m.price: 'output' is missing"),
    "negative price": (
        'models."x.1".price = {input = -1, output = 1}',
        'FILE, models."x.1".price.input: must be US dollars for a million tokens, 0 or more, not -1',
    ),
    "price without end": (
        "models.m.price = {input = inf, output = 1}",
        "FILE, models.m.price.input: must be US dollars for a million tokens, 0 or more, not inf",
    ),
    "price in words": (
        'models.m.price = {input = "free", output = 1}',
        "FILE, models.m.price.input: must be US dollars for a million tokens, 0 or more, not 'free'",
    ),
    "answer longer than the window": (
        "models.m = {context_window = 8_000, max_tokens = 64_000}",
        "FILE, models.m: max_tokens, 64,000, is more than context_window, 8,000",
    ),
    "limit of nothing": (
        "providers.anthropic.limits.requests_per_minute = 0",
        "FILE, providers.anthropic.limits.requests_per_minute: must be a number above 0, not 0",
    ),
    "deadline of nothing": (
        "providers.anthropic.deadlines.call_s = 0",
        "FILE, providers.anthropic.deadlines.call_s: must be a number above 0, not 0",
    ),
    "way to carry a key": (
        'providers.anthropic.auth = "basic"',
        "FILE, providers.anthropic.auth: must be 'x-api-key' or 'bearer', not 'basic'",
    ),
    "unknown default": (
        'default_provider = "antropic"',
        "FILE, default_provider: unknown provider 'antropic', did you mean 'anthropic'?",
    ),
    "unknown provider of a model": (
        'providers.lab.base_url = "http://localhost"\nmodels.m.provider = "lap"',
        "FILE, models.m.provider: unknown provider 'lap', did you mean 'lab'?",
    ),
    "provider without a place": ("[providers.p]", "FILE, providers.p: 'base_url' is missing"),
    "server elsewhere without a key": (
        'providers.p.base_url = "http://192.168.1.2:8000"',
        "FILE, providers.p: 'key_env' is missing: name the environment variable that holds the key for "
        "http://192.168.1.2:8000; if it needs none, one with any text",
    ),
    "name of the environment's own": (
        'providers.environment.base_url = "http://localhost"',
        "FILE, providers.environment: the name is taken by what $PODIUM_MODEL_BASE_URL says; rename it",
    ),
    "other protocol": (
        'providers.p.base_url = "ftp://x"',
        "FILE, providers.p.base_url: must be a URL such as https://api.anthropic.com, not 'ftp://x'",
    ),
    "port that is none": (
        'providers.p.base_url = "http://localhost:port"',
        "FILE, providers.p.base_url: is no URL: write one such as https://api.anthropic.com",
    ),
    "path that is added anyway": (
        'providers.p.base_url = "http://localhost:11434/v1"',
        "FILE, providers.p.base_url: must not end with '/v1': /v1/messages is added to it. Write http://localhost:11434",
    ),
    "whole path": (
        'providers.p.base_url = "http://localhost/v1/messages/"',
        "FILE, providers.p.base_url: must not end with '/v1/messages/': /v1/messages is added to it. "
        "Write http://localhost",
    ),
    "header of two lines": (
        'providers.anthropic.headers = {x = "a\\nb"}',
        "FILE, providers.anthropic.headers: the header 'x' has characters that no header may have",
    ),
    "option that is Podium's": (
        "models.m.options = {max_tokens = 5}",
        "FILE, models.m.options: must not hold 'max_tokens': Podium says it in each request",
    ),
    "option that is no JSON": (
        "models.m.options = {until = 2026-01-01}",
        "FILE, models.m.options: 'until' must be what JSON can say: no dates, no inf, no nan",
    ),
    "syntax": ("a = = 1", "FILE is not TOML: Invalid value (at line 1, column 5)"),
    "key twice": ("a = 1\na = 2\n", "FILE is not TOML: Cannot overwrite a value (at line 2, column 6)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_file_is_told_with_the_place_and_the_remedy(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]

    assert wrong(tmp_path, text) == said


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    assert wrong(tmp_path, 'colour = 1\nmodels.m.price = {input = -1}\nproviders.p.base_url = "x"').splitlines() == [
        "FILE has 4 problems:",
        "  providers.p.base_url: must be a URL such as https://api.anthropic.com, not 'x'",
        "  models.m.price.input: must be US dollars for a million tokens, 0 or more, not -1",
        "  models.m.price: 'output' is missing",
        "  colour: unknown key 'colour' (known: default_provider, models, providers)",
    ]


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "podium.toml"
    file.write_bytes(b"# caf\xe9")

    with pytest.raises(BadInput, match=r"is not UTF-8, at byte 5\. Save it as UTF-8$"):
        load_config(file, env={})


@given(
    key=st.sampled_from(["base_url", "key_env", "auth", "caching", "headers", "deadlines", "limits"]),
    value=st.text(max_size=30) | st.integers() | st.floats() | st.booleans(),
)
def test_any_value_of_a_provider_is_taken_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    text = json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf").replace("\x7f", "")
    file.write_text(f"[providers.anthropic]\n{key} = {text}")
    with contextlib.suppress(BadInput):
        assert load_config(file, env={}).default_provider == "anthropic"


# --- the document -------------------------------------------------------------------------------------

DOCUMENT = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
BLOCKS = [
    pytest.param(block, id=section.partition("\n")[0])
    for section in DOCUMENT.split("\n## ")
    for block in re.findall(r"^```toml\n(.*?)^```", section, re.M | re.S)
]
SERVERS = ["Claude", "Ollama", "vLLM", "llama.cpp", "LM Studio", "LiteLLM"]


@pytest.mark.parametrize("block", BLOCKS)
def test_configuration_of_the_document_is_right_and_every_model_has_a_price(tmp_path: Path, block: str) -> None:
    keys = dict.fromkeys(re.findall(r'key_env = "(\w+)"', block), "a key")
    said = config(tmp_path, block, keys)

    for model in said.models:
        assert said.upstream(model).provider == said.default_provider
        assert said.facts_of(model).price is not None


def test_document_has_a_configuration_for_each_server() -> None:
    assert [block.id for block in BLOCKS] == ["Everything podium.toml can say", *SERVERS]
