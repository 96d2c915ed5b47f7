"""An owner at home: the commands as they are typed, and a camera's letters at a broker."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from agent import options
from agent.config import Broker
from agent.consent import signing
from agent.consent.statements import ClipOffer
from agent.mqtt import topics
from agent.mqtt.link import connect_broker
from agent.mqtt.session import Session
from agent.owner.home.folder import OwnerFolder
from agent.owner.terminal import commands
from tests.owner.camera import FakeCamera


def run(*arguments: str) -> int:
    """``clip-agent owner ...``; returns its exit code."""
    parser: argparse.ArgumentParser = options.Parser()
    commands.register(parser.add_subparsers(required=True))
    return options.run(parser.parse_args(["owner", *arguments]))


@dataclass(frozen=True)
class OwnerAtHome:
    """An owner with one camera, whose broker runs.

    >>> name = owner.post(request_jws)
    >>> owner.run("inbox")
    0
    """

    folder: OwnerFolder
    broker: Broker
    camera: FakeCamera

    def run(self, *arguments: str) -> int:
        """A command with this owner's folder."""
        return run(*arguments, "--home", str(self.folder.path))

    def retain(self, messages: list[tuple[str, bytes]]) -> None:
        """Leave messages of the camera at the broker."""
        link = connect_broker(
            self.broker, client_id="camera-once", subscriptions=[], clean_session=True
        )
        with Session(link) as session:
            for topic, payload in messages:
                session.publish(topic, payload, retained=True)

    def post(
        self, request: str, count: int = 2, *, offers: Sequence[ClipOffer] | None = None
    ) -> str:
        """Let the camera report a request with ``count`` clips, or ``offers``; returns its id."""
        if offers is None:
            offers = [self.camera.record(bytes([n]) * 300_000) for n in range(count)]
        name = signing.digest(request)[:16]
        self.retain([(topics.inbox(self.camera.name, name), self.camera.report(request, offers))])
        return name
