"""A house that is asked four things, in a network namespace of its own; what it sent.

    unshare --net python -m tests.e2e.silence FOLDER

Run by ``test_silence.py``, which judges. Two real brokers, the owner's and the feed's, the
real gateway and receiver, and no other program on this network. People come by addresses
of their own (127.0.0.12 to the owner's broker, 127.0.0.13 to the feed's), of which the
gateway knows nothing; all else that is sent here was sent by the gateway, or answers it.
The default route leads back into it, so that a packet to the world (a name server, say)
is sent, and seen, rather than refused by the kernel.

Prints one JSON object: what happened, in the order of the packets.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from tests.e2e.household import PLACE, Household
from tests.peers.capture import Capture, Packet, mqtt_packets, streams
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer

OWNERS, FEEDS = "127.0.0.2", "127.0.0.3"
AWAY = {**PLACE, "latitude": PLACE["latitude"] + 1, "square_miles": 0.25}
PEOPLE = ("127.0.0.12", "127.0.0.13")
NOBODY = "192.0.2.53"  # TEST-NET-1 (RFC 5737): nobody is there
SUBSCRIBE = 8  # MQTT 3.1.1, table 2.1


@dataclass
class Story:
    """Packets that the gateway sent, with their times."""

    owner: str  # addresses of the servers
    feed: str
    receiver: str
    rules: dict[str, str]  # by name of the request: what the ledger says of it
    to_feed: list[list[tuple[int, str]]]  # connections; of each packet the type and the bytes
    asked_to: list[str]  # where anything went from the first request to the approval
    released_to: list[str]  # from the approval to the end of the upload
    control: list[str]  # after a datagram to the world, sent on purpose
    letter_bytes: int  # to the owner's broker, from the first request to the approval


def make_network() -> None:
    """Loopback alone, to which all ways lead."""
    for line in (
        "link set lo up", "route add default dev lo", "-6 route add default dev lo",
    ):  # fmt: skip
        subprocess.run(["ip", *line.split()], check=True)


def play(folder: Path) -> Story:
    """All four requests, the approval, and the goodbye."""
    with (
        Mosquitto(folder / "owners", hosts=(OWNERS, PEOPLE[0])) as owners,
        Mosquitto(folder / "feeds", hosts=(FEEDS, PEOPLE[1])) as feeds,
        TusServer(folder / "tus") as receiver,
        Capture() as capture,
        _household(folder / "house", owners, feeds, receiver) as house,
    ):
        owner, feed = f"{OWNERS}:{owners.port}", f"{FEEDS}:{feeds.port}"
        servers = {owner, feed, receiver.host}
        packets = capture.packets
        house.wait("the feed", lambda: "connected to the feed's broker" in house.log("gateway"))
        # Before any post: a renewed subscription brings again what is retained.
        house.wait("the renewal", lambda: _count(packets, feed, SUBSCRIBE) == 2)
        began = len(packets)
        digests = _ask(house)
        clip = house.offered(digests["matched"])["clips"][0]["id"]
        asked = len(packets)
        house.owner("approve", digests["matched"], clip, "--yes")
        house.wait("the release", lambda: "release.sent" in house.ledger())
        released = len(packets)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(b"?", (NOBODY, 53))
        house.wait("the control", lambda: NOBODY in _targets(packets[released:], servers))
        rules = _what_came_of(house, digests)
        house.stop("gateway")
    to_owner = [packet for packet in packets[began:asked] if packet.target == owner]
    return Story(
        owner=owner,
        feed=feed,
        receiver=receiver.host,
        rules=rules,
        to_feed=[
            [(kind, whole.hex()) for kind, whole in mqtt_packets(stream)]
            for stream in streams(packets, feed)
        ],
        asked_to=sorted(_targets(packets[began:asked], servers)),
        released_to=sorted(_targets(packets[asked:released], servers)),
        control=sorted(_targets(packets[released:], servers)),
        letter_bytes=sum(len(packet.payload) for packet in to_owner),
    )


@contextmanager
def _household(
    root: Path, owners: Mosquitto, feeds: Mosquitto, receiver: TusServer
) -> Iterator[Household]:
    """A house whose gateway runs, and whose camera begins to film."""
    house = Household(root, owners, receiver, feed=feeds)
    house.new_requester("stranger", "Shelbyville Police Department")
    try:
        house.start("gateway")
        house.enrol()
        house.start("camera")
        yield house
    finally:
        house.kill_all()


def _ask(house: Household) -> dict[str, str]:
    """Four requests, which differ in what comes of them; their digests."""
    long_ago = (timedelta(hours=-9), timedelta(hours=-8))
    digests = {
        "unmatched": house.post(reference="2024-000001", window=long_ago),
        "refused": house.post(reference="2024-000002", around=AWAY),
        "unknown": house.post(reference="2024-000003", home="stranger"),
    }
    house.wait_for_clips(1)
    house.stop("camera")
    return digests | {"matched": house.post(reference="2024-000004")}


def _what_came_of(house: Household, digests: dict[str, str]) -> dict[str, str]:
    """The events and rules on record about each request."""
    lines = house.ledger_lines()
    return {
        name: " ".join(
            line["detail"].get("rule") or line["event"]
            for line in lines
            if digest in (line["subject"], line["detail"].get("post"))
        )
        for name, digest in digests.items()
    }


def _count(packets: list[Packet], feed: str, kind: int) -> int:
    """MQTT packets of a kind that the gateway has sent to the feed's broker."""
    kinds = [sent for stream in streams(packets, feed) for sent, _ in mqtt_packets(stream)]
    return kinds.count(kind)


def _targets(packets: list[Packet], servers: set[str]) -> set[str]:
    """Destinations of the gateway's ``packets``, without those of people and of the servers."""
    return {
        packet.target
        for packet in packets
        if packet.source not in servers
        and not {_host(packet.source), _host(packet.target)} & {*PEOPLE}
    }


def _host(address: str) -> str:
    return address.partition(":")[0]


if __name__ == "__main__":
    make_network()
    json.dump(asdict(play(Path(sys.argv[1]))), sys.stdout)
