"""YAML text as JSON values, and the line on which each of them stands.

Stricter than YAML: a key stands once in its mapping, and dates are texts.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from podium.entry import Problem, Where
from podium.errors import BadInput

MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000  # with aliases written out: a few lines can stand for billions


class _Loader(yaml.SafeLoader):
    """YAML's own safe loader, without dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (declared so by the library)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Source:
    """YAML of a file, read: `text`, whose lines are the file's. An empty one has the value None.

    Errors: BadInput naming the file, the line and the remedy.
    """

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self._lines: dict[Where, int] = {}
        self._problems: list[Problem] = []
        self._sizes: dict[int, int] = {}
        self.value: Any = None
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is not None:
                self._walk(node, (), ())
                if self._problems:
                    self.refuse(self._problems)
                self.value = loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f" line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
            about = ", ".join(part for part in (error.context, error.problem) if part)
            raise BadInput(f"{file}{where}: this is not YAML: {about}") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise BadInput(f"{file} line {line}: a control character (#x{ord(text[error.position]):02x})") from None
        except (yaml.YAMLError, ValueError) as error:
            raise BadInput(f"{file}: this is not YAML: {error}") from None
        except RecursionError:
            raise BadInput(f"{file} is nested too deeply") from None

    def refuse(self, problems: Iterable[Problem]) -> NoReturn:
        """Tell all problems at once, in the order of the file."""
        found = sorted(problems, key=lambda problem: self._line(problem[0]))
        told = [f"line {self._line(place)}, {_dotted(place)}{said}" for place, said in found]
        if len(told) == 1:
            raise BadInput(f"{self.file} {told[0]}")
        raise BadInput(f"{self.file} has {len(told)} problems:\n" + "\n".join(f"  {line}" for line in told))

    def at(self, place: Where, said: str) -> str:
        """What is to be said of a value, behind the file and its line."""
        return f"{self.file} line {self._line(place)}, {_dotted(place)}{said}"

    def _line(self, place: Where) -> int:
        while place not in self._lines and place:
            place = place[:-1]
        return self._lines.get(place, 1)

    def _walk(self, node: Node, place: Where, above: tuple[Node, ...]) -> int:
        """Note the lines below a node, once for each node; how many values it stands for, aliases written out."""
        if any(node is other for other in above):
            self.refuse([(place, "an alias stands for something it is itself a part of")])
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        self._lines.setdefault(place, node.start_mark.line + 1)
        size = 1
        if isinstance(node, SequenceNode):
            for index, child in enumerate(node.value):
                size += self._walk(child, (*place, index), (*above, node))
        elif isinstance(node, MappingNode):
            size += sum(self._entry(key, value, place, (*above, node)) for key, value in node.value)
        if size > _MAX_VALUES:
            self.refuse([(place, f"stands for more than {_MAX_VALUES:,} values")])
        self._sizes[id(node)] = size
        return size

    def _entry(self, key: Node, value: Node, place: Where, above: tuple[Node, ...]) -> int:
        if not isinstance(key, ScalarNode):
            self.refuse([(place, "a key must be a text")])
        if key.tag == "tag:yaml.org,2002:merge":
            return self._walk(value, (*place, "<<"), above)
        here = (*place, key.value)
        if here in self._lines:
            self._problems.append((here, f"the key '{key.value}' stands here again on line {_at(key)}; keep one"))
            return 1
        size = self._walk(value, here, above)
        self._lines[here] = _at(key)
        if key.tag != "tag:yaml.org,2002:str":
            self._problems.append((here, f"the key {key.value} is no text to YAML; put it in quotes"))
        return size


def _at(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _dotted(place: Where) -> str:
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in place).lstrip(".")
    return f"{dotted}: " if dotted else ""


def _shown(key: str) -> str:
    return key if key.isprintable() else repr(key)


def read(file: Path, what: str, form: str) -> str:
    """The text of a file that people write. Shape: `what` it is, such as "a team file", and in which `form`.

    Errors: BadInput naming the file, and the remedy.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(f"there is no file {file}") from None
    except IsADirectoryError:
        raise BadInput(f"{file} is a folder; name {what} in it") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise BadInput(f"{file} is binary; {what} is {form}, in UTF-8")
    if len(data) > MAX_BYTES:
        raise BadInput(f"{file} is larger than {MAX_BYTES // 1_000_000} MB; {what} is not")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{file} is not UTF-8: byte 0x{data[error.start]:02x} on line {line}. Save it as UTF-8"
        ) from None
