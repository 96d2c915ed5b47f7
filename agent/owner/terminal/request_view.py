"""One request, or one notice, as its owner reads it.

Warnings stand first, each in a box. :mod:`agent.owner.wording` has the sentences; :mod:`.layout`
says how texts of strangers are shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.owner.inbox.items import NoticeItem, OpenRequest, RequestPage
from agent.owner.terminal import agreement_view, diff_view
from agent.owner.terminal.layout import RED, clips
from agent.owner.wording import requests, text
from agent.owner.wording.requests import Box, Fact


def request(page: RequestPage, now: float) -> Group:
    """A request in full, its clips, and how to answer it."""
    item = page.item
    record = "\n".join(requests.record(item.report.record))
    parts: list[RenderableType] = [
        *(_panel(box, item) for box in requests.boxes(page)),
        Panel(_grid(requests.facts(item, now)), title=Text(item.request.title), title_align="left"),
        Panel(Text(item.request.text), title="What they write", title_align="left"),
        Panel(Text(record), title="Their record", title_align="left"),
        *diff_view.compared(item),
        Text(),
        *clips(item.report.clips, title="Matching clips", closed=item.closed_clips),
    ]
    if more := item.report.more_clips:
        parts.append(Text(f"{more} older clips match too; the message had no room for them."))
    parts += agreement_view.released(item, page.sent)
    if not item.closed:
        parts += [
            *agreement_view.agreement(item, page.me),
            Text(),
            agreement_view.how_to_answer(item),
        ]
    return Group(*parts)


def notice(told: NoticeItem) -> Group:
    """A notice in full."""
    one = told.notice
    facts = [
        ("What", requests.notice_kind(one)),
        ("From", one.who),
        ("When", text.moment(one.at)),
        *([("Until", text.moment(one.until))] if one.until is not None else []),
        ("Your camera", told.device),
        *([("Id", one.subject)] if one.subject else []),
    ]
    meaning = requests.notice_meaning(one)
    if one.kind == "edited":
        meaning += f" See both: clip-agent owner show {one.subject[:8]}"
    return Group(
        Panel(_grid(facts), title=Text(one.title), title_align="left"),
        *([Panel(Text(one.text), title="What it says", title_align="left")] if one.text else []),
        Text(meaning),
    )


def _panel(box: Box, item: OpenRequest) -> Panel:
    """A warning in a frame; its facts stand below its first paragraph."""
    first, *more = box.paragraphs
    said = Text(first)
    for number, (name, value) in enumerate(box.facts):
        said.append("\n\n" if number == 0 else "\n")
        lines = value.split("\n")
        said.append(f"  {name:10}", style="bold").append(f"\n{'':12}".join(lines))
    for paragraph in more:
        said.append(f"\n\n{paragraph}")
    if box.kind == requests.MUTED:
        said.append(f"\nTo get their requests again: clip-agent owner unmute {item.name}")
    style = RED if box.is_serious else "bold"
    return Panel(said, title=Text(box.title), title_align="left", border_style=style)


def _grid(facts: Sequence[Fact]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, Text(value))
    return table
