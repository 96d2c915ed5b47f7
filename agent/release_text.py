"""A release in words, for those who received it: the README in the bag, and ``requester open``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from agent.consent.statements import Disclosure, Redaction, Release, ReleasedClip

_CODECS = {"h264": "H.264", "hevc": "H.265"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> str:
    """``2024-01-24 18:30:15.123 UTC``."""
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def clip_lines(clip: ReleasedClip) -> Iterator[str]:
    """Lines about a clip: times, trim, redactions, and what is uncertain about them."""
    yield f"{clip.file}  {clip.pictures} pictures, {_CODECS[clip.codec]}"
    yield f"  first picture  {moment(clip.first_picture_ms)}"
    yield f"  last picture   {moment(clip.last_picture_ms)}"
    if not clip.clock_synced:
        yield "  The camera's clock was not set: both times may be wrong."
    if clip.trim is None:
        yield "  The whole recording."
    else:
        cut = f"{clip.trim.from_seconds:g} to {clip.trim.to_seconds:g}"
        yield f"  A part of the recording, seconds {cut}: its owner left out the rest."
    if clip.truncated:
        yield "  The recording was cut off: its end is missing."
    count = len(clip.redacted)
    regions = "1 region is" if count == 1 else f"{count} regions are"
    yield f"  {regions if count else 'Nothing is'} covered with grey{':' if count else '.'}"
    yield from (f"    {_redaction(one)}" for one in clip.redacted)


def _redaction(one: Redaction) -> str:
    """A box in words: still or moving, and for how long."""
    limits = [
        f"{word} second {at:g}"
        for word, at in (("from", one.from_seconds), ("to", one.to_seconds))
        if at is not None
    ]
    when = f", {' '.join(limits)} of the recording" if limits else ""
    if len(one.positions) > 1:
        return f"a box that moves through {len(one.positions)} positions{when}"
    box = one.positions[0]
    return (
        f"a box at {box.x:.1%} from the left and {box.y:.1%} from the top,"
        f" {box.width:.1%} wide, {box.height:.1%} high{when}"
    )


def disclosed_lines(disclosed: Disclosure) -> Iterator[str]:
    """Lines about what the owner tells about themselves; one that says so if that is nothing."""
    told = {"name": disclosed.name, "address": disclosed.address, "e-mail": disclosed.email}
    if not any(told.values()):
        yield "The owner tells no name, no address and no e-mail."
    for what, value in told.items():
        if value:
            yield f"The owner's {what}: {value}"


def lines(release: Release) -> Iterator[str]:
    """All clips of a release, then what its owner disclosed."""
    for clip in release.clips:
        yield from clip_lines(clip)
    yield from disclosed_lines(release.disclosed)
