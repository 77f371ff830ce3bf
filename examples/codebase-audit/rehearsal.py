"""The audit without a model: decides what to call, and takes every figure from what the tools gave back.

`reply` is a pure function of the request, as a rehearsal must be: it reads the conversation so far, asks for what is
missing, and looks after what a crash left with an unknown outcome. It counts nothing itself.
"""

import asyncio
import hashlib
import json
import os
import re
from typing import Any

from audit.again import AGAIN, MAY_BE_ABSENT
from audit.measures import PARTS
from audit.shell import SCOPE, SCOPE_SH, measure
from audit.talk import TRIES, Ask, Report, Talk, line, shown
from audit.texts import Check, Found, audit, disputed, findings_file, table

from podium import ModelRequest, call, say
from podium.core.content import TextBlock, ToolUseBlock

Said = str | list[TextBlock | ToolUseBlock]

PACE = float(os.environ.get("PODIUM_REHEARSAL_PACE", "1"))  # 1: answers about as fast as a model does; 0: at once
AUDIT = "/workspace/audit.md"
GOALS = {
    "structure": "Measure how the code base is built: files, lines by language, the longest files.",
    "tests": "Measure how it is tested: test files, the lines in them, Python test functions.",
    "dependencies": "Measure what it depends on: imports by top-level module, manifests, declared dependencies.",
    "risks": "Find what is risky: open marks, bare excepts, eval and exec, shell=True, pickle, over-long files.",
}


async def reply(request: ModelRequest) -> Said:
    """What the agent says and calls next. It takes its time as a model does, the same for the same request."""
    key = f"{request.agent}/{len(request.messages)}".encode()
    await asyncio.sleep(PACE * (0.5 + hashlib.sha256(key).digest()[0] / 320))
    talk = Talk(request)
    if refused := talk.last("submit_result"):
        return f"My result was refused: {line(refused.text)}"
    match request.agent:
        case "lead":
            return lead(talk)
        case "verifier":
            return verifier(talk)
        case part:
            return specialist(talk, part)


# --- a specialist ----------------------------------------------------------------------------------


def specialist(talk: Talk, part: str) -> Said:
    """Ask stage by stage, write the findings down, report."""
    report = Report()
    for stage in PARTS[part](talk):
        if missing := [ask for ask in stage if ask.result(talk) is None]:
            return asking(talk, missing)
        for ask in stage:
            ask.add(talk, report)
    path = f"/workspace/findings/{part}.md"
    if said := keeping(talk, path, findings_file(part, report), report.failed):
        return said
    return [call("submit_result", file=path, figures=report.figures, findings=report.findings, failed=report.failed)]


def asking(talk: Talk, missing: list[Ask]) -> Said:
    calls = [call(ask.tool, **ask.given) for ask in missing]
    what = ", ".join(dict.fromkeys(ask.what for ask in missing))
    if any(talk.all(ask.tool, **ask.given) for ask in missing):
        return [say(f"I do not know how far this came: {what}. It only looks, so I make it again."), *calls]
    return [say(f"Next: {what}."), *calls]


def keeping(talk: Talk, path: str, content: str, failed: list[str]) -> Said | None:
    """Write the file until it is known to stand there. None when it does, or when it cannot be had: that has failed."""
    tries = talk.all("write", file_path=path)
    if not tries:
        return [say(f"I write {path}."), call("write", file_path=path, content=content)]
    last = next(done for done in reversed(talk.done) if done.given.get("file_path") == path)
    if not last.is_error and (last.name == "write" or shown(last.text) == content):
        return None
    if last.name == "write":
        return [say(f"I look at what stands in {path} now."), call("read", file_path=path)]
    if len(tries) < TRIES:
        return [say("It does not stand there yet."), call("write", file_path=path, content=content)]
    failed.append(f"{path} could not be written: {line(tries[-1].text)}")
    return None


# --- the verifier ----------------------------------------------------------------------------------


def verifier(talk: Talk) -> Said:
    """Read the findings files, count everything again, compare."""
    parts = re.findall(r"/workspace/findings/(\w+)\.md", talk.task)
    files = [Ask(part, "read", {"file_path": f"/workspace/findings/{part}.md"}, table) for part in parts]
    counts = [measure(f"{part}, counted again", *AGAIN[part]) for part in parts]
    for stage in (files, counts[:2], counts[2:]):
        if missing := [ask for ask in stage if ask.result(talk) is None]:
            return asking(talk, missing)
    checks: list[Check] = []
    failed: list[str] = []
    for part, file, count in zip(parts, files, counts, strict=True):
        found, counted = Report(), Report()
        file.add(talk, found)
        count.add(talk, counted)
        failed += [*found.failed, *counted.failed]
        for name, number in found.figures.items():
            absent = 0 if MAY_BE_ABSENT.fullmatch(name) and not counted.failed else None
            again = counted.figures.get(name, absent)
            if again is not None:
                checks.append({"part": part, "figure": name, "found": number, "counted": again})
    return [call("submit_result", checks=checks, failed=failed)]


# --- the lead --------------------------------------------------------------------------------------


def lead(talk: Talk) -> Said:
    """Fix the scope, set the specialists to work at once, have their figures verified, write the audit."""
    failed: list[str] = []
    if said := keeping(talk, SCOPE, SCOPE_SH, failed):
        return said
    if not any(talk.all(part) for part in GOALS):
        return [say("Four specialists, at the same time."), *(task(part, goal) for part, goal in GOALS.items())]
    reports = {part: outcome(talk, part, failed) for part in GOALS}
    files = [report["file"] for report in reports.values() if report]
    if files and talk.last("verifier") is None:
        order = f"Count every figure of these findings files again, by another way: {', '.join(files)}."
        return [say("Now somebody else counts."), call("verifier", task=order, context=f"Files come from {SCOPE}.")]
    checked = outcome(talk, "verifier", failed) if files else None
    for agent, report in (*reports.items(), ("verifier", checked)):
        failed += [f"{agent}: {why}" for why in (report or {}).get("failed", [])]
    checks: list[Check] = (checked or {}).get("checks", [])
    for part, report in reports.items():
        again = {check["figure"] for check in checks if check["part"] == part}
        if once := [name for name in (report["figures"] if report else ()) if name not in again]:
            failed.append(f"{part}, not counted again: {', '.join(once)}")
    if said := keeping(talk, AUDIT, audit(reports, checks, failed), failed):
        return said
    result = {"audit": AUDIT, "complete": not failed, "figures": len(checks), "disagreements": len(disputed(checks))}
    return [call("submit_result", **result, failed=failed)]


def task(part: str, goal: str) -> ToolUseBlock:
    return call(
        part,
        task=goal,
        context=f"The code base is at /source, read-only. Take its files from {SCOPE}, so that all count the same.",
        expected_output=f"Write your findings to /workspace/findings/{part}.md and report the figures in it.",
    )


def outcome(talk: Talk, agent: str, failed: list[str]) -> Found | None:
    """What the agent reported, or None and why not."""
    done = talk.last(agent)
    if done is None or done.is_error:
        failed.append(f"{agent}: {line(done.text) if done else 'was never called'}")
        return None
    report: dict[str, Any] = json.loads(done.text)
    return report
