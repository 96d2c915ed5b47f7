"""The steps that the owner's commands share: open the folder, unlock, ask, send, tell.

Light to import, like the commands: what is heavy is imported where it is used.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.clock import Clock
    from agent.consent.cards import DeviceCard
    from agent.consent.statements import Outcome
    from agent.keyfile import Keys
    from agent.owner.broker import Presence
    from agent.owner.decisions.history import AnsweredItem
    from agent.owner.decisions.sign import Decision
    from agent.owner.folder import OwnerFolder
    from agent.owner.inbox.inbox import Inbox


def home(arguments: argparse.Namespace) -> OwnerFolder:
    """The owner's folder; KeyFileError with the cure if there are no keys in it."""
    from agent import keyfile
    from agent.owner.folder import OwnerFolder

    home = OwnerFolder(arguments.home)
    keyfile.require(home.key_path, "owner")
    return home


def kept_inbox(home: OwnerFolder) -> Inbox:
    """What was collected so far; ConfigError while no camera is enrolled."""
    from agent.owner.inbox.inbox import Inbox, devices_or_advice

    return Inbox(home, devices_or_advice(home))


def cameras(home: OwnerFolder, name: str | None) -> list[DeviceCard]:
    """The camera ``name``, or all of them; Refused if there is none of that name."""
    from agent.owner import broker as exchange
    from agent.owner.inbox.inbox import devices_or_advice

    devices = devices_or_advice(home)
    return list(devices.values()) if name is None else [exchange.device_of(devices, name)]


def unlock(home: OwnerFolder, arguments: argparse.Namespace) -> Keys:
    """The owner's keys, by their passphrase."""
    from agent import keyfile

    return home.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def clock() -> Clock:
    """This computer's clock, which is taken to be right."""
    from agent.clock import SystemClock

    return SystemClock(synced_marker=None)


def say(text: str) -> None:
    """Print a sentence or two, in lines that fit a narrow terminal."""
    print(textwrap.fill(text, 79, break_on_hyphens=False, break_long_words=False), flush=True)


def warn(inbox: Inbox) -> None:
    """Say what is wrong with what was kept or came."""
    for warning in inbox.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def answers(home: OwnerFolder, inbox: Inbox) -> list[AnsweredItem]:
    """What the owner answered so far, and what became of it."""
    from agent.owner.decisions import history as answers
    from agent.owner.decisions.sent import SentDecisions
    from agent.owner.standing import StandingDecisions

    return answers.read(inbox, SentDecisions(home, inbox), StandingDecisions(home, inbox))


def away(inbox: Inbox, device: str, presence: Presence) -> str:
    """That a camera is offline, and until when it was there, by its letters and its state."""
    from agent.owner import text as words

    times = [at for at in (inbox.heard_at(device), presence.state_at) if at is not None]
    return f"{device} is offline{words.heard(max(times, default=None))}"


def send(
    home: OwnerFolder,
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
    from agent.owner import broker as exchange

    name, inbox, time = decision.device.name, kept_inbox(home), clock()
    answers = [*exchange.answer_topics(decision, joins), *exchange.presence_topics(name)]
    with exchange.connect(home.settings().mqtt, answers) as session:
        exchange.send(session, decision)
        keep(decision)
        print(f"Signed and sent to {name}, as {decision.subject}.")
        presence = exchange.presence(session, name)
        if presence.offline:
            say(f"{away(inbox, name, presence)}. It acts on this as soon as it is back.")
            _say_how_to_go_on(decision)
            return 0
        if wait_seconds <= 0:
            _say_how_to_go_on(decision)
            return 0
        last = exchange.follow(
            session,
            decision,
            keys,
            wait_seconds=wait_seconds,
            tell=_tell,
            keep=lambda letter: exchange.take(inbox, letter, keys, time),
            joins=joins,
        )
    if last is None:
        print(f"{name} has not said the last word yet.")
        _say_how_to_go_on(decision)
        return 0
    return 0 if last.event in ("SENT", exchange.PROPOSED, exchange.AGREED) else 1


def _say_how_to_go_on(decision: Decision) -> None:
    print("What becomes of it:           clip-agent owner inbox")
    print(f"To stop it before it is sent: clip-agent owner revoke {decision.subject[:8]}")


def tell_camera(
    home: OwnerFolder,
    decision: Decision,
    keys: Keys,
    *,
    wait_seconds: float,
    done: str,
    keep: Callable[[Decision], None] | None = None,
) -> int:
    """Publish a decision that lets nothing leave, and say whether the camera has obeyed.

    ``done`` says what is so once it has. ``keep`` remembers it, once the broker has it. The
    exit code: 1 if it was refused.
    """
    from agent.owner import broker as exchange

    name, inbox, time = decision.device.name, kept_inbox(home), clock()
    answers = [*exchange.answer_topics(decision), *exchange.presence_topics(name)]
    with exchange.connect(home.settings().mqtt, answers) as session:
        exchange.send(session, decision)
        if keep is not None:
            keep(decision)
        presence = exchange.presence(session, name)
        if presence.offline:
            say(f"Signed and sent. {away(inbox, name, presence)}. It obeys as soon as it is back.")
            return 0
        answer = exchange.follow(
            session,
            decision,
            keys,
            wait_seconds=wait_seconds,
            tell=lambda _: None,
            keep=lambda letter: exchange.take(inbox, letter, keys, time),
        )
    if answer is None:
        say(f"Signed and sent. {name} has not answered yet; it obeys as soon as it is online.")
        print("What became of it: clip-agent owner inbox")
        return 0
    if answer.event == "REFUSED":
        say(f"{name} has refused it: {answer.detail}")
        return 1
    say(f"{name}: done. {done}")
    return 0


def _tell(outcome: Outcome) -> None:
    """Each word of the camera, in plain words."""
    from agent.owner import text as words

    text = words.outcome(outcome.event, outcome.detail)
    say(f"{outcome.device}: {text}")
    if outcome.event == "PROPOSED":
        print("Nothing leaves before another owner has agreed to exactly this.")
