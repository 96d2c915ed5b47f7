"""Output streams for packets that are coded already, made from their format alone."""

from __future__ import annotations

import io
from typing import Final

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

_MATROSKA: Final = {"h264": b"V_MPEG4/ISO/AVC", "hevc": b"V_MPEGH/ISO/HEVC"}


def add_coded_stream(
    container: OutputContainer, codec: str, width: int, height: int, extradata: bytes
) -> VideoStream:
    """A stream of ``h264`` or ``hevc`` in ``container``; ``extradata`` are its parameter sets.

    PyAV takes the parameters of such a stream from an input stream only. A file's own stream
    would bring along what its header says beside the format: crops, turns, tags.
    """
    source = io.BytesIO(_matroska_header(_MATROSKA[codec], width, height, extradata))
    with av.open(source, format="matroska") as header:
        # The decoder's half of the codec will do ("opaque"): nothing is encoded.
        return container.add_stream_from_template(header.streams.video[0], opaque=True)


def _matroska_header(codec: bytes, width: int, height: int, extradata: bytes) -> bytes:
    """A Matroska file without pictures: the smallest input that carries these as they are.

    RFC 9559, section 5.
    """
    picture = _element(0xB0, width.to_bytes(4, "big")) + _element(0xBA, height.to_bytes(4, "big"))
    track = _element(0xD7, b"\1") + _element(0x73C5, b"\1")  # number, UID
    track += _element(0x83, b"\1") + _element(0x86, codec)  # it is video; codec
    track += _element(0x63A2, extradata) + _element(0xE0, picture)
    tracks = _element(0x1654AE6B, _element(0xAE, track))
    cluster = _element(0x1F43B675, _element(0xE7, b"\0"))  # empty; ends the header
    return _element(0x1A45DFA3, _element(0x4282, b"matroska")) + _element(
        0x18538067, tracks + cluster
    )


def _element(identifier: int, body: bytes) -> bytes:
    """One EBML element (RFC 8794) with an eight-byte size."""
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(body)).to_bytes(8, "big") + body
