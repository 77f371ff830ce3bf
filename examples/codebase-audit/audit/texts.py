"""The files that are written: a specialist's findings, and the audit."""

import re
from typing import Any

from audit.shell import SKIPPED
from audit.talk import Report, line, shown

Found = dict[str, Any]  # a specialist's result, as its output_schema says
Check = dict[str, Any]  # a figure with both numbers: part, figure, found, counted

ROW = re.compile(r"^\| ([^|]+) \| (\d+) \|$", re.M)


def findings_file(part: str, report: Report) -> str:
    """What a specialist writes down."""
    rows = [f"| {name} | {number} |" for name, number in report.figures.items()]
    failed = [f"- FAILED: {why}" for why in report.failed]
    return "\n".join(
        [f"# {part}", "", "| figure | value |", "|---|---|", *rows, "", *_bullets(report.findings), *failed, ""]
    )


def table(text: str, report: Report) -> None:
    """Take the figures of a findings file, as the tool `read` shows it."""
    report.figures |= {name: int(number) for name, number in ROW.findall(shown(text))}


def audit(reports: dict[str, Found | None], checks: list[Check], failed: list[str]) -> str:
    """The audit, of what was reported and counted again."""
    text = ["# Audit of /source", "", _verdict(checks, failed), ""]
    text += [f"Not looked at: hidden files and folders, links, and {', '.join(SKIPPED)}.", ""]
    if failed:
        text += ["## What failed", "", *(f"- {line(why)}" for why in failed), ""]
    for part, report in reports.items():
        text += [f"## {part.capitalize()}", ""]
        if report is None:
            text += ["**This part failed.**", ""]
            continue
        text += [", ".join(f"{name}: **{number}**" for name, number in report["figures"].items()), ""]
        text += [*_bullets(report["findings"]), ""]
    text += ["## Verification", "", "| part | figure | specialist | verifier | |", "|---|---|---:|---:|---|"]
    for part, report in reports.items():
        reported = report["figures"] if report else {}
        own = {check["figure"]: check for check in checks if check["part"] == part}
        text += [_row(part, name, reported.get(name), own.get(name)) for name in dict.fromkeys([*reported, *own])]
    return "\n".join([*text, ""])


def disputed(checks: list[Check]) -> list[Check]:
    """The figures that came out differently."""
    return [check for check in checks if check["found"] != check["counted"]]


def _verdict(checks: list[Check], failed: list[str]) -> str:
    said = "**Incomplete:** see what failed." if failed else "Complete."
    if differing := disputed(checks):
        return f"{said} **{len(differing)} of {len(checks)} figures are disputed:** see the verification."
    return f"{said} {len(checks)} figures were counted twice, by different ways, with the same result."


def _row(part: str, name: str, reported: int | None, check: Check | None) -> str:
    """A figure with both numbers, and what is to be said of them."""
    if check is None:
        return f"| {part} | {name} | {reported} | - | not counted again |"
    notes = ["agreed" if check["found"] == check["counted"] else "**DISAGREEMENT**"]
    if reported != check["found"]:
        notes.append(f"was reported as {reported}: the findings file has changed since")
    return f"| {part} | {name} | {check['found']} | {check['counted']} | {'; '.join(notes)} |"


def _bullets(findings: list[Found]) -> list[str]:
    return [f"- {each['title']}: {', '.join(f'`{item}`' for item in each['evidence']) or '-'}" for each in findings]
