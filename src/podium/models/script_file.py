"""A rehearsal's script in a file of its own: loading it, and knowing it again.

The script may import modules and packages that lie beside it. They are part of it: its hash covers their sources too,
found by reading the imports and not by running them.
"""

import hashlib
import inspect
import sys
from modulefinder import ModuleFinder
from pathlib import Path

from podium.errors import BadInput
from podium.models.rehearsal import Rehearsal
from podium.user_file import refused, run_file

WHAT = "rehearsal file"


def load(place: str, folder: Path) -> tuple[Rehearsal, str]:
    """The rehearsal at "file.py:function", relative to the folder, and what a session that uses it needs.

    Shape: the need is "rehearsal:FILE:FUNCTION@SHA256", with the file's absolute path and the hash of its sources. The
    file's own folder is put on the path, as Python does for a program.
    Errors: BadInput that names the file and what is wrong with it.
    """
    name, colon, function = place.rpartition(":")
    if not colon or not name or not function:
        raise BadInput(f"rehearsal '{place}' must be FILE.py:FUNCTION, or 'generated'")
    file = (folder / name).resolve()
    with refused(file, WHAT):
        digest, modules = _digest(file)
    for other in modules:  # another script's, of the same name, or an earlier state of this one's
        sys.modules.pop(other, None)
    module = run_file(file, WHAT)
    script = getattr(module, function, None)
    if not callable(script):
        there = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise BadInput(f"{WHAT} {file} has no function '{function}' (it has: {', '.join(there) or 'none'})")
    return Rehearsal(script), f"rehearsal:{file}:{function}@{digest}"


def _digest(file: Path) -> tuple[str, list[str]]:
    """SHA-256 over the script and what it imports from its own folder, and the names of those modules."""
    finder = ModuleFinder(path=[str(file.parent)])  # this path alone: libraries are not the script's
    finder.run_script(str(file))
    found = [getattr(module, "__file__", None) for module in finder.modules.values()]
    sources = {Path(source) for source in found if source}
    digest = hashlib.sha256()
    for source in sorted({file, *sources}):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(file.parent)} {len(content)}\n".encode() + content)
    return digest.hexdigest(), [name for name in finder.modules if name != "__main__"]
