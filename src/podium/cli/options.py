"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Option("--data", envvar="PODIUM_DATA", help="The data folder, which holds the log of every session.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
TeamArgument = Annotated[Path, typer.Argument(metavar="TEAM.yaml", help="The team file.")]
