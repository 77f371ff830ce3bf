"""Fails if a built page loads anything from elsewhere: `offline.py FOLDER`. What a reader clicks on may lead there."""

import re
import sys
from pathlib import Path

# Scripts, images and frames have a `src`; a `link` with a `rel` of these is loaded, others only point somewhere.
LOADS = [
    re.compile(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"' >]+)", re.I),
    re.compile(r"<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon|modulepreload))"
               r"[^>]*\bhref=[\"']?((?:https?:)?//[^\"' >]+)", re.I),
    re.compile(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]+)", re.I),
]  # fmt: skip
# The theme's script fetches these itself, where a page has what they are for.
FETCHES = re.compile(r"class=\"[^\"]*\b(mermaid|glightbox|pyodide)\b")


def faults(folder: Path) -> list[str]:
    """What is loaded from elsewhere, one line for each."""
    found = []
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".html", ".css"):
            text = file.read_text()
            found += [f"{file}: loads {match}" for pattern in LOADS for match in pattern.findall(text)]
            if file.suffix == ".html":
                found += [f"{file}: what is shown as '{match}' is fetched" for match in FETCHES.findall(text)]
    return found


if __name__ == "__main__":
    pages = Path(sys.argv[1])
    if not any(pages.glob("*.html")):
        sys.exit(f"{pages} has no pages: build them first")
    sys.exit("\n".join(faults(pages)) or 0)
