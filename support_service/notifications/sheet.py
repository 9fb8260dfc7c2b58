"""A letter as a sheet of paper: a PDF of one page or more with the publisher's legal data, for files and tax offices.

The font is ours, and so is the same everywhere: DejaVu Sans, as far as Latin, Greek and Cyrillic need it
(fonts/LICENSE.txt allows that). What is drawn depends on the letter alone: each try of one sends the same bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

FONT = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
MARGIN_MM, TITLE_POINTS, TEXT_POINTS, SMALL_POINTS, LINE_MM = 20, 17, 11, 9, 6
PADDING_MM = 1
NAMES_SHARE, VALUES_SHARE = 2, 3


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on it, from the top: a title, words, facts by name, and the publisher in small."""

    lang: str
    title: str
    words: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    small: tuple[str, ...]
    at: datetime

    def draw(self) -> bytes:
        """Draw it."""
        # Late: only who sends letters draws, and what draws takes long to load.
        paper: Any = import_module("fpdf").FPDF(format="A4")
        paper.set_lang(self.lang)
        paper.set_title(self.title)
        paper.set_creation_date(self.at)
        paper.set_margin(MARGIN_MM)
        paper.add_font("text", fname=FONT)
        paper.add_page()
        self._write(paper, TITLE_POINTS, (self.title,))
        self._write(paper, TEXT_POINTS, self.words)
        paper.set_font("text", size=TEXT_POINTS)
        columns = (NAMES_SHARE, VALUES_SHARE)
        shape = {"borders_layout": "HORIZONTAL_LINES", "first_row_as_headings": False, "text_align": "LEFT"}
        with paper.table(self.facts, col_widths=columns, line_height=LINE_MM, padding=PADDING_MM, **shape):
            pass
        paper.ln(LINE_MM)
        self._write(paper, SMALL_POINTS, self.small)
        return bytes(paper.output())

    def _write(self, paper: Any, points: int, lines: tuple[str, ...]) -> None:
        paper.set_font("text", size=points)
        for line in lines:
            paper.multi_cell(0, LINE_MM * points / TEXT_POINTS, line, align="L", new_x="LMARGIN", new_y="NEXT")
        paper.ln(LINE_MM / 2)
