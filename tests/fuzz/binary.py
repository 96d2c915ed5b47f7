"""Targets: areas by their numbers, bags, parameter sets of a camera, answers of a receiver."""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import socket
import struct
import tarfile
import threading
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from av.packet import Packet
from av.video.stream import VideoStream

from agent.camera.source import Codec, VideoFormat
from agent.camera.sources import annexb
from agent.camera.sources.network import format_watch as parameters
from agent.consent.statements import Polygon
from agent.errors import BundleRefused, NetworkFault, ReceiverRefused, RequestRefused
from agent.gateway.release.receiver_url import same_origin
from agent.gateway.release.tus_client import TusClient
from agent.keyfile import Keys
from agent.requester.bundle import bag
from tests.consent import world
from tests.fuzz.files import scratch
from tests.fuzz.signed import check_area
from tests.fuzz.target import Target
from tests.requester.release import FakeRelease, tar_of
from tests.support.house import fragmented_mp4

# Areas

_STEP = 0.001  # degrees: coarse, so that corners fall on edges and on each other


def run_area(data: bytes) -> None:
    """Corners as doubles, or as bytes on a coarse grid when the first byte is odd."""
    body = data[1:]
    if data[:1] and data[0] & 1:
        points = [(x * _STEP, y * _STEP) for x, y in zip(body[::2], body[1::2], strict=False)]
    else:
        points = list(struct.iter_unpack("<dd", body[: len(body) // 16 * 16]))
    if not points:
        return
    ring = [*points, points[0]]
    try:
        polygon = msgspec.convert({"type": "Polygon", "coordinates": [ring]}, Polygon)
        check_area(polygon)
    except (msgspec.ValidationError, RequestRefused):
        return


def seeds_area() -> Sequence[bytes]:
    def doubles(*points: tuple[float, float]) -> bytes:
        return b"\0" + b"".join(struct.pack("<dd", *point) for point in points)

    square = world.square(0.5).coordinates[0][:-1]
    nowhere = (float("nan"), float("inf"))
    return [
        doubles(*square),
        doubles(*square[:3]),
        doubles(square[0], square[2], square[1], square[3]),
        doubles((179.9, 42), (-179.9, 42), (0, 43)),
        doubles((-0.0, 0.0), (5e-324, 0.0), (0.0, 5e-324)),
        doubles(*square[:3], nowhere),
        b"\1" + bytes([0, 0, 9, 0, 9, 9, 0, 9]),
        b"\1" + bytes([0, 0, 9, 0, 5, 0, 9, 9, 0, 9]),
        b"\1" + bytes([0, 0, 2, 0, 2, 2, 4, 2, 4, 4, 0, 4]),
    ]


# Bags


def run_bag(data: bytes) -> None:
    """A tar from a stranger, its checksums mended: nothing lands outside the folder."""
    outer = scratch()
    folder = outer / "in"
    folder.mkdir()
    try:
        files = bag.unpack(io.BytesIO(_mend(data)), folder)
    except BundleRefused:
        pass
    else:
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
        assert there == set(files)
    finally:
        assert [path.name for path in outer.iterdir()] == ["in"], "something escaped"
        assert not any(path.is_symlink() for path in folder.rglob("*"))
        shutil.rmtree(outer)


def _mend(data: bytes) -> bytes:
    """``data`` with right checksums where a reader looks for headers."""
    tar, at = bytearray(data), 0
    while at + tarfile.BLOCKSIZE <= len(tar):
        header = tar[at : at + tarfile.BLOCKSIZE]
        if not any(header):
            break
        total = sum(header) - sum(header[148:156]) + 8 * 32
        tar[at + 148 : at + 156] = b"%06o\0 " % total
        try:
            size = int(bytes(header[124:135]).strip(b" \0") or b"0", 8)
        except ValueError:
            break
        at += tarfile.BLOCKSIZE * (1 + -(-max(size, 0) // tarfile.BLOCKSIZE))
    return bytes(tar)


def seeds_bag() -> Sequence[bytes]:
    release = FakeRelease(Keys.generate())
    release.videos = {name: video[:600] for name, video in release.videos.items()}
    files = release.files()
    return [
        tar_of(files),
        tar_of(files, base="../b"),
        tar_of({**files, "data/../../x": b"x"}),
        tar_of({**files, "data/extra.sh": b"#!/bin/sh"}),
        tar_of(dict(list(files.items())[:3])),
        b"",
    ]


# Parameter sets

_H264 = bytes.fromhex("00000001674200 0aa6 1102 28 00000001 68ce 3880".replace(" ", ""))
_HEVC = bytes.fromhex("000000014001 0c01 00000001 4201 0101 00000001 4401 c1".replace(" ", ""))
_DECODED_SHARE = 16  # one input in so many is decoded too, which FFmpeg takes its time for


def run_parameters(data: bytes) -> None:
    """Units behind start codes, of both codecs."""
    body = data[1:]
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    for codec in codecs:
        sets = annexb.parameter_sets(body, codec)
        assert all(unit in body and b"\0\0\1" not in unit for unit in sets)
        assert annexb.parameter_sets(annexb.joined(sets), codec) == sets
        if body.startswith((b"\0\0\1", b"\0\0\0\1")):
            with_sets = annexb.with_sets(body, sets, codec)
            assert annexb.parameter_sets(with_sets, codec)[: len(sets)] == sets
        assert annexb.pictures_until_shown(body, codec) >= 0
        assert len(annexb.first_slice(body, codec)) <= 40
    extradata = annexb.h264_extradata(body)
    assert annexb.h264_extradata(extradata) == extradata
    if not data or data[0] % _DECODED_SHARE:
        return
    codec = codecs[data[0] // _DECODED_SHARE % 2]
    watch = parameters.FormatWatch(VideoFormat(codec, 64, 64, _H264 if codec == "h264" else _HEVC))
    packet = cast("Packet[VideoStream]", Packet(body))
    packet.is_keyframe = True
    change, carried = watch.take(packet)
    assert len(carried) >= len(body)
    if change is not None:
        assert change.width > 0
        assert change.height > 0
        assert watch.take(packet)[0] is None, "the same packet begins a format twice"


def seeds_parameters() -> Sequence[bytes]:
    starts = [bytes([n]) for n in (0, 1, 16)]
    slices = _H264 + b"\0\0\0\1\x65\x88\x84" + bytes(40)
    whole = fragmented_mp4()[:4_000]
    return [start + body for start in starts for body in (_H264, _HEVC, slices, whole)]


# Answers of an upload receiver


class FakeLiar:
    """A receiver on loopback that answers every connection with ``answer`` and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/files/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connected, _ = self._listening.accept()
            threading.Thread(target=self._reply, args=(connected,), daemon=True).start()

    def _reply(self, connected: socket.socket) -> None:
        """Read the client's data to its end, or the answer could be lost."""
        with connected, contextlib.suppress(OSError):
            if connected.recv(65_536):
                connected.sendall(self.answer)
            connected.shutdown(socket.SHUT_WR)
            while connected.recv(65_536):
                pass


@functools.cache
def _peers() -> tuple[FakeLiar, TusClient]:
    """One of each for all inputs: a client reads all certificates of the system first."""
    return FakeLiar(), TusClient(timeout_seconds=5.0, ca_file=None, allow_loopback_http=True)


_SIZE, _SENT = 1_000, 100


def run_answer(data: bytes) -> None:
    """An answer to each of the four calls: believed within what was sent, or refused."""
    liar, client = _peers()
    liar.answer = data[1:]
    calls: tuple[Callable[[TusClient, str], None], ...] = (_create, _ask_offset, _send, _receipt)
    try:
        calls[(data[0] if data else 0) % len(calls)](client, liar.url)
    except (NetworkFault, ReceiverRefused) as error:
        assert str(error).isprintable()
    finally:
        if client._connection is not None:
            client._connection.close()


def _create(client: TusClient, url: str) -> None:
    created = client.create(url, size=_SIZE, metadata={})
    assert same_origin(created, url)


def _ask_offset(client: TusClient, url: str) -> None:
    offset = client.offset(url, size=_SIZE, sent=_SENT)
    assert offset is None or 0 <= offset <= _SENT


def _send(client: TusClient, url: str) -> None:
    reached = client.send(url, offset=_SENT, chunk=b"x" * 10, size=_SIZE)
    assert _SENT < reached <= _SENT + 10


def _receipt(client: TusClient, url: str) -> None:
    found = client.receipt(url, at_most=_SENT)
    assert found is None or len(found) <= _SENT


def seeds_answer() -> Sequence[bytes]:
    def answer(call: int, *lines: str) -> bytes:
        return bytes([call]) + "\r\n".join([*lines, "", ""]).encode()

    tus = "Tus-Resumable: 1.0.0"
    return [
        answer(0, "HTTP/1.1 201 Created", tus, "Location: /files/1"),
        answer(0, "HTTP/1.1 201 Created", tus, "Location: https://evil.example/1"),
        answer(0, "HTTP/1.1 307 Elsewhere", tus, "Location: http://127.0.0.1:1/"),
        answer(1, "HTTP/1.1 200 OK", tus, f"Upload-Length: {_SIZE}", "Upload-Offset: 50"),
        answer(1, "HTTP/1.1 200 OK", tus, f"Upload-Length: {_SIZE}", "Upload-Offset: 5000"),
        answer(1, "HTTP/1.1 410 Gone", tus),
        answer(2, "HTTP/1.1 204 No Content", tus, f"Upload-Offset: {_SENT + 10}"),
        answer(2, "HTTP/1.1 100 Continue", "", "HTTP/1.1 204 OK", tus, "Upload-Offset: 9"),
        answer(2, "HTTP/1.1 503 Later", "Transfer-Encoding: chunked", "", "ffffffffffff"),
        answer(3, "HTTP/1.1 200 OK", "Content-Length: 9", "", "a.b.c"),
        b"\2",
    ]


TARGETS = (
    Target("areas", run_area, seeds_area, 1_700),
    Target("bags", run_bag, seeds_bag, 24_000),
    Target("parameter-sets", run_parameters, seeds_parameters, 4_000),
    Target("tus-answers", run_answer, seeds_answer, 2_000),
)
