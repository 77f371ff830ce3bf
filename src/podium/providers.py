"""The models that podium.toml and the environment serve to this process, and the connections to them."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from podium.core.definitions import INHERIT
from podium.core.money import DEFAULT_OUTPUT_TOKENS, ModelFacts
from podium.core.ports import Model
from podium.engine.limiter import Limiter
from podium.errors import BadInput
from podium.models.messages import MessagesClient, MessagesModel

if TYPE_CHECKING:  # importing Podium does not import Pydantic
    from podium.config import Config, RequestLimits


class Providers:
    """Made for one event loop. The configuration is read when the first model is asked for."""

    def __init__(self, load: "Callable[[], Config]", limiter: Limiter) -> None:
        self._load = load
        self._limiter = limiter
        self._config: Config | None = None
        self._clients: dict[str, MessagesClient] = {}
        self._models: dict[str, Model] = {}
        self.caps: dict[str, int] = {}  # calls at once, by the limiter's keys

    @property
    def config(self) -> "Config":
        """What podium.toml and the environment say.

        Errors: BadInput for a file that cannot be used.
        """
        if self._config is None:
            self._config = self._load()
        return self._config

    def model(self, name: str, *, where: str, given: Mapping[str, Model]) -> Model:
        """The model of this name; `given` are those that the program passed, for the words of the error.

        Errors: BadInput if its provider needs a key that is not set, with the remedies; or if it is to be inherited
        from nobody.
        """
        if name == INHERIT:
            raise BadInput(
                f"{where} inherits its model, and nobody above it has one: name one, as model=... in Python, 'model:' "
                "in its file, or `podium run --model MODEL`"
            )
        if name not in self._models:
            config = self.config
            try:
                upstream = config.upstream(name)
            except BadInput as error:
                near = get_close_matches(name, given, n=1)
                meant = f" Did you mean '{near[0]}', which this program passed?" if near else ""
                raise BadInput(
                    f'{where}: {error}.{meant} Or rehearse the team: rehearsal="FILE.py:FUNCTION" in Python, '
                    "'rehearsal:' in its file, or `podium run --rehearse`, which makes replies up"
                ) from None
            provider = config.provider_of(name)
            client = self._clients.setdefault(upstream.provider, MessagesClient(upstream))
            self._models[name] = MessagesModel(
                client,
                config.name_of(name),
                max_tokens=self.facts(name).max_tokens or DEFAULT_OUTPUT_TOKENS,
                caching=provider.caching,
                extra=config.options_of(name),
            )
            self._limit(f"model:{name}", config.limits_of(name))
            self._limit(f"provider:{upstream.provider}", provider.limits)
        return self._models[name]

    def facts(self, name: str) -> ModelFacts:
        """What is known of the model. Its output is capped so that a small context has room for something else."""
        facts = self.config.facts_of(name)
        if facts.max_tokens is not None or facts.context_window is None:
            return facts
        most = min(DEFAULT_OUTPUT_TOKENS, facts.context_window // 4)
        return ModelFacts(price=facts.price, context_window=facts.context_window, max_tokens=most)

    def _limit(self, key: str, limits: "RequestLimits") -> None:
        if limits.calls is not None and key not in self.caps:
            self.caps[key] = limits.calls
            self._limiter.cap({key: limits.calls})
        if limits.requests_per_minute is not None or limits.tokens_per_minute is not None:
            self._limiter.rate(
                key,
                requests_per_minute=limits.requests_per_minute,
                tokens_per_minute=limits.tokens_per_minute,
            )

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            await client.close()
