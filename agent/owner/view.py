"""What the owner gets to see, as text for people and as plain data for programs.

All that a requester wrote is shown as data: as :class:`rich.text.Text`, in which
square brackets are square brackets. Control and direction characters never got
through decoding, and only a request's ``text`` may break lines: each of its lines
stands behind a bar, so that none can pass for a line of ours.

Times are local, with the zone's name. Nothing here reads files or decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from agent.consent import area
from agent.consent.statements import ApprovedClip, ClipOffer, Disclosure, Polygon
from agent.errors import RequestRefused
from agent.owner.inbox import OpenRequest, ReleaseWord

_DAY_SECONDS = 86_400


def moment(seconds: float) -> str:
    """A time in this computer's zone, to the minute: ``Wed 24 Jan 2024, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def brief(seconds: float) -> str:
    """A time near now in this computer's zone, for tables: ``24 Jan, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M %Z")


def exact(seconds: float) -> str:
    """A time in this computer's zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b, %H:%M:%S %Z")


def size(count: int) -> str:
    """Bytes for people, in powers of ten."""
    if count < 1_000_000:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def remaining(seconds: float) -> str:
    """How long something is still open."""
    if seconds <= 0:
        return "expired"
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} days left"
    if seconds >= 7_200:
        return f"{seconds / 3_600:.0f} hours left"
    return f"{seconds / 60:.0f} minutes left"


def kind_of(item: OpenRequest) -> str:
    """What sort of request it is, in plain words."""
    order = item.request.order
    if order is None:
        return "voluntary request: nothing obliges you to answer"
    return f"LEGAL ORDER, the requester says: {order.court}, docket {order.docket}"


# The inbox


def inbox(requests: Sequence[OpenRequest], releases: Sequence[ReleaseWord], now: float) -> Group:
    """All open requests and the state of all releases."""
    parts: list[RenderableType] = [_requests_table(requests, now)]
    if not requests:
        parts = [Text("No open requests.")]
    if releases:
        parts += [Text(), _releases_table(releases)]
    return Group(*parts)


def _requests_table(requests: Iterable[OpenRequest], now: float) -> Table:
    table = Table(title="Open requests", title_justify="left", box=box.SIMPLE_HEAD)
    for heading, least in (("Request", 8), ("Camera", 6), ("Who asks", 11), ("For what", 8)):
        table.add_column(heading, overflow="fold", min_width=least)
    for heading in ("Why", "Until"):
        table.add_column(heading, overflow="fold")
    table.add_column("Clips", justify="right", min_width=5)
    for item in requests:
        request = item.request
        why = Text(request.incident)
        if request.order is not None:
            why.append("\nlegal order", style="bold red")
        if item.changed:
            why.append("\nsent twice, with different texts", style="bold red")
        table.add_row(
            Text(item.digest[:8], style="bold"),
            Text(item.device),
            Text(item.report.record.name),
            Text(request.title),
            why,
            Text(f"{brief(request.exp)}\n{remaining(request.exp - now)}"),
            Text(str(len(item.report.clips) + item.report.more_clips)),
        )
    return table


