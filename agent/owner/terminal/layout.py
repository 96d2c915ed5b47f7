"""Pieces that the owner's pages share: labels, tables, lists of clips, progress, the console.

All that a requester wrote is shown as data: as :class:`rich.text.Text`, in which square
brackets are square brackets. Decoding refuses control and direction characters, and only
a request's ``text`` may break lines: each of its lines stands behind a bar, so none can
pass for a line of ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from agent.consent.statements import ClipOffer
from agent.owner.inbox.closed_clips import ClosedClips
from agent.owner.inbox.items import ListedClips
from agent.owner.wording import text

RED = "bold red"
_LEAST_WIDTH, _USUAL_WIDTH = 20, 80


def listing(listed: ListedClips) -> Group:
    """The clips of a camera, with the numbers that other commands take."""
    if not listed.listing.clips:
        return Group(Text(f"{listed.device}: no clips of that time"))
    title, closed = f"Clips of {listed.device}", listed.closed_clips
    parts: list[RenderableType] = [*clips(listed.listing.clips, title=title, closed=closed)]
    if more := listed.listing.more_clips:
        parts.append(Text(f"{more} older clips did not fit in here: ask for an earlier --to."))
    first = listed.listing.clips[0].id
    parts.append(Text(f"To see one: clip-agent owner preview {first}"))
    return Group(*parts)


def clips(
    offers: Sequence[ClipOffer], *, title: str, closed: ClosedClips
) -> Iterator[RenderableType]:
    """Clips with the numbers that an approval takes; remarks stand below the id."""
    table = new_table(title)
    table.add_column("No.", justify="right", no_wrap=True, min_width=3)  # numbers are typed
    table.add_column("Clip", no_wrap=True, min_width=22)  # and so are ids
    table.add_column("Starts")
    table.add_column("Length", justify="right", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    for number, offer in enumerate(offers, 1):
        notes = [*text.notes(offer), *(["closed to you"] if offer.id in closed.ids else [])]
        table.add_row(
            str(number),
            "\n".join([offer.id, *notes]),
            text.second(offer.started_at),
            text.length(offer.duration_seconds),
            text.size(offer.bytes),
        )
    yield table
    if any(offer.id in closed.ids for offer in offers):
        yield Text(f"Closed to you: {closed.why}.", style="bold")


def labelled(rows: Sequence[tuple[str, Text]], *, indent: int = 0) -> RenderableType:
    """Labels in one column, their values in another."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, value)
    return Padding(table, (0, 0, 0, indent))


@contextlib.contextmanager
def progress(what: str, total_bytes: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for bytes if there is a terminal; call its value with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    screen = console(error=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def seconds_progress(what: str, total_seconds: float) -> Iterator[Callable[[float], None]]:
    """The same for seconds of a clip, whose length may be unknown (0)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    screen = console(error=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=total_seconds or None)
        yield lambda done: bar.update(task, completed=done)


def console(*, error: bool = False) -> Console:
    """A console that prints texts as they are: no markup, no emoji names, no guessing."""
    screen = Console(stderr=error, markup=False, emoji=False, highlight=False)
    if screen.width < _LEAST_WIDTH:  # COLUMNS=0, or a page that nobody could read
        screen.width = _USUAL_WIDTH
    return screen


def new_table(title: str) -> Table:
    """An empty table below its title."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
