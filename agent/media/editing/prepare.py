"""A clip made ready to leave: plain MP4, trimmed and redacted as the owner approved.

The input is the decrypted recording: fragmented MP4, read from front to back, perhaps
cut off. The output is one video stream in an MP4 that plays while it loads (``moov``
before ``mdat``), with no sound, no other stream and no metadata of its file.

- Nothing trimmed or redacted: the camera's pictures, bit for bit, without the notes that its
  encoder leaves beside them (:mod:`.nal_units`).
- **Trim**: all pictures of the approved span leave, and no other. Those before the first
  keyframe in it, and those at its end that need a later one, are encoded again
  (:mod:`.segments`, :mod:`.seam`); the rest is copied. Without such a keyframe all are encoded.
- **Redact**: every picture is encoded again with its boxes filled (:mod:`.fill`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import chain
from typing import BinaryIO, Final, Literal

from av.video.stream import VideoStream

from agent.consent.statements import Redaction, Trim
from agent.errors import ClipDamaged
from agent.media.editing.content import Prepared
from agent.media.editing.copying import ExactCopy
from agent.media.editing.encoding import encode
from agent.media.editing.recording import Recording, open_recording
from agent.media.editing.seam import NoSeam
from agent.media.editing.segments import Head
from agent.media.editing.span import Span
from agent.media.mp4 import Readable
from agent.media.nal_units import Cleaner, HiddenPicture
from agent.media.parameter_sets import Codec, MalformedSet
from agent.media.set_records import MalformedRecord, record_sets

_BROWSERS_PIXELS: Final = ("yuv420p", "yuvj420p")  # 8 bits, colours at half resolution

_log = logging.getLogger(__name__)


def prepare(
    plain: Readable,
    target: BinaryIO,
    *,
    trim: Trim | None,
    redact: Sequence[Redaction],
    codec: Literal["h264"] | None = None,
) -> Prepared:
    """Write the MP4 that may leave, from the recorded clip ``plain``, to the empty ``target``.

    ``codec``: ``h264`` for pictures that all browsers play; None: as recorded, where they can be
    copied.
    ``target`` is read back and overwritten while it grows, so it must be seekable.
    Raises :class:`ClipDamaged` for a clip without a whole picture, :class:`Refused`
    (``empty-trim``) for a span without one, and any error from ``plain`` or ``target``.
    """
    with open_recording(plain) as recording:
        stream = recording.stream
        is_copyable = not redact and (codec is None or _plays_in_browsers(stream))
        return _written(recording, Span(stream, trim), redact, target, is_copyable)


def _written(
    recording: Recording,
    span: Span,
    redact: Sequence[Redaction],
    target: BinaryIO,
    is_copyable: bool,
) -> Prepared:
    """Copy the pictures of the span, and encode those at its ends; else encode all again."""
    stream, rotation = recording.stream, recording.rotation
    codec = _codec(stream)
    length_bytes = _length_bytes(stream, codec)
    head = Head(span, recording.packets, codec, length_bytes, is_copied=is_copyable)
    tally = span.tally()
    if is_copyable and (copy := _copy(stream, codec, span, head)):
        copy.write(target, tally, rotation=rotation)
        return tally.prepared(codec, plays_in_browsers=_plays_in_browsers(stream))
    stream.codec_context.flush_buffers()
    encode(stream, span, chain(head.packets, head.body), redact, target, tally, rotation=rotation)
    return tally.prepared("h264", plays_in_browsers=True)


def _copy(stream: VideoStream, codec: Codec, span: Span, head: Head) -> ExactCopy | None:
    """The copy of a span; None if no picture can be copied, or one of them is partly hidden."""
    first = next(head.body, None)
    if first is None:
        return None
    head.body.put_back([first])
    try:
        cleaner = Cleaner(codec, stream.codec_context.extradata or b"", bytes(first))
        return ExactCopy(stream, codec, span, head, cleaner)
    except HiddenPicture:
        _log.info("the clip's header crops its pictures: it is encoded again")
    except NoSeam as why:
        _log.info("the clip is encoded again: %s", why)
    except (MalformedRecord, MalformedSet) as error:
        raise ClipDamaged("the clip's header does not tell how to play it") from error
    return None


def _length_bytes(stream: VideoStream, codec: Codec) -> int:
    try:
        return record_sets(codec, stream.codec_context.extradata or b"")[0]
    except MalformedRecord as error:
        raise ClipDamaged("the clip's header does not tell how to play it") from error


def _codec(stream: VideoStream) -> Codec:
    return "h264" if stream.codec_context.name == "h264" else "hevc"


def _plays_in_browsers(stream: VideoStream) -> bool:
    return _codec(stream) == "h264" and stream.codec_context.pix_fmt in _BROWSERS_PIXELS
