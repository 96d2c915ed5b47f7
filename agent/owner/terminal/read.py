"""What an owner reads: ``inbox show clips preview save``. Nothing here decides.

Every command unlocks the keys at most once, and only if it needs them: ``show`` does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.owner.terminal import prompts as steps

if TYPE_CHECKING:
    from agent.consent.statements import ApprovedClip, ClipOffer
    from agent.keyfile import Keys
    from agent.owner.folder import OwnerFolder
    from agent.owner.inbox.inbox import Inbox
    from agent.owner.inbox.items import NoticeItem, OpenRequest

_ONLINE_AGAIN = "Is the camera powered and on the network? Then ask again"


def inbox(arguments: argparse.Namespace) -> int:
    """``owner inbox``"""
    from agent.owner import as_json as plain
    from agent.owner import broker as exchange
    from agent.owner.inbox.inbox import Inbox, devices_or_advice
    from agent.owner.standing import StandingDecisions
    from agent.owner.terminal import inbox_view as view

    home, clock = steps.home(arguments), steps.clock()
    devices = devices_or_advice(home)
    settings, keys = home.settings(), steps.unlock(home, arguments)
    inbox = Inbox(home, devices)
    with exchange.connect(settings.mqtt, exchange.letter_filters(devices)) as session:
        offline = exchange.collect(
            session, inbox, devices, keys, clock=clock, wait_seconds=arguments.wait
        )
    requests, answers, notices = inbox.requests(), steps.answers(home, inbox), inbox.notices()
    decided = StandingDecisions(home, inbox)
    paused = {name: at for name in devices if (at := decided.paused_at(name)) is not None}
    if arguments.json:
        data = {
            "requests": [plain.request(item) for item in requests],
            "releases": [plain.release(word) for word in inbox.releases()],
            "answers": [plain.answer(one) for one in answers],
            "notices": [plain.notice(told) for told in notices],
            "paused": paused,
            "offline": sorted(offline),
            "warnings": inbox.warnings,
        }
        print(json.dumps(data, indent=2))
        return 0
    away = {name: steps.away(inbox, name, offline[name]) for name in sorted(offline)}
    shown = view.inbox(requests, answers, clock.now(), notices=notices, paused=paused, offline=away)
    view.console().print(shown)
    steps.warn(inbox)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """``owner show``"""
    from agent.owner import as_json as plain
    from agent.owner.decisions.sent import SentDecisions
    from agent.owner.inbox import lookup as finding
    from agent.owner.inbox.items import NoticeItem
    from agent.owner.standing import StandingDecisions
    from agent.owner.terminal import inbox_view as view
    from agent.owner.terminal import request_view as page

    home = steps.home(arguments)
    inbox = steps.kept_inbox(home)
    found = finding.anything(inbox, arguments.request)
    if isinstance(found, NoticeItem):
        if arguments.json:
            print(json.dumps(plain.notice(found), indent=2))
        else:
            view.console().print(page.notice(found))
        return 0
    if arguments.json:
        print(json.dumps(plain.request(found), indent=2))
        return 0
    view.console().print(
        page.request(
            found,
            steps.clock().now(),
            standing=StandingDecisions(home, inbox).about(found),
            withdrawn=_withdrawn(inbox, found),
            me=home.card().fingerprint,
            gifts=SentDecisions(home, inbox).of(found.device),
        )
    )
    steps.warn(inbox)
    return 0


def _withdrawn(inbox: Inbox, item: OpenRequest) -> NoticeItem | None:
    """The notice that this request was withdrawn, if there is one."""
    for told in inbox.notices():
        notice = told.notice
        if (notice.kind, notice.subject) == ("withdrawn", item.digest) and item.closed:
            return told
    return None


def clips(arguments: argparse.Namespace) -> int:
    """``owner clips``"""
    from agent.consent.statements import ListClips, Window
    from agent.errors import NetworkFault, Refused
    from agent.owner import as_json as plain
    from agent.owner import broker as exchange
    from agent.owner.decisions import sign as decide
    from agent.owner.terminal import inbox_view as view

    home, clock = steps.home(arguments), steps.clock()
    inbox, cards = steps.kept_inbox(home), steps.cameras(home, arguments.camera)
    now = clock.now()
    start = arguments.start if arguments.start is not None else now - 86_400
    end = arguments.end if arguments.end is not None else now
    if start > end:
        raise Refused("wrong-time", "--from must be before --to, which is now if you leave it out")
    window = Window(start=int(start), end=int(end) + 1)
    keys = steps.unlock(home, arguments)
    silent: dict[str, str] = {}
    for card in cards:
        command = decide.command(ListClips(window=window), card, keys, now=now)
        answers = [*exchange.answer_topics(command), *exchange.presence_topics(card.name)]
        with exchange.connect(home.settings().mqtt, answers) as session:
            presence = exchange.presence(session, card.name)
            if presence.offline:
                silent[card.name] = steps.away(inbox, card.name, presence)
                continue
            exchange.send(session, command)
            if not exchange.listing(session, command, inbox, keys, now=clock.now()):
                silent[card.name] = f"{card.name} does not answer"
    asked = {card.name for card in cards} - set(silent)
    listed = [one for one in inbox.listings() if one.device in asked]
    if arguments.json:
        print(json.dumps([plain.listing(one) for one in listed], indent=2))
    else:
        for one in listed:
            view.console().print(view.listing(one))
    steps.warn(inbox)
    if silent:
        raise NetworkFault("; ".join(silent.values()), advice=_ONLINE_AGAIN)
    return 0


def preview(arguments: argparse.Namespace) -> int:
    """``owner preview``"""
    import subprocess
    import tempfile

    from agent.owner import clip_transfer as fetch

    home = steps.home(arguments)
    device, offer = _clip(home, arguments)
    edited = _edited(home, offer, arguments)
    folder = Path(tempfile.mkdtemp(prefix="clip-agent-"))
    target = folder / f"{offer.id}{'' if edited is None else '-as-sent'}.mp4"
    keys = steps.unlock(home, arguments)
    try:
        _fetch(home, device, offer, keys, target, edited=edited)
        if edited is not None:
            print("This is what would be sent with these --trim and --redact.")
        player = fetch.player()
        if player is None or not sys.stdout.isatty():
            print(f"{target}\nThis is a plain copy: delete it when you have seen it.")
            return 0
        subprocess.run([player, str(target)], check=False)  # noqa: S603 - a path of our own
        input("Press Enter when you have seen it; the plain copy is then deleted. ")
        target.unlink()
    finally:
        if not target.exists():
            folder.rmdir()
    return 0


def _edited(
    home: OwnerFolder, offer: ClipOffer, arguments: argparse.Namespace
) -> ApprovedClip | None:
    """The clip as the same options of ``approve`` would send it; None without such options."""
    from agent.errors import Refused
    from agent.owner.decisions import selection as choosing
    from agent.owner.inbox import lookup as finding

    if not (arguments.trim or arguments.redact):
        return None
    inbox = steps.kept_inbox(home)

    def named(name: str) -> str:  # as numbered in the request, or in the camera's list
        found = finding.clip(inbox, name, request=arguments.request, camera=arguments.camera)[1]
        if found.id != offer.id:
            raise Refused("not-chosen", f"clip {name} is to be changed, but {offer.id} is shown")
        return found.id

    (edited,) = choosing.choose(
        [offer],
        [offer.id],
        trims=[(named(name), trim) for name, trim in arguments.trim],
        redacts=[(named(name), box) for name, box in arguments.redact],
    )
    return edited


def save(arguments: argparse.Namespace) -> int:
    """``owner save``"""
    home = steps.home(arguments)
    device, offer = _clip(home, arguments)
    suffix = ".mp4.age" if arguments.sealed else ".mp4"
    target = arguments.output or Path(offer.id + suffix)
    keys = steps.unlock(home, arguments)
    _fetch(home, device, offer, keys, target, sealed=arguments.sealed)
    print(target)
    return 0


def _clip(home: OwnerFolder, arguments: argparse.Namespace) -> tuple[str, ClipOffer]:
    from agent.owner.inbox import lookup as finding

    return finding.clip(
        steps.kept_inbox(home), arguments.clip, request=arguments.request, camera=arguments.camera
    )


def _fetch(
    home: OwnerFolder,
    device_name: str,
    offer: ClipOffer,
    keys: Keys,
    target: Path,
    *,
    sealed: bool = False,
    edited: ApprovedClip | None = None,
) -> None:
    """Ask the camera for a clip and write it to ``target``, with a bar at a terminal.

    ``sealed``: as it lies on the camera; ``edited``: as it would be sent; else as recorded.
    """
    import tempfile

    from agent.consent.statements import Preview
    from agent.errors import NetworkFault
    from agent.mqtt import topics
    from agent.owner import broker as exchange
    from agent.owner import clip_transfer as fetch
    from agent.owner.decisions import sign as decide
    from agent.owner.terminal import inbox_view as view

    device = exchange.device_of(home.devices(), device_name)
    command = decide.command(Preview(clip=offer.id), device, keys, now=steps.clock().now())
    filters = [
        topics.preview_filter(device.name, offer.id),
        topics.release(device.name, command.subject),
        *exchange.presence_topics(device.name),
    ]
    with fetch.new_file(target) as out, tempfile.TemporaryFile() as spool:
        arriving = out if sealed else spool
        with (
            exchange.connect(home.settings().mqtt, filters) as session,
            view.progress(f"clip {offer.id}", offer.bytes) as progress,
        ):
            presence = exchange.presence(session, device.name)
            if presence.offline:
                away = steps.away(steps.kept_inbox(home), device.name, presence)
                raise NetworkFault(away, advice=_ONLINE_AGAIN)
            exchange.send(session, command)
            chunks = exchange.chunks(session, command, offer.id, keys)
            fetch.assemble(offer, chunks, arriving, progress=progress)
        if edited is not None:
            fetch.render(spool, keys.identity, out, edited, truncated=offer.truncated)
        elif not sealed:
            fetch.decrypt(spool, keys.identity, out, truncated=offer.truncated)
