"""Everything that a network namespace sends, as its interfaces see it.

>>> with Capture() as capture:
...     sent = capture.packets              # grows while it runs
>>> for stream in streams(sent, "127.0.0.3:1883"): ...      # what went to that address

A raw socket (packet(7)) hears all interfaces, loopback too; that needs a namespace of
one's own, or root. Each packet is kept once, as it leaves; a packet that the kernel
dropped for want of room fails the capture, since nobody can say what it was.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

_ALL_PROTOCOLS: Final = 0x0003  # ETH_P_ALL
_IPV4: Final = 0x0800
_TCP: Final = 6
_OUTGOING: Final = 4  # PACKET_OUTGOING
_SOL_PACKET: Final = 263  # from linux/socket.h
_STATISTICS: Final = 6  # PACKET_STATISTICS
_ROOM_BYTES: Final = 32 * 2**20
_TICK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Packet:
    """One packet on its way; addresses as ``host:port`` for TCP.

    What is not IPv4 has its protocol for an address (``0x0806`` is ARP).
    """

    source: str
    target: str
    sequence: int = 0
    opens: bool = False  # a TCP connection
    payload: bytes = b""


class Capture:
    """Listens from ``with`` to the end of the block."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        self._socket.settimeout(_TICK_SECONDS)
        self._over = threading.Event()
        self._heard_all = False
        self._thread = threading.Thread(target=self._listen, name="capture")

    def _listen(self) -> None:
        while True:
            try:
                data, (_, protocol, way, *_) = self._socket.recvfrom(2**17)
            except TimeoutError:
                if self._over.is_set():
                    break  # and nothing more has come for a moment
                continue
            if way == _OUTGOING:
                self.packets.append(_read(protocol, data))
        self._heard_all = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]
        self._socket.close()
        assert self._heard_all, "the capture ended before its time"
        assert dropped == 0, f"{dropped} packets went by unseen"


def _read(protocol: int, data: bytes) -> Packet:
    if protocol != _IPV4:
        return Packet("", f"0x{protocol:04x}")
    header = (data[0] & 0x0F) * 4
    length = struct.unpack(">H", data[2:4])[0]
    source, target = (str(ipaddress.IPv4Address(data[at : at + 4])) for at in (12, 16))
    if data[9] != _TCP:
        return Packet(source, target)
    segment = data[header:length]
    ports = struct.unpack(">HH", segment[:4])
    return Packet(
        f"{source}:{ports[0]}",
        f"{target}:{ports[1]}",
        struct.unpack(">I", segment[4:8])[0],
        segment[13] & 0x12 == 0x02,  # SYN without ACK
        segment[(segment[12] >> 4) * 4 :],
    )


def streams(packets: Iterable[Packet], target: str) -> list[bytes]:
    """Bytes sent to ``target``: a string for each connection, in their order."""
    sent: dict[str, tuple[int, bytearray]] = {}
    for packet in packets:
        if packet.target != target:
            continue
        if packet.opens:
            sent[packet.source] = (packet.sequence + 1, bytearray())
        start, data = sent[packet.source]
        offset = (packet.sequence - start) % 2**32
        if packet.payload and offset < 2**31:  # a keep-alive repeats the byte before
            assert offset <= len(data), "a segment went by unseen"
            data[offset : offset + len(packet.payload)] = packet.payload
    return [bytes(data) for _, data in sent.values()]


def mqtt_packets(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The control packets of MQTT 3.1.1 in ``stream``: the type, and the whole packet."""
    at = 0
    while at < len(stream):
        length, shift, end = 0, 0, at + 1
        while True:
            length |= (stream[end] & 0x7F) << shift
            shift, end = shift + 7, end + 1
            if not stream[end - 1] & 0x80:
                break
        yield stream[at] >> 4, stream[at : end + length]
        at = end + length
