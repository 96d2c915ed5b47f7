"""The steps that the owner's commands share: open the folder, unlock, ask, send, tell.

Light to import, like the commands: what is heavy is imported where it is used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.clock import Clock
    from agent.consent.signing import DeviceCard
    from agent.consent.statements import Outcome
    from agent.keyfile import Keys
    from agent.owner.decide import Decision
    from agent.owner.home import Home
    from agent.owner.inbox import Inbox


def home(arguments: argparse.Namespace) -> Home:
    """The owner's folder."""
    from agent.owner.home import Home

    return Home(arguments.home)


def kept_inbox(home: Home) -> Inbox:
    """What was collected so far; ConfigError while no camera is enrolled."""
    from agent.owner.inbox import Inbox, devices_or_advice

    return Inbox(home, devices_or_advice(home))


def cameras(home: Home, name: str | None) -> list[DeviceCard]:
    """The camera ``name``, or all of them; Refused if there is none of that name."""
    from agent.owner import exchange
    from agent.owner.inbox import devices_or_advice

    devices = devices_or_advice(home)
    return list(devices.values()) if name is None else [exchange.device_of(devices, name)]


def unlock(home: Home, arguments: argparse.Namespace) -> Keys:
    """The owner's keys, by their passphrase."""
    from agent import keyfile

    return home.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def clock() -> Clock:
    """This computer's clock, which is taken to be right."""
    from agent.clock import SystemClock

    return SystemClock(synced_marker=None)


def warn(inbox: Inbox) -> None:
    """Say what is wrong with what was kept or came."""
    for warning in inbox.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def send(
    home: Home,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    keep: Callable[[Decision], None],
    joins: str | None = None,
) -> int:
    """Publish a decision that lets clips leave, and stay for what becomes of it if asked to.

    ``keep`` remembers it, once the broker has it; ``joins`` is another owner's release that
    it may complete. The exit code.
    """
    from agent import topics
    from agent.owner import exchange

    name = decision.device.name
    answers = [*exchange.answer_topics(decision, joins), topics.availability(name)]
    with exchange.connect(home.settings().mqtt, answers) as session:
        exchange.send(session, decision)
        keep(decision)
        print(f"sent to {name}")
        if exchange.is_offline(session, name):
            print(f"{name} is offline: it acts on this as soon as it is back")
            return 0
        if wait_seconds <= 0:
            print("what becomes of it: clip-agent owner inbox")
            print(f"to stop it before it is sent: clip-agent owner revoke {decision.subject[:8]}")
            return 0
        last = exchange.follow(
            session, decision, keys, wait_seconds=wait_seconds, tell=_tell, joins=joins
        )
    if last is None:
        print("no final word yet: see `clip-agent owner inbox`")
        return 0
    return 0 if last.event in ("SENT", exchange.PROPOSED, exchange.AGREED) else 1


def tell_camera(
    home: Home,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    keep: Callable[[Decision], None] | None = None,
) -> int:
    """Publish a decision that lets nothing leave, and say whether the camera has obeyed.

    ``keep`` remembers it, once the broker has it. The exit code: 1 if it was refused.
    """
    from agent import topics
    from agent.owner import exchange

    name = decision.device.name
    answers = [*exchange.answer_topics(decision), topics.availability(name)]
    with exchange.connect(home.settings().mqtt, answers) as session:
        exchange.send(session, decision)
        if keep is not None:
            keep(decision)
        if exchange.is_offline(session, name):
            print(f"{name}: sent; it is offline, and obeys as soon as it is back")
            return 0
        answer = exchange.follow(
            session, decision, keys, wait_seconds=wait_seconds, tell=lambda _: None
        )
    if answer is None:
        print(f"{name}: sent; it has not answered yet, and obeys as soon as it is online")
        return 0
    if answer.event == "REFUSED":
        print(f"{name}: refused ({answer.detail})")
        return 1
    print(f"{name}: done")
    return 0


def _tell(outcome: Outcome) -> None:
    print(f"{outcome.event} {outcome.detail}".rstrip())
    if outcome.event == "PROPOSED":
        print("another owner must now agree to exactly this")
