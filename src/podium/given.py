"""What a program passes may be anything: it is checked here, before anything is started."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from podium.core.content import Content, ContentBlock, TextBlock, text
from podium.core.definitions import Agent, Concurrency, SessionLimits
from podium.core.facts import SessionSettings
from podium.core.opening import settings_of
from podium.core.ports import Mount
from podium.errors import BadInput
from podium.workflows.workflow import Workflow


def checked_content(value: Any, what: str) -> Content:
    """The text or blocks as content. `what` names it in errors.

    Errors: BadInput if it is empty, or no such thing.
    """
    content = text(value) if isinstance(value, str) else value
    if not isinstance(content, list | tuple) or not all(isinstance(block, ContentBlock) for block in content):
        raise BadInput(f"the {what} must be a text, or a list of text, image and document blocks, not {value!r:.80}")
    texts = [block.text for block in content if isinstance(block, TextBlock)]
    if not any(said.strip() for said in texts) and len(texts) == len(content):
        raise BadInput(f"the {what} is empty; say what the team is to do")
    if any(not said.isprintable() and said.encode("utf-8", "replace").decode() != said for said in texts):
        raise BadInput(f"the {what} holds bytes that are not UTF-8")
    return tuple(content)


def check_kinds(agent: Any, mounts: Any, limits: Any, concurrency: Any) -> None:
    """Refuse what is none of these. Errors: BadInput."""
    if not isinstance(agent, Agent | Workflow):
        raise BadInput(f"the first argument is an Agent(...) or a workflow, not {agent!r:.80}")
    if not isinstance(mounts, list | tuple) or not all(isinstance(mount, Mount) for mount in mounts):
        raise BadInput(f"mounts is a list of Mount(path, at='/source'), not {mounts!r:.80}")
    if not isinstance(limits, SessionLimits):
        raise BadInput(f"limits of a session are SessionLimits(turns=..., seconds=..., tokens=...), not {limits!r:.80}")
    if not isinstance(concurrency, Concurrency):
        raise BadInput(f"concurrency is Concurrency(session=..., models=...), not {concurrency!r:.80}")


def checked_settings(
    workdir: Path | str | None, mounts: Sequence[Mount], limits: SessionLimits, concurrency: Concurrency
) -> SessionSettings:
    """What a session is started with, its folders looked at. Errors: BadInput."""
    return settings_of(
        limits,
        concurrency,
        workdir="" if workdir is None else str(existing_folder(Path(workdir), "workdir")),
        mounts=tuple(
            {
                "path": str(existing_folder(mount.path, f"mount at {mount.at}")),
                "at": mount.at,
                "read_only": mount.read_only,
            }
            for mount in mounts
        ),
    )


def existing_folder(path: Path, what: str) -> Path:
    """The folder, absolute and without symlinks.

    Errors: BadInput naming it, and the remedy, if it is none or cannot be read.
    """
    if os.fsencode(path).decode(errors="replace") != str(path):
        raise BadInput(f"{what}: the path {str(path)!a} is not UTF-8; rename the folder")
    try:
        folder = path.expanduser().resolve(strict=True)
        next(folder.iterdir(), None)
    except FileNotFoundError:
        raise BadInput(f"{what}: {path} does not exist; create it first") from None
    except NotADirectoryError:
        raise BadInput(f"{what}: {path} is a file, not a folder") from None
    except OSError as error:
        raise BadInput(f"{what}: {path} cannot be read: {error.strerror}. Check its owner and permissions") from None
    return folder
