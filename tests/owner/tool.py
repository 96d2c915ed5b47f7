"""The owner's commands as they are typed, and a camera's letters at a broker."""

from __future__ import annotations

import argparse

from agent import options
from agent.config import Broker
from agent.consent import signing
from agent.mqtt import topics
from agent.mqtt.link import connect_broker
from agent.mqtt.session import Session
from agent.owner.terminal import commands
from tests.owner.camera import FakeCamera


def run(*arguments: str) -> int:
    parser: argparse.ArgumentParser = options.Parser()
    commands.register(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["owner", *arguments])
    return options.run(parsed)


def retain(broker: Broker, messages: list[tuple[str, bytes]]) -> None:
    link = connect_broker(broker, client_id="camera-once", subscriptions=[], clean_session=True)
    with Session(link) as session:
        for topic, payload in messages:
            session.publish(topic, payload, retained=True)


def post(broker: Broker, camera: FakeCamera, request: str, count: int = 2) -> str:
    offers = [camera.record(bytes([n]) * 300_000) for n in range(count)]
    name = signing.digest(request)[:16]
    retain(broker, [(topics.inbox(camera.name, name), camera.report(request, offers))])
    return name
