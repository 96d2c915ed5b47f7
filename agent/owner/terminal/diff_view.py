"""An edited request: the first text and later ones side by side, with their differences marked.

Changes stand between ``»`` and ``«`` and are emphasised, so they show without colours
too. Fields that are the same in both are only named.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.owner.inbox.items import OpenRequest
from agent.owner.wording import text
from agent.owner.wording.difference import Run, differences

_MARK = "bold reverse"


def compared(item: OpenRequest) -> list[RenderableType]:
    """Each later text beside the first, field by field."""
    parts: list[RenderableType] = []
    for difference in differences(item):
        table = Table(
            title="The text was changed. What differs stands between » and «",
            title_justify="left",
            box=box.SQUARE,
            show_lines=True,
            expand=True,
        )
        table.add_column("", style="bold", no_wrap=True)
        for title in (
            f"First posted ({text.brief(difference.first_at)}): an approval answers this",
            f"Posted again ({text.brief(difference.again_at)}): refused by your camera",
        ):
            table.add_column(title, overflow="fold", ratio=1)
        for name, first, second in difference.rows:
            table.add_row(name, marked(first), marked(second))
        parts += [Text(), table, *([Text(difference.rest)] if difference.rest else [])]
    return parts


def marked(runs: Sequence[Run]) -> Text:
    """A text with marks around what differs; white space at its end stays outside."""
    shown = Text()
    for part, differs in runs:
        if not differs:
            shown.append(part)
            continue
        shown.append(f"»{part.rstrip()}«", style=_MARK)
        shown.append(part[len(part.rstrip()) :])
    return shown
