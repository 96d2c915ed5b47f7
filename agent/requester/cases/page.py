"""The page of all bundles by case, ``index.html``: made anew after each, from what was verified."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TypeVar

from agent import files, release_text
from agent.consent import decoding
from agent.consent.cards import decode_base64url, format_fingerprint
from agent.consent.statements import Release, Request, Statement
from agent.errors import Refused
from agent.requester.cases.records import Record

S = TypeVar("S", bound=Statement)

_HEAD = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Received bundles</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; media-src 'self' file:">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid #888; padding: 1rem 0 } pre { white-space: pre-wrap }
video { max-width: 100%; max-height: 20rem } .warn { color: #a00 }
</style>
<h1>Received bundles</h1>
"""


def day(seconds: float) -> str:
    """The day in UTC, as in folders' names."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def write(folder: Path, rows: Sequence[Record]) -> None:
    """Write the page of ``rows`` into ``folder``."""
    text = "".join([_HEAD, *_parts(folder, rows)])
    files.replace(folder / "index.html", text.encode(), mode=files.PRIVATE_MODE)


def _parts(folder: Path, rows: Sequence[Record]) -> Iterator[str]:
    accepted = [row for row in rows if row.verdict == "accepted"]
    cases = sorted({row.place.rpartition("/")[0].rpartition("/")[0] for row in accepted})
    for case in cases:
        mine = [row for row in accepted if row.place.startswith(f"{case}/")]
        yield f"<h2>{escape(_title(folder, mine[0]))}</h2>\n"
        for row in mine:
            yield from _bundle(folder, row)
    rejected = [row for row in rows if row.verdict == "rejected"]
    if rejected:
        yield "<h2>Rejected</h2>\n<ul>\n"
        for row in rejected:
            why = f"{row.rule}: {row.detail}"
            yield f"<li>{day(row.at)} {escape(row.place)}.age: {escape(why)}</li>\n"
        yield "</ul>\n"


def _title(folder: Path, row: Record) -> str:
    request = _payload(folder / row.place / "data/request.jws", Request)
    if request is None:
        return "Shared, without a request"
    return f"{request.reference}: {request.incident}, {request.title}"


def _bundle(folder: Path, row: Record) -> Iterator[str]:
    release = _payload(folder / row.place / "data/release.jws", Release)
    if release is None:
        return  # somebody moved it
    keys = (
        "from a camera and an owner whose keys were seen before"
        if row.known_keys
        else '<span class="warn">keys not known to you on its arrival</span>'
    )
    place, device = escape(row.place, quote=True), format_fingerprint(release.iss)
    yield f'<section><p><a href="{place}/">{place}</a>, arrived {day(row.at)}, {keys}.<br>'
    yield f"Camera {escape(device)}</p>\n"
    for clip in release.clips:
        yield f'<video controls preload="none" src="{place}/{escape(clip.file)}"></video>\n'
    yield f"<pre>{escape(chr(10).join(release_text.lines(release)))}</pre></section>\n"


def _payload(path: Path, kind: type[S]) -> S | None:
    """The statement in a file that was verified when it was filed."""
    try:
        payload = decode_base64url(path.read_text("ascii").split(".")[1])
        return decoding.decode(payload, kind, kind.MAX_BYTES)
    except (OSError, ValueError, IndexError, Refused):
        return None
