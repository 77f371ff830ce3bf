"""Draws the text of a terminal as an SVG: `podium show last | python tools/picture.py > docs/timeline.svg`."""

import sys
from html import escape
from itertools import groupby

COLOURS = {"█": "#f0883e", "▒": "#58a6ff", "─": "#484f58", "┊": "#f85149", "━": "#d29922"}
CHARACTER, LINE, MARGIN = 7.22, 18, 16  # pixels


def main() -> None:
    lines = sys.stdin.read().rstrip().splitlines()
    width = round(max(map(len, lines)) * CHARACTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">')
    print('<rect width="100%" height="100%" rx="8" fill="#0d1117"/>')
    print('<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12" fill="#c9d1d9">')
    for number, line in enumerate(lines):
        y, at = MARGIN + LINE * number + 12, 0
        for colour, group in groupby(line, key=lambda character: COLOURS.get(character, character == " ")):
            piece = "".join(group)
            # Each word at its own place, and with a length: columns stay in line whatever font the reader has.
            x, length = MARGIN + at * CHARACTER, len(piece) * CHARACTER
            fill = f' fill="{colour}"' if isinstance(colour, str) else ""
            if piece.strip():
                print(f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}"{fill}>{escape(piece)}</text>')
            at += len(piece)
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
