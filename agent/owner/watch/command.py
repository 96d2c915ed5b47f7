"""``owner watch``: the wiring of the watcher, which needs neither key file nor passphrase."""

from __future__ import annotations

import argparse
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from agent.clock import SystemClock
from agent.errors import ConfigError
from agent.host import systemd
from agent.mqtt import topics
from agent.mqtt.link import Link, connect_broker
from agent.owner.home.folder import OwnerFolder
from agent.owner.watch.channels import command as commands
from agent.owner.watch.channels import ntfy
from agent.owner.watch.channels.channel import Channel, Lines
from agent.owner.watch.channels.desktop import Desktop
from agent.owner.watch.household import Household
from agent.owner.watch.memory import Memory
from agent.owner.watch.watcher import Watcher, run

_LEAST_SECONDS: Final = 10.0  # so long retained letters may take after a connection
_LOOK_SECONDS: Final = 60.0  # from one look at the enrolled cameras to the next


def watch(arguments: argparse.Namespace) -> int:
    """``owner watch``"""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    folder, channels = OwnerFolder(arguments.home), channels_of(arguments)
    clock, notify = SystemClock(synced_marker=None), systemd.notifier()
    memory, ended = Memory(folder.path / "watch.json", passing=Lines.name), False
    while not ended:  # anew whenever a camera was enrolled or removed
        link = connect(folder)
        household = Household(
            devices=folder.enrolled(),
            identity=folder.notification_identity(),
            memory=memory,
            patience_seconds=max(_LEAST_SECONDS, 60 * arguments.after),
        )
        watcher = Watcher(household, link, channels, clock)
        ended = run(link, watcher, notify, _unchanged(folder))
    return 0


def channels_of(arguments: argparse.Namespace) -> list[Channel]:
    """The channels that the options name, and lines in any case; raises ConfigError."""
    channels: list[Channel] = [Lines()]
    if arguments.exec is not None:
        channels.append(commands.parse(arguments.exec))
    if arguments.ntfy is not None:
        channels.append(ntfy.load(arguments.ntfy, arguments.ntfy_token, arguments.ntfy_ca))
    if arguments.desktop:
        channels.append(Desktop())
    return channels


def connect(folder: OwnerFolder) -> Link:
    """A link to the broker that stays, with the topics of this owner's watcher alone."""
    me, devices = folder.card().fingerprint, folder.enrolled()
    return connect_broker(
        folder.settings().mqtt,
        client_id=f"clip-watch-{secrets.token_hex(6)}",
        subscriptions=[
            topic
            for device in devices
            for topic in (topics.notice(device, me), topics.availability(device))
        ],
        clean_session=True,
        renews_subscriptions=True,
    )


def _unchanged(folder: OwnerFolder) -> Callable[[], bool]:
    """A function that tells, once a minute, if the same cameras are enrolled with the same keys."""
    before, look_at = folder.devices(), time.monotonic() + _LOOK_SECONDS

    def is_current() -> bool:
        nonlocal look_at
        if time.monotonic() < look_at:
            return True
        look_at = time.monotonic() + _LOOK_SECONDS
        try:
            now = folder.devices()
        except ConfigError:  # a card that is being written
            return True
        return now == before or not now

    return is_current
