"""podium.toml and the environment: where model calls go, what models cost, how much may be asked of them."""

from podium.config.load import Config, Provider, RequestLimits, load_config

__all__ = ["Config", "Provider", "RequestLimits", "load_config"]
