"""The built-in tools, by name. Importing them starts nothing and loads no sandbox."""

from podium.core.ports import Tool
from podium.tools.bash import Bash
from podium.tools.files import Edit, Read, Write
from podium.tools.search import Glob, Grep

BUILT_IN: dict[str, Tool] = {tool.name: tool for tool in (Bash(), Read(), Write(), Edit(), Glob(), Grep())}
