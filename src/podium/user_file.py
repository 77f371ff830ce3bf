"""A Python file of the user's, run as Python runs a program."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from podium.errors import BadInput


def run_file(file: Path, what: str) -> ModuleType:
    """The module that the file makes; its own folder is put first on the path.

    Shape: `file` is absolute. `what` is what errors call it, such as "workflow file".
    Errors: BadInput that names the file and what is wrong with it.
    """
    with refused(file, what):
        source = file.read_bytes()
        folder = str(file.parent)
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
        digest = hashlib.sha256(str(file).encode() + b"\n" + source).hexdigest()
        module = ModuleType(f"podium_{file.stem}_{digest[:12]}")
        module.__file__ = str(file)
        sys.modules[module.__name__] = module  # where dataclasses, annotations and pickle look for it
        exec(compile(source, str(file), "exec"), module.__dict__)
    return module


@contextmanager
def refused(file: Path, what: str) -> Iterator[None]:
    """Whatever is raised inside is wrong with the file. Errors: BadInput."""
    try:
        yield
    except SystemExit as error:
        raise BadInput(
            f"{what} {file} ends the program that reads it, by sys.exit({error.code!r}): put what it does as a "
            'program under `if __name__ == "__main__":`'
        ) from error
    except Exception as error:  # the edge: the user's file may hold and raise anything
        if isinstance(error, OSError) and error.filename == str(file):
            raise BadInput(f"{what} {file} cannot be read: {error.strerror}") from None
        raise BadInput(f"{what} {file} cannot be run: {type(error).__name__}: {error}") from error
