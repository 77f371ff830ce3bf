"""Reads podium.toml and the environment. Every problem of a file is told at once."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from podium.config.shape import (
    ConfigFile,
    LimitsEntry,
    ModelEntry,
    ProviderEntry,
    checked_url,
    config_problem,
)
from podium.core.json import JSON
from podium.core.money import ModelFacts
from podium.entry import Problem, Where
from podium.errors import BadInput, UnknownName
from podium.models.prices import facts_of, is_local
from podium.models.upstream import Auth, Deadlines, Upstream

ANTHROPIC = "anthropic"
ENVIRONMENT = "environment"
_ANTHROPIC_URL = "https://api.anthropic.com"
# The names by which Claude Code calls the newest model of each family. Source: its page on model configuration.
ALIASES = {
    "fable": "claude-fable-5",
    "opus": "claude-opus-5",
    "sonnet": "claude-sonnet-5",
    "haiku": "claude-haiku-4-5",
}


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """How much may be asked of a model or a provider; None is no limit.

    Units: `calls` under way at once; requests and tokens in a minute.
    """

    calls: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A server of models.

    Shape: `key_env` is the environment variable of its key; None needs no key.
    """

    upstream: Upstream
    key_env: str | None
    caching: bool
    limits: RequestLimits


@dataclass(frozen=True, kw_only=True)
class Config:
    """What podium.toml and the environment say. It answers for any model: an unnamed one is the default provider's.

    Shape: `file` is None if there is none. `models` are only those that the file names.
    """

    file: Path | None
    default_provider: str
    providers: Mapping[str, Provider]
    models: Mapping[str, ModelEntry]

    def provider_of(self, model: str) -> Provider:
        """Who serves this model."""
        return self.providers[self._entry(model).provider or self.default_provider]

    def name_of(self, model: str) -> str:
        """What its provider calls this model: Anthropic's is asked for the newest Sonnet by its whole name."""
        named = self._entry(model).name
        if named is not None or model not in ALIASES:
            return named or model
        upstream = self.provider_of(model).upstream
        return ALIASES[model] if upstream.provider == ANTHROPIC or upstream.base_url == _ANTHROPIC_URL else model

    def upstream(self, model: str) -> Upstream:
        """Where calls of this model go.

        Errors: BadInput if they need a key and there is none, with the variable that would hold it.
        """
        provider = self.provider_of(model)
        missing = self.missing_key(model)
        if missing is not None:
            raise BadInput(
                f"model '{model}' needs provider '{provider.upstream.provider}', whose key is read from ${missing}, "
                "which is not set. Set it, or name another server in podium.toml: docs/models.md has one for each"
            )
        key = provider.upstream.api_key
        if key is not None and not (key.isascii() and key.isprintable()):
            raise BadInput(
                f"the key in ${provider.key_env or 'ANTHROPIC_AUTH_TOKEN'} holds a line break or a control character"
            )
        return provider.upstream

    def missing_key(self, model: str) -> str | None:
        """The environment variable that this model needs and that is not set."""
        provider = self.provider_of(model)
        return provider.key_env if provider.upstream.api_key is None else None

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of this model: the file's words first, then the list's."""
        entry = self._entry(model)
        price = None if entry.price is None else entry.price.price()
        if price is not None and entry.context_window is not None:
            return ModelFacts(price=price, context_window=entry.context_window, max_tokens=entry.max_tokens)
        base_url = self.provider_of(model).upstream.base_url
        listed = facts_of(self.name_of(model), base_url, context_window=entry.context_window)
        return ModelFacts(
            price=price or listed.price,
            context_window=entry.context_window or listed.context_window,
            max_tokens=entry.max_tokens,
        )

    def options_of(self, model: str) -> Mapping[str, JSON]:
        """What is merged into every request to this model."""
        return self._entry(model).options

    def limits_of(self, model: str) -> RequestLimits:
        """How much may be asked of this model; its provider has limits of its own."""
        return _limits(self._entry(model).limits)

    def _entry(self, model: str) -> ModelEntry:
        return self.models.get(model, _UNNAMED)


_UNNAMED = ModelEntry()


def load_config(file: Path | None = None, *, env: Mapping[str, str]) -> Config:
    """What this file and the environment say.

    Shape: without a file, the one that $PODIUM_CONFIG names, ./podium.toml, or podium/podium.toml in the user's folder
    of configurations ($XDG_CONFIG_HOME, ~/.config); none is fine. Of the environment, $PODIUM_MODEL_BASE_URL and
    $PODIUM_MODEL_API_KEY make a provider "environment", the default unless the file names another; $ANTHROPIC_BASE_URL,
    $ANTHROPIC_API_KEY and $ANTHROPIC_AUTH_TOKEN are what the provider "anthropic" is made of.
    Errors: BadInput that tells everything that is wrong with the file, each thing with its place and the remedy.
    """
    found = file or _found(env)
    written = ConfigFile() if found is None else _read(found)
    servers = _servers(env)
    problems = list(_problems(written, servers))
    if problems and found is not None:
        _refuse(found, problems)
    entries = {**dict.fromkeys(servers, ProviderEntry()), **written.providers}
    return Config(
        file=found,
        default_provider=written.default_provider or (ENVIRONMENT if ENVIRONMENT in servers else ANTHROPIC),
        providers={
            name: _provider(name, entry, _server(entry, servers.get(name)), env) for name, entry in entries.items()
        },
        models=written.models,
    )


# --- the file ----------------------------------------------------------------------------------------


def _found(env: Mapping[str, str]) -> Path | None:
    named = env.get("PODIUM_CONFIG")
    if named:
        if not Path(named).is_file():
            raise BadInput(f"there is no file {named}, which $PODIUM_CONFIG names")
        return Path(named)
    places = [Path("podium.toml")]
    home, configs = env.get("HOME"), env.get("XDG_CONFIG_HOME", "")
    if Path(configs).is_absolute():  # XDG: a relative one is to be ignored
        places.append(Path(configs, "podium", "podium.toml"))
    elif home:
        places.append(Path(home, ".config", "podium", "podium.toml"))
    return next((place for place in places if place.is_file()), None)


def _read(file: Path) -> ConfigFile:
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(f"there is no file {file}") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8, at byte {error.start}. Save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{file} is not TOML: {error}") from None
    try:
        return ConfigFile.model_validate(value)
    except ValidationError as error:
        _refuse(file, [config_problem(details) for details in error.errors()])


def _refuse(file: Path, problems: Iterable[Problem]) -> NoReturn:
    told = [f"{_dotted(place)}: {said}" if place else said for place, said in problems]
    if len(told) == 1:
        raise BadInput(f"{file}, {told[0]}")
    raise BadInput(f"{file} has {len(told)} problems:\n" + "\n".join(f"  {line}" for line in told))


def _dotted(place: Where) -> str:
    """The place as TOML writes it: models."qwen3:8b".price."""
    return ".".join(
        str(step) if re.fullmatch(r"[A-Za-z0-9_-]+", str(step)) else json.dumps(step, ensure_ascii=False)
        for step in place
    )


def _problems(written: ConfigFile, servers: "Mapping[str, _Server]") -> Iterator[Problem]:
    """What only shows when more than one value is seen."""
    for name, provider in written.providers.items():
        place: Where = ("providers", name)
        if name == ENVIRONMENT:
            yield place, "the name is taken by what $PODIUM_MODEL_BASE_URL says; rename it"
        elif provider.base_url is None and name not in servers:
            yield place, "'base_url' is missing"
        elif provider.base_url is not None and provider.key_env is None and not is_local(provider.base_url):
            needed = f"name the environment variable that holds the key for {provider.base_url}"
            yield place, f"'key_env' is missing: {needed}; if it needs none, one with any text"
    known = {*servers, *written.providers}
    if written.default_provider is not None and written.default_provider not in known:
        yield ("default_provider",), str(UnknownName("provider", written.default_provider, known))
    for name, model in written.models.items():
        if model.provider is not None and model.provider not in known:
            yield ("models", name, "provider"), str(UnknownName("provider", model.provider, known))


# --- providers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Server:
    """Where calls go, and whose key they carry."""

    base_url: str
    key_env: str | None
    auth: Auth


def _servers(env: Mapping[str, str]) -> dict[str, _Server]:
    is_token = not env.get("ANTHROPIC_API_KEY") and bool(env.get("ANTHROPIC_AUTH_TOKEN"))
    servers = {
        ANTHROPIC: _Server(
            base_url=_url("ANTHROPIC_BASE_URL", env),
            key_env="ANTHROPIC_AUTH_TOKEN" if is_token else "ANTHROPIC_API_KEY",
            auth="bearer" if is_token else "x-api-key",
        )
    }
    if env.get("PODIUM_MODEL_BASE_URL") or env.get("PODIUM_MODEL_API_KEY"):
        servers[ENVIRONMENT] = _Server(
            base_url=_url("PODIUM_MODEL_BASE_URL", env), key_env="PODIUM_MODEL_API_KEY", auth="x-api-key"
        )
    return servers


def _url(variable: str, env: Mapping[str, str]) -> str:
    try:
        return checked_url(env.get(variable) or _ANTHROPIC_URL)
    except ValueError as error:
        raise BadInput(f"${variable} {error}") from None


def _server(entry: ProviderEntry, usual: _Server | None) -> _Server:
    """The server of an entry; one without a URL is the environment's, so that no key goes to a server it is not for."""
    if entry.base_url is not None or usual is None:
        return _Server(base_url=entry.base_url or "", key_env=entry.key_env, auth=entry.auth or "x-api-key")
    if entry.key_env is not None:
        return replace(usual, key_env=entry.key_env, auth=entry.auth or "x-api-key")
    return replace(usual, auth=entry.auth or usual.auth)


def _provider(name: str, entry: ProviderEntry, server: _Server, env: Mapping[str, str]) -> Provider:
    needs_key = entry.key_env is not None or not is_local(server.base_url)
    return Provider(
        upstream=Upstream(
            provider=name,
            base_url=server.base_url,
            api_key=env.get(server.key_env or "", "").strip() or None,
            auth=server.auth,
            deadlines=replace(Deadlines.of(server.base_url), **entry.deadlines.model_dump(exclude_none=True)),
            headers=entry.headers,
        ),
        key_env=server.key_env if needs_key else None,
        caching=entry.caching,
        limits=_limits(entry.limits),
    )


def _limits(entry: LimitsEntry) -> RequestLimits:
    return RequestLimits(**entry.model_dump())
