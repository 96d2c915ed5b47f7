"""Page that goes beside a clip to a portal: what it is, and how to check that it is whole.

One HTML file that loads nothing, runs no script, and fits on a printed page. It is written for who
receives the clip. It tells nothing of the owner but the fingerprint of their key.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from string import Template

from agent import release_text
from agent.consent.cards import format_fingerprint
from agent.consent.statements import ClipOffer, NoteExport, ReleasedClip
from agent.media.editing.content import Prepared
from agent.owner.inbox.items import OpenRequest

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Video clip $name</title>
<style>
html { font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #111; background: #fff }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 1.6rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem }
dt { font-weight: bold } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line }
code, pre { font: 0.85rem/1.4 "DejaVu Sans Mono", Menlo, Consolas, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: 0.5rem } }
</style>
</head>
<body>
<h1>Video clip $name</h1>
<p>Its owner took it from their own camera and hands it on by this form. It has no sound.</p>
<dl>
$facts</dl>
<h2>What the file shows</h2>
<pre>$pictures</pre>
<h2>To check that the file is whole</h2>
<pre>sha256sum $file</pre>
<p>On Windows: <code>certutil -hashfile $file SHA256</code>. The answer must be the SHA-256 above.
The camera keeps it in a ledger that its owner can show, with the time at which the clip was taken
out.</p>
</body>
</html>
""")


def page(
    *,
    file: str,
    offer: ClipOffer,
    pictures: Prepared,
    note: NoteExport,
    camera: str,
    owner: str,
    request: OpenRequest | None,
    made_at: float,
) -> str:
    """The page for the file of this name; ``camera`` and ``owner`` are fingerprints."""
    facts = [
        ("File", file),
        ("Size", f"{note.bytes:,} bytes"),
        ("SHA-256", note.file_sha256),
        ("For", note.portal),
        *(_request(request) if request is not None else ()),
        ("Camera", f"key {format_fingerprint(camera)}"),
        ("Owner", f"key {format_fingerprint(owner)}"),
        ("Prepared", f"{datetime.fromtimestamp(made_at, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"),
    ]
    lines = release_text.clip_lines(_released(file, offer, pictures, note))
    return _PAGE.substitute(
        name=html.escape(offer.id),
        facts=_rows(facts),
        pictures=html.escape("\n".join(lines)),
        file=html.escape(file),
    )


def _rows(facts: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>\n" for name, value in facts
    )


def _request(item: OpenRequest) -> Sequence[tuple[str, str]]:
    asked = item.request
    return [
        ("Answers", f"{asked.title}\nreference {asked.reference}"),
        ("Digest of the request", item.digest),
    ]


def _released(file: str, offer: ClipOffer, pictures: Prepared, note: NoteExport) -> ReleasedClip:
    """The clip in the words of a release, which tells nothing of what was trimmed away."""
    clip = note.clip
    first, last = pictures.times_ms(offer.started_at * 1000 + offer.start_ms)
    return ReleasedClip(
        id=offer.id,
        file=file,
        sealed_sha256=offer.sha256,
        codec=pictures.codec,
        first_picture_ms=first,
        last_picture_ms=last,
        pictures=pictures.pictures,
        clock_synced=offer.clock_synced,
        truncated=offer.truncated and clip.trim is None,
        trim=clip.trim,
        redacted=clip.redact,
    )
