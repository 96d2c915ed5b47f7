"""HTML pages of the bundles: an index of the cases, and a page for each case.

A new bundle changes the page of its case and the index, written from verified statements.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TypeVar

from agent import files, release_text
from agent.consent import decoding
from agent.consent.cards import decode_base64url, format_fingerprint
from agent.consent.statements import Release, Statement
from agent.errors import Refused
from agent.requester.cases.records import Record

S = TypeVar("S", bound=Statement)

_HEAD = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; media-src 'self' file:">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
section {{ border-top: 1px solid #888; padding: 1rem 0 }} pre {{ white-space: pre-wrap }}
video {{ max-width: 100%; max-height: 20rem }} .warn {{ color: #a00 }}
</style>
"""


def day(seconds: float) -> str:
    """The day in UTC, as in folders' names."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def write(folder: Path, case: str, rows: Sequence[Record]) -> None:
    """Write the page of the ``case`` that has changed, and the index of all ``rows``."""
    accepted = [row for row in rows if row.verdict == "accepted"]
    mine = [row for row in accepted if row.case == case]
    if mine:
        _write(folder / case, mine[0].title, _bundles(folder, case, mine))
    _write(folder, "Received bundles", _index(accepted, [row for row in rows if row.rule]))


def _write(folder: Path, title: str, parts: Iterable[str]) -> None:
    shown = escape(title)
    text = "".join([_HEAD.format(title=shown), f"<h1>{shown}</h1>\n", *parts])
    files.replace(folder / "index.html", text.encode(), mode=files.PRIVATE_MODE)


def _index(accepted: Sequence[Record], rejected: Sequence[Record]) -> Iterator[str]:
    yield "<ul>\n"
    counts = Counter(row.case for row in accepted)
    newest = {row.case: row for row in accepted[::-1]}
    for case, count in counts.items():  # the newest first
        last = newest[case]
        bundles = "1 bundle" if count == 1 else f"{count} bundles"
        yield f'<li><a href="{escape(case)}/index.html">{escape(last.title)}</a>: {bundles},'
        yield f" the last of {day(last.at)}</li>\n"
    yield "</ul>\n"
    if rejected:
        yield "<h2>Rejected</h2>\n<ul>\n"
    for row in rejected:
        why = f"{row.rule}: {row.detail}"
        yield f"<li>{day(row.at)} {escape(row.place)}.age: {escape(why)}</li>\n"
    yield "</ul>\n" if rejected else ""


def _bundles(folder: Path, case: str, rows: Sequence[Record]) -> Iterator[str]:
    for row in rows:
        release = _payload(folder / row.place / "data/release.jws", Release)
        if release is None:
            continue  # somebody moved it
        keys = (
            "from a camera and an owner whose keys were seen before"
            if row.known_keys
            else '<span class="warn">keys not known to you on its arrival</span>'
        )
        place = escape(row.place.removeprefix(f"{case}/"))
        yield f'<section><p><a href="{place}/">{place}</a>, arrived {day(row.at)}, {keys}.<br>'
        yield f"Camera {escape(format_fingerprint(release.iss))}</p>\n"
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
