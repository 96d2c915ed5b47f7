"""A clip that is open in memory, and what would leave of it.

>>> opened = client.open_clip(device, offer, keys)      # fetched once
>>> rendering = render(opened, shown)                   # for each trim and redaction
>>> find_faces(opened).redactions                       # proposals for ``redact``
>>> client.mark_seen(rendering)                         # once somebody has looked at it

The pictures are made by the code that makes a release, so they are to the byte what would leave.
Nothing is written to a disk.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from agent.consent.statements import ApprovedClip, ClipOffer, Trim
from agent.errors import Refused
from agent.media.editing.content import Prepared
from agent.media.faces.finder import FaceFinder, FoundFaces, Progress

MOST_BYTES = 256_000_000  # of a clip that is opened in memory


@dataclass(frozen=True)
class Footage:
    """A clip as recorded. ``key`` is the public half of the key that opened it."""

    device: str
    offer: ClipOffer
    key: str
    plain: bytes = field(repr=False)


@dataclass(frozen=True)
class Rendering:
    """The clip as ``shown``: an MP4, and its pictures."""

    footage: Footage
    shown: ApprovedClip
    pictures: Prepared
    mp4: bytes = field(repr=False)


def check_size(offer: ClipOffer) -> None:
    """Refused for a clip that is too large to be opened in memory."""
    if offer.bytes > MOST_BYTES:
        raise Refused(
            "too-large",
            f"clip {offer.id} is too large to be shown here",
            advice=f"See it with `clip-agent owner preview {offer.id}`",
        )


def render(footage: Footage, shown: ApprovedClip) -> Rendering:
    """Make what would leave.

    Raises ClipDamaged for a clip that does not play, Refused for a trim without a picture.
    """
    from agent.media.editing.prepare import prepare  # PyAV starts slowly

    target = io.BytesIO()
    pictures = prepare(
        io.BytesIO(footage.plain), target, trim=shown.trim, redact=shown.redact, codec=shown.codec
    )
    return Rendering(footage, shown, pictures, target.getvalue())


def find_faces(
    footage: Footage,
    *,
    finder: FaceFinder | None = None,
    trim: Trim | None = None,
    progress: Progress | None = None,
) -> FoundFaces:
    """Boxes over the faces of a clip, as proposals for ``redact``: its owner looks at them.

    Raises ConfigError where the extra or the network is missing: see ``finder.why_not``.
    """
    finder = finder or FaceFinder()
    return finder.find(io.BytesIO(footage.plain), trim=trim, progress=progress)
