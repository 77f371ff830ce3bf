"""What a flow has the model say: a script, sent as the text of a message, that the model behind the server obeys.

    script([call("bash", command="echo hi")], "done")       # its first reply calls bash, its second says "done"

Shape: a reply is a list of blocks of the Messages API, a text, or one of the acts below. A child is given a script of
its own as its task. The newest script in a thread's messages is the one that holds.
"""

import json
import uuid
from typing import Any

Block = dict[str, Any]
MARK = '{"replies":'


def script(*replies: "str | Block | list[Block]") -> str:
    """The text that makes the model reply so, one after the other; after the last it says "over"."""
    listed = [say(one) if isinstance(one, str) else one for one in replies]
    return json.dumps({"replies": [one if isinstance(one, list) else [one] for one in listed], "id": uuid.uuid4().hex})


def say(text: str) -> Block:
    return {"type": "text", "text": text}


def think(thought: str) -> Block:
    return {"type": "thinking", "thinking": thought, "signature": "c2lnbmVk"}


def call(name: str, /, **given: Any) -> Block:
    return {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}", "name": name, "input": given}


def used(**usage: int) -> Block:
    """Beside a reply's blocks: the tokens that it claims, such as `input_tokens`."""
    return {"type": "used", "usage": usage}


WAIT: Block = {"type": "wait"}  # says a first word, and never the rest
REFUSE: Block = {"type": "refuse"}  # stops with a refusal


# The first time says nothing for ever; asked again, the model goes on with the next reply.
STALL: Block = {"type": "fail", "status": 0, "error": "", "times": 1}


def fail(status: int, error: str, *, times: int) -> Block:
    """Fails so many times, at once ready for more, before the model goes on with the next reply."""
    return {"type": "fail", "status": status, "error": error, "times": times}
