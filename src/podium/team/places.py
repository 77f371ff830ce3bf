"""Where agents are found that a team only names: the project's files, the user's, the ready-made ones."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from podium.agents import READY_MADE
from podium.errors import BadInput
from podium.team.agent_file import SUFFIX, Found, load_file, name_in, ready_made

AGENTS = Path(".claude", "agents")


class Folder:
    """A folder of agent files, if it is deep those in folders below it too, linked ones as well.

    Files without a name are there to be read by people.
    """

    def __init__(self, path: Path, *, is_deep: bool = True) -> None:
        self.path = path
        self._is_deep = is_deep

    @cached_property
    def _files(self) -> tuple[dict[str, list[Path]], list[BadInput]]:
        """The files by the names of their agents, and what is wrong with those whose names cannot be read."""
        named: dict[str, list[Path]] = {}
        broken: list[BadInput] = []
        for file in sorted(_below(self.path) if self._is_deep else self.path.glob(f"*{SUFFIX}")):
            try:
                name = name_in(file) if file.is_file() else None
            except BadInput as error:
                broken.append(error)
                continue
            if name is not None:
                named.setdefault(name, []).append(file)
        return named, broken

    @property
    def names(self) -> Sequence[str]:
        """The names of its agents, those that can be read."""
        return list(self._files[0])

    @property
    def broken(self) -> Sequence[BadInput]:
        """What is wrong with files that might be agents'."""
        return self._files[1]

    def load(self, name: str) -> Found:
        """The agent of this name, which must be one of the `names`.

        Errors: BadInput for what is wrong with its file, or if there are two.
        """
        first, *others = self._files[0][name]
        if others:
            raise BadInput(f"{first} and {others[0]} both define the agent '{name}'; rename one of them")
        return load_file(first)

    def every(self) -> list[Found]:
        """All its agents, by name. Errors: BadInput that tells what is wrong with any of its files."""
        found: list[Found] = []
        problems = list(self.broken)
        for name in sorted(self.names):
            try:
                found.append(self.load(name))
            except BadInput as error:
                problems.append(error)
        if problems:
            raise BadInput("\n".join(str(error) for error in problems))
        return found


class Places:
    """Folders in which agents are looked for, the nearest first, and the ready-made agents behind them.

    Shape: before all others comes the folder `beside` a file, without those below it: it may be somebody's home.
    """

    def __init__(self, folders: Sequence[Path], *, beside: Path | None = None) -> None:
        own = [] if beside is None else [Folder(_short(beside), is_deep=False)]
        self.folders = [*own, *(Folder(_short(folder)) for folder in dict.fromkeys(folders))]

    @property
    def names(self) -> list[str]:
        """All that can be found."""
        return list(dict.fromkeys([*(name for folder in self.folders for name in folder.names), *READY_MADE]))

    @property
    def broken(self) -> list[BadInput]:
        """What is wrong with files that might be agents'."""
        return [error for folder in self.folders for error in folder.broken]

    def find(self, name: str) -> Found | None:
        """The agent of this name; a ready-made one is also known as Claude Code spells it, and so is its file.

        Errors: BadInput for what is wrong with its file.
        """
        usual = name.lower() if name.lower() in READY_MADE else None
        for folder in self.folders:
            spelt = [known for known in folder.names if known == name or (usual and known.lower() == usual)]
            if spelt:
                return folder.load(name if name in spelt else spelt[0])
        return None if usual is None else ready_made(READY_MADE[usual]())

    def every(self) -> Iterator[Found]:
        """All agents that can be found, but those that a nearer one of the same name hides; the ready-made ones last.

        Errors: BadInput that tells what is wrong with any of the files.
        """
        seen: set[str] = set()
        for found in (each for folder in self.folders for each in folder.every()):
            if found.name not in seen:
                seen.add(found.name)
                yield found
        spelt = {name.lower() for name in seen}
        yield from (ready_made(make()) for name, make in READY_MADE.items() if name not in spelt)


def places_from(start: Path) -> Places:
    """Where a project's agents are looked for that is worked on in this folder.

    Shape: .claude/agents of the folder and of those above it, up to the root of the repository, or, where there is
    none, to the user's home; outside of both of the folder alone. Then the user's own. $CLAUDE_CONFIG_DIR is ~/.claude.
    """
    return Places([*_projects(start), *_users()])


def places_around(file: Path) -> Places:
    """Where agents are looked for that an agent file names: beside it, in its project, and the user's."""
    above = [*file.absolute().parents, *file.resolve().parents]  # the folder of agents itself may be linked
    ours = next((folder for folder in above if folder.parts[-2:] == AGENTS.parts), None)
    others = [*_projects(file.parent), *_users()]
    return Places(others, beside=file.resolve().parent) if ours is None else Places([ours, *others])


def _projects(start: Path) -> Iterator[Path]:
    home = Path(os.path.expanduser("~")).resolve()
    up = [start.resolve(), *start.resolve().parents]
    reach = up[:1] if home not in up else up[: up.index(home)]
    for number, folder in enumerate(up):
        if (folder / ".git").exists():
            reach = up[: number + 1]
            break
    yield from (folder / AGENTS for folder in reach if (folder / AGENTS).is_dir())


def _users() -> Iterator[Path]:
    folder = Path(os.path.expanduser(os.environ.get("CLAUDE_CONFIG_DIR") or "~/.claude"), "agents")
    if folder.is_dir():
        yield folder.resolve()


def _below(folder: Path) -> Iterator[Path]:
    """The files that may be agents', each once, however often it is linked."""
    seen: set[Path] = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        if (real := Path(at).resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for file in (Path(at, name) for name in sorted(files) if name.endswith(SUFFIX)):
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield file


def _short(folder: Path) -> Path:
    """The folder as seen from the current one, if it lies in it."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
