"""Team files: a YAML file that defines agents, who coordinates them, and where and how far they work.

Agent files, as Claude Code has them, define single agents.
"""

from podium.team.lint import RULES, Finding, lint
from podium.team.load import Team, load_agent, load_agents, load_team
from podium.team.mounts import parse_mount
from podium.team.plan_file import load_plan, plan_text
from podium.team.shape import json_schema

__all__ = [
    "RULES",
    "Finding",
    "Team",
    "json_schema",
    "lint",
    "load_agent",
    "load_agents",
    "load_plan",
    "load_team",
    "parse_mount",
    "plan_text",
]
