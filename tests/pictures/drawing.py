"""A screen's text as an SVG: drawn by rich, without remote fonts, so that viewers fetch nothing."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.text import Text

from tests.pictures import COLUMNS

_SVG = "{http://www.w3.org/2000/svg}"
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">
<!-- Taken from a real terminal by scripts/pictures. -->
<style>
.{unique_id}-matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(name: str, screen: str) -> str:
    """Return a picture of a screen.

    Args:
        name: a prefix that separates its styles from those of other pictures on a page.
        screen: lines with colours as SGR sequences.
    """
    # Independent of the current terminal, with the screen's own width.
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(Text.from_ansi(screen), soft_wrap=True)
    drawn = console.export_svg(title="", code_format=_FORMAT, unique_id=f"buildr-{name}")
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE)


def read(picture: str) -> list[str]:
    """Return the lines that a picture shows.

    Raises:
        xml.etree.ElementTree.ParseError: it is not XML.
    """
    root = ET.fromstring(picture)  # noqa: S314 - our own
    lines: dict[float, str] = {}
    for element in root.iter(f"{_SVG}text"):
        height = float(element.get("y", ""))
        lines[height] = lines.get(height, "") + "".join(element.itertext())
    return [line.replace("\xa0", " ").rstrip() for _, line in sorted(lines.items())]
