"""Team files: a YAML file that defines agents, who coordinates them, and where and how far they work."""

from podium.team.load import Team, load_team, parse_mount
from podium.team.shape import json_schema

__all__ = ["Team", "json_schema", "load_team", "parse_mount"]