def _releases_table(releases: Iterable[ReleaseWord]) -> Table:
    table = Table(title="Releases", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("Release", "Camera", "Request", "State", "Since", "Detail"):
        table.add_column(heading, overflow="fold")
    for word in releases:
        outcome = word.outcome
        table.add_row(
            Text(outcome.subject),
            Text(word.device),
            Text((outcome.request or "")[:8]),
            Text(outcome.event, style="bold"),
            Text(brief(outcome.iat)),
            Text(outcome.detail),
        )
    return table


# One request


def request(item: OpenRequest, now: float) -> Group:
    """A request in full, its clips, and how to answer it."""
    return Group(
        Panel(_facts(item, now), title=Text(item.request.title), title_align="left"),
        Panel(Text(item.request.text), title="What they write", title_align="left"),
        clips(item.report.clips),
        *_more_clips(item),
        Text(),
        _how_to_answer(item),
    )


def _facts(item: OpenRequest, now: float) -> Table:
    request, record = item.request, item.report.record
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    facts = [
        ("Kind", kind_of(item)),
        ("Who asks", record.name),
        ("Their key", request.iss),
        ("Seen before", _record(item)),
        ("Reference", request.reference),
        ("Incident", request.incident),
        ("Contact", request.contact),
        ("They ask about", f"{moment(request.window.start)}\nto {moment(request.window.end)}"),
        ("Area", _area(request.area)),
        ("Goes to", request.upload.url),
        ("Open until", f"{moment(request.exp)} ({remaining(request.exp - now)})"),
        ("Your camera", item.device),
        ("Digest", item.digest),
    ]
    if request.order is not None:
        facts.insert(1, ("Order's digest", request.order.document_sha256))
    if item.changed:
        facts.insert(0, ("Careful", "the same requester sent two texts under one id"))
    for label, value in facts:
        table.add_row(label, Text(value))
    return table


def _record(item: OpenRequest) -> str:
    record = item.report.record
    return (
        f"{record.requests} requests since {moment(record.first_seen)}; "
        f"{record.refused} refused by your camera, {record.withdrawn} withdrawn"
    )


def _area(polygon: Polygon) -> str:
    ring = polygon.coordinates[0]
    longitudes, latitudes = [p[0] for p in ring], [p[1] for p in ring]
    latitude = (min(latitudes) + max(latitudes)) / 2
    longitude = (min(longitudes) + max(longitudes)) / 2
    try:
        area.check(polygon)
        measure = f"{area.square_miles(polygon):.3f} square miles"
    except RequestRefused as error:
        measure = f"of no size ({error.message})"
    return f"{measure} around {latitude:.4f}, {longitude:.4f}"


def clips(offers: Sequence[ClipOffer]) -> Table:
    """Clips, numbered as an approval may name them."""
    table = Table(title="Matching clips", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("No.", justify="right")
    table.add_column("Clip", no_wrap=True, min_width=22)  # ids are typed again
    table.add_column("Starts")
    table.add_column("Length", justify="right", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Note")
    for number, offer in enumerate(offers, 1):
        notes = [
            *(["end is missing"] if offer.truncated else []),
            *(["time not certain"] if not offer.clock_synced else []),
        ]
        table.add_row(
            str(number),
            offer.id,
            exact(offer.started_at),
            f"{offer.duration_seconds:.0f} s",
            size(offer.bytes),
            ", ".join(notes),
        )
    return table


def _more_clips(item: OpenRequest) -> list[Text]:
    more = item.report.more_clips
    return [Text(f"{more} older clips match too; the letter had no room for them.")] if more else []


def _how_to_answer(item: OpenRequest) -> Text:
    name = item.digest[:8]
    return Text(
        "To see a clip:                  "
        f"clip-agent owner preview 1 --request {name}\n"
        "To let clip 1 go, and no other: "
        f"clip-agent owner approve {name} 1\n"
        "To decline:                     "
        f"clip-agent owner decline {name}\n"
        "Doing nothing is an answer too: nobody learns that you were asked."
    )


# Before a decision


def approval(
    item: OpenRequest, chosen: Sequence[ApprovedClip], disclose: Disclosure, until: float
) -> Group:
    """Exactly what leaves, and to whom."""
    lines = [
        f"To:        {item.report.record.name}",
        f"           by upload to {item.request.upload.url}",
        f"Request:   {item.request.title} ({item.digest[:16]})",
        f"Camera:    {item.device}",
    ]
    for clip in chosen:
        offer = item.clip(clip.id)
        lines.append(
            f"Leaves:    {clip.id}, {exact(offer.started_at)}, "
            f"{offer.duration_seconds:.0f} s, without sound"
        )
        if clip.cut is not None:
            lines.append(
                f"           only {clip.cut.from_seconds:g} s to {clip.cut.to_seconds:g} s"
            )
        lines += [f"           blurred: {_box(b.x, b.y, b.width, b.height)}" for b in clip.blur]
    told = msgspec.to_builtins(disclose)
    told_text = ", ".join(f"{key} {value}" for key, value in told.items() if value)
    lines.append(f"Of you:    {told_text or 'nothing: no name, no address, no e-mail'}")
    lines.append(f"Until:     {moment(until)}, then the camera stops trying")
    return Group(Text("\n".join(lines)), Text("What was sent cannot be called back.", style="bold"))


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"{width:.0%} x {height:.0%} of the picture, from {x:.0%}, {y:.0%}"


# For programs


def request_data(item: OpenRequest) -> dict[str, Any]:
    """A request as plain data for ``--json``."""
    report = item.report
    offers = [msgspec.to_builtins(offer) for offer in report.clips]
    for offer in offers:
        del offer["sealed_key"]
    return {
        "digest": item.digest,
        "device": item.device,
        "requester": report.record.name,
        "record": msgspec.to_builtins(report.record),
        "changed": item.changed,
        "request": msgspec.to_builtins(item.request),
        "clips": offers,
        "more_clips": report.more_clips,
    }


def release_data(word: ReleaseWord) -> dict[str, Any]:
    """The state of a release as plain data for ``--json``."""
    outcome = word.outcome
    return {
        "release": outcome.subject,
        "device": word.device,
        "request": outcome.request,
        "event": outcome.event,
        "detail": outcome.detail,
        "at": outcome.iat,
    }


@contextlib.contextmanager
def progress(what: str, total_bytes: int) -> Iterator[Callable[[int, int], None]]:
    """A bar for bytes, when a terminal is there; call what it gives with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    screen = console(error=True)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def console(*, error: bool = False) -> Console:
    """A console that takes texts as they are: no markup, no emoji names, no guessing."""
    return Console(stderr=error, markup=False, emoji=False, highlight=False)
