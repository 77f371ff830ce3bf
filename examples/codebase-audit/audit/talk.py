"""A conversation as a rehearsal reads it: which calls were made, what they gave, what is still to ask."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from podium import ModelRequest
from podium.core.content import TextBlock, ToolResultBlock, ToolUseBlock, plain

TRIES = 5


def line(text: str, most: int = 300) -> str:
    """The text as one line that can stand between backticks and in a table."""
    return re.sub(r"[\x00-\x20`|\x7f-\x9f]+", " ", text).strip()[:most]


@dataclass(frozen=True)
class Done:
    """A call that has its result."""

    name: str
    given: dict[str, Any]
    text: str
    is_error: bool

    @property
    def is_unknown(self) -> bool:
        """Whether the process died while it ran."""
        return self.is_error and "outcome is unknown" in self.text


class Talk:
    """The calls of this conversation with their results, in order."""

    def __init__(self, request: ModelRequest) -> None:
        asked: dict[str, ToolUseBlock] = {}
        self.done: list[Done] = []
        self.task = plain(tuple(block for block in request.messages[0].content if isinstance(block, TextBlock)))
        for message in request.messages:
            for block in message.content:
                if isinstance(block, ToolUseBlock):
                    asked[block.id] = block
                elif isinstance(block, ToolResultBlock):
                    call = asked[block.tool_use_id]
                    self.done.append(Done(call.name, call.input, plain(block.content), block.is_error))

    def all(self, name: str, **given: Any) -> list[Done]:
        """The calls of this tool whose input has these values."""
        return [done for done in self.done if done.name == name and given.items() <= done.given.items()]

    def last(self, name: str, **given: Any) -> Done | None:
        """The last of them."""
        return next(reversed(self.all(name, **given)), None)


@dataclass
class Report:
    """What was found, and what could not be."""

    figures: dict[str, int] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def found(self, title: str, evidence: list[str]) -> None:
        self.findings.append({"title": title, "evidence": [line(item) for item in evidence[:5]]})


@dataclass(frozen=True)
class Ask:
    """A call to make, and what its result adds to a report."""

    what: str
    tool: str
    given: dict[str, Any]
    read: Callable[[str, Report], None]

    def result(self, talk: Talk) -> Done | None:
        """Its result, once there is one. An unknown outcome is none: these calls only look, so they are made again."""
        tries = talk.all(self.tool, **self.given)
        return tries[-1] if tries and (not tries[-1].is_unknown or len(tries) >= TRIES) else None

    def text(self, talk: Talk) -> str:
        """What it gave back, "" if nothing yet or if it failed."""
        done = self.result(talk)
        return "" if done is None or done.is_error else done.text

    def add(self, talk: Talk, report: Report) -> None:
        """Put what it gave, or how it failed, into the report."""
        done = self.result(talk)
        if done is None or done.is_error:
            report.failed.append(f"{self.what}: {line(done.text[-300:] if done else 'not asked')}")
            return
        try:
            self.read(done.text, report)
        except ValueError as error:
            report.failed.append(f"{self.what}: {line(str(error))}")


def shown(text: str) -> str:
    """The file that the tool `read` shows with line numbers."""
    return "".join(row.partition("\t")[2] + "\n" for row in text.split("\n"))
