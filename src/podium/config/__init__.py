"""podium.toml and the environment: where model calls go, what models cost, how much may be asked of them."""

from podium.config.load import CallLimits, Config, Provider, load_config

__all__ = ["CallLimits", "Config", "Provider", "load_config"]
