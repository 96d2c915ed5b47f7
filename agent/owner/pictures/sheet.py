"""Contact sheet: one HTML file with the thumbnails of clips, to look at in any browser.

The pictures stand in the page itself. It loads nothing, and runs no script. It is a plain copy of
the thumbnails, like a clip that was saved.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Template

from agent.consent.statements import ClipOffer
from agent.owner.pictures.thumbnails import Pictures
from agent.owner.wording import text

_HEAD = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { color-scheme: light dark }
html { font: 15px/1.4 system-ui, "DejaVu Sans", sans-serif }
body { margin: 1rem }
h1, h2 { font-size: 1.3rem }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem;
 list-style: none; padding: 0 }
li { overflow-wrap: anywhere; break-inside: avoid }
img, .none { display: block; width: 100%; aspect-ratio: 16 / 9; object-fit: contain }
img { background: #000 }
.none { display: grid; place-items: center; border: 1px dashed; box-sizing: border-box }
</style>
</head>
<body>
<h1>$title</h1>
""")
_CLIP = Template("""\
<li>$picture<strong>$number</strong> $start, $length<br><code>$id</code>$notes</li>
""")
_IMAGE = Template('<img src="data:image/jpeg;base64,$data" alt="Clip $number, $start">')
_NONE = '<span class="none">no picture</span>'


@dataclass(frozen=True)
class Group:
    """Clips under one heading, numbered from 1 as commands take them, and their thumbnails."""

    heading: str
    offers: Sequence[ClipOffer]
    pictures: Pictures


def page(title: str, groups: Sequence[Group]) -> Iterator[str]:
    """The sheet in pieces, in order."""
    yield _HEAD.substitute(title=html.escape(title))
    for group in groups:
        yield f"<h2>{html.escape(group.heading)}</h2>\n<ul>\n"
        for number, offer in enumerate(group.offers, 1):
            yield _clip(number, offer, group.pictures.get(offer.id))
        yield "</ul>\n"
    yield "</body>\n</html>\n"


def _clip(number: int, offer: ClipOffer, jpeg: bytes | None) -> str:
    start = html.escape(text.second(offer.started_at))
    picture = _NONE
    if jpeg is not None:
        data = base64.b64encode(jpeg).decode("ascii")
        picture = _IMAGE.substitute(data=data, number=number, start=start)
    notes = "".join(f"<br>{html.escape(note)}" for note in text.notes(offer))
    return _CLIP.substitute(
        picture=picture,
        number=number,
        start=start,
        length=html.escape(text.length(offer.duration_seconds)),
        id=html.escape(offer.id),
        notes=notes,
    )
