"""An edited request: the first text and later ones side by side, with their differences marked.

Changes stand between ``»`` and ``«`` and are emphasised, so they show without colours
too. Fields that are the same in both are only named.
"""

from __future__ import annotations

import difflib
import re

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agent.consent.statements import Request
from agent.owner import text
from agent.owner.inbox.items import OpenRequest

_MARK = "bold reverse"
_WORDS = re.compile(r"\w+\s*|[^\s\w]\s*|\s+")
_PROSE = ("Title", "Text")  # compared word by word, the rest as a whole
_MAX_PAIRS = 250_000  # of words; a text made to be slow to compare is marked as a whole


def compared(item: OpenRequest) -> list[RenderableType]:
    """Each later text beside the first, field by field."""
    parts: list[RenderableType] = []
    for other in item.reposts:
        table = Table(
            title="The text was changed. What differs stands between » and «",
            title_justify="left",
            box=box.SQUARE,
            show_lines=True,
            expand=True,
        )
        table.add_column("", style="bold", no_wrap=True)
        table.add_column(
            f"First posted ({text.brief(item.request.iat)}): an approval answers this",
            overflow="fold",
            ratio=1,
        )
        table.add_column(
            f"Posted again ({text.brief(other.received_at)}): refused by your camera",
            overflow="fold",
            ratio=1,
        )
        first, second = _fields(item.request), _fields(other.request)
        same = [name for name in first if first[name] == second[name]]
        for name in first:
            if name not in same:
                table.add_row(name, *marked(first[name], second[name], prose=name in _PROSE))
        parts += [Text(), table]
        if len(same) == len(first):
            parts.append(
                Text("They differ only in fields that are not shown, such as the time of signing.")
            )
        elif same:
            parts.append(Text(f"The same in both: {', '.join(same).lower()}."))
    return parts


def marked(first: str, second: str, *, prose: bool) -> tuple[Text, Text]:
    """Two different texts with marks; in ``prose`` only different words are marked."""
    left, right = _WORDS.findall(first), _WORDS.findall(second)
    if not prose or len(left) * len(right) > _MAX_PAIRS:
        left, right = [first], [second]
    shown = Text(), Text()
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for what, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        for part, found in (
            (shown[0], "".join(left[a_from:a_to])),
            (shown[1], "".join(right[b_from:b_to])),
        ):
            if what == "equal":
                part.append(found)
            elif found:
                part.append(f"»{found.rstrip()}«", style=_MARK)
                part.append(found[len(found.rstrip()) :])
    return shown


def _fields(request: Request) -> dict[str, str]:
    """The fields of a request that a person reads, by name."""
    order = request.order
    return {
        "Title": request.title,
        "Text": request.text,
        "Kind": request.kind,
        "Order": f"{order.court}, {order.docket}, {order.document_sha256}" if order else "none",
        "Reference": request.reference,
        "Incident": request.incident,
        "Contact": request.contact,
        "From": text.moment(request.window.start),
        "To": text.moment(request.window.end),
        "Area": _corners(request),
        "Goes to": request.upload.url,
        "Open until": text.moment(request.exp),
    }


def _corners(request: Request) -> str:
    """The area with all its corners: two areas may share centre and size."""
    corners = ", ".join(
        f"{latitude} {longitude}" for longitude, latitude in request.area.coordinates[0]
    )
    return f"{text.place(request.area)}: {corners}"
