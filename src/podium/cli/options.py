"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Option("--data", envvar="PODIUM_DATA", help="The data folder, which holds the log of every session.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
TEAM = "A team file, an agent file (NAME.md) or a folder of them, or the name of an agent."
TeamArgument = Annotated[Path, typer.Argument(metavar="TEAM", help=TEAM)]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The coordinator's model, instead of its own.")
]
