"""``clip-agent owner ...``: options, order of steps, and words; the work is elsewhere.

Every command unlocks the keys at most once, and only if it needs them: ``show``
and ``card`` do not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import options

if TYPE_CHECKING:
    from agent.clock import Clock
    from agent.consent.statements import Box, ClipOffer, Cut, Outcome
    from agent.keyfile import Keys
    from agent.owner.decide import Decision
    from agent.owner.home import Home
    from agent.owner.inbox import Inbox, OpenRequest

DEFAULT_HOME = Path("~/.config/clip-agent/owner")


def register(groups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the group ``owner``."""
    text = "your keys, who asks for your clips, and your answers"
    group = groups.add_parser("owner", help=text, description=text)
    commands = group.add_subparsers(metavar="COMMAND", required=True)

    init = _add(commands, "init", _init, "make your keys and a recovery sheet")
    init.add_argument("--name", default="owner", help="how your cameras call you")
    options.add_broker(init)
    options.add_passphrase(init)

    card = _add(commands, "card", _card, "print your card, or enrol a camera")
    card.add_argument("--add", type=Path, metavar="FILE", help="a camera's device.card.yaml")

    inbox = _add(commands, "inbox", _inbox, "collect and list open requests and releases")
    options.add_json(inbox)
    options.add_passphrase(inbox)
    inbox.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait this long for a request if none is open",
    )

    show = _add(commands, "show", _show, "a request in full, with its clips")
    show.add_argument("request", help="the first digits of its digest")
    options.add_json(show)

    preview = _add(commands, "preview", _preview, "see a clip before you decide")
    _add_clip(preview)

    save = _add(commands, "save", _save, "keep a clip as a file")
    _add_clip(save)
    save.add_argument("--output", type=Path, metavar="FILE", help="default: <clip>.mp4")
    save.add_argument("--sealed", action="store_true", help="as it lies on the camera, unopened")

    _register_decisions(commands)


def _register_decisions(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    approve = _add(commands, "approve", _approve, "let clips go to the author of a request")
    approve.add_argument("request", help="the first digits of its digest")
    approve.add_argument("clips", nargs="+", metavar="clip", help="number or id of a clip")
    approve.add_argument(
        "--cut",
        type=_cut,
        action="append",
        default=[],
        metavar="CLIP=FROM-TO",
        help="only this part may leave, in seconds",
    )
    approve.add_argument(
        "--blur",
        type=_blur,
        action="append",
        default=[],
        metavar="CLIP=X,Y,W,H",
        help="make a region unrecognisable, as shares of the picture",
    )
    for field in ("name", "address", "email"):
        approve.add_argument(f"--tell-{field}", metavar="TEXT", help=f"tell them your {field}")
    approve.add_argument(
        "--days", type=float, default=2.0, help="how long the camera may try (default 2, at most 7)"
    )
    approve.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="stay for what becomes of it, at most this long",
    )
    decline = _add(commands, "decline", _decline, "answer a request with silence, for good")
    decline.add_argument("request", help="the first digits of its digest")
    for command in (approve, decline):
        command.add_argument("--yes", action="store_true", help="do not ask again")
        options.add_passphrase(command)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: object,
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    options.add_home(command, DEFAULT_HOME)
    command.set_defaults(run=function)
    return command


def _add_clip(command: argparse.ArgumentParser) -> None:
    command.add_argument("clip", help="id of a clip, or its number with --request")
    command.add_argument("--request", help="the first digits of the request's digest")
    options.add_passphrase(command)


def _cut(text: str) -> tuple[str, Cut]:
    from agent.owner import decide

    try:
        return decide.parse_cut(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _blur(text: str) -> tuple[str, Box]:
    from agent.owner import decide

    try:
        return decide.parse_blur(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# Keys and cards


def _init(arguments: argparse.Namespace) -> int:
    import time

    from agent import keyfile
    from agent.owner import keys
    from agent.owner.home import Home, Settings

    settings = Settings(mqtt=options.broker(arguments))
    keyfile.refuse_existing(Home(arguments.home).key_path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    owner = keys.make(arguments.name, passphrase, now=time.time())
    home = Home.create(arguments.home, owner, settings)
    print(f"Your keys:       {home.key_path}, opened by your passphrase alone")
    print(f"Your card:       {home.card_path}, for your cameras (owners: in agent.yaml)")
    print(f"Recovery sheet:  {home.path / 'recovery.txt'}")
    print("Print the recovery sheet, keep it on paper, and delete the file.")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from agent.consent import signing

    home = _home(arguments)
    if arguments.add is None:
        print(signing.format_card(home.card()), end="")
        return 0
    card = home.enrol(arguments.add)
    print(f"enrolled the camera {card.name} with the key {card.id}")
    return 0


# Reading


def _inbox(arguments: argparse.Namespace) -> int:
    from agent.owner import exchange, view
    from agent.owner.inbox import Inbox, devices_or_advice

    home = _home(arguments)
    clock = _clock()
    devices = devices_or_advice(home)
    settings, keys = home.settings(), _unlock(home, arguments)
    inbox = Inbox(home, devices)
    with exchange.connect(settings.mqtt, exchange.letter_filters(devices)) as session:
        exchange.collect(session, inbox, devices, keys, clock=clock, wait_seconds=arguments.wait)
    requests, releases = inbox.requests(), inbox.releases()
    if arguments.json:
        plain = {
            "requests": [view.request_data(item) for item in requests],
            "releases": [view.release_data(word) for word in releases],
            "warnings": inbox.warnings,
        }
        print(json.dumps(plain, indent=2))
        return 0
    view.console().print(view.inbox(requests, releases, clock.now()))
    _warn(inbox)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from agent.owner import view

    inbox = _kept_inbox(_home(arguments))
    item = inbox.find(arguments.request)
    if arguments.json:
        print(json.dumps(view.request_data(item), indent=2))
        return 0
    view.console().print(view.request(item, _clock().now()))
    _warn(inbox)
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    import subprocess
    import tempfile

    from agent.owner import fetch

    home = _home(arguments)
    item, offer = _kept_inbox(home).find_clip(arguments.clip, arguments.request)
    folder = Path(tempfile.mkdtemp(prefix="clip-agent-"))
    target = folder / f"{offer.id}.mp4"
    keys = _unlock(home, arguments)
    try:
        _fetch(home, item, offer, keys, target, sealed=False)
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


def _save(arguments: argparse.Namespace) -> int:
    home = _home(arguments)
    item, offer = _kept_inbox(home).find_clip(arguments.clip, arguments.request)
    suffix = ".mp4.age" if arguments.sealed else ".mp4"
    target = arguments.output or Path(offer.id + suffix)
    _fetch(home, item, offer, _unlock(home, arguments), target, sealed=arguments.sealed)
    print(target)
    return 0


def _fetch(
    home: Home, item: OpenRequest, offer: ClipOffer, keys: Keys, target: Path, *, sealed: bool
) -> None:
    """Ask the camera for a clip and write it to ``target``, with a bar at a terminal."""
    import tempfile

    from agent import topics
    from agent.owner import decide, exchange, fetch, view

    device = exchange.device_of(home.devices(), item.device)
    command = decide.ask_preview(offer.id, device, keys, now=_clock().now())
    filters = [
        topics.preview_filter(device.name, offer.id),
        topics.release(device.name, command.subject),
    ]
    with fetch.new_file(target) as out, tempfile.TemporaryFile() as spool:
        arriving = out if sealed else spool
        with (
            exchange.connect(home.settings().mqtt, filters) as session,
            view.progress(f"clip {offer.id}", offer.bytes) as progress,
        ):
            exchange.send(session, command)
            chunks = exchange.chunks(session, command, offer.id, keys)
            fetch.assemble(offer, chunks, arriving, progress=progress)
        if not sealed:
            fetch.decrypt(spool, keys.identity, out, truncated=offer.truncated)


# Deciding


def _approve(arguments: argparse.Namespace) -> int:
    from agent.consent.statements import Disclosure
    from agent.owner import decide, exchange, view

    home, clock = _home(arguments), _clock()
    inbox = _kept_inbox(home)
    item = inbox.find(arguments.request)
    chosen = decide.choose(item, arguments.clips, cuts=arguments.cut, blurs=arguments.blur)
    disclose = Disclosure(
        name=arguments.tell_name, address=arguments.tell_address, email=arguments.tell_email
    )
    until = decide.approval_end(item, now=clock.now(), days=arguments.days)
    view.console().print(view.approval(item, chosen, disclose, until))
    _warn(inbox)
    options.confirm("Let this go?", yes=arguments.yes)
    keys = _unlock(home, arguments)
    decision = decide.approve(
        item,
        chosen,
        exchange.device_of(home.devices(), item.device),
        keys,
        disclose=disclose,
        now=clock.now(),
        days=arguments.days,
    )
    print(f"approval {decision.subject} is on its way to {decision.device.name}")
    return _send(home, decision, keys, wait_seconds=arguments.wait)


def _decline(arguments: argparse.Namespace) -> int:
    from agent.owner import decide, exchange

    home = _home(arguments)
    item = _kept_inbox(home).find(arguments.request)
    print(f"{item.report.record.name}: {item.request.title} ({item.digest[:16]})")
    options.confirm("Decline, for good?", yes=arguments.yes)
    device = exchange.device_of(home.devices(), item.device)
    keys = _unlock(home, arguments)
    return _send(home, decide.decline(item, device, keys, now=_clock().now()), keys)


def _send(home: Home, decision: Decision, keys: Keys, *, wait_seconds: float = 0.0) -> int:
    """Publish a decision, and stay for what becomes of it if asked to."""
    from agent import topics
    from agent.owner import exchange

    answer = topics.release(decision.device.name, decision.subject)
    with exchange.connect(home.settings().mqtt, [answer]) as session:
        exchange.send(session, decision)
        print(f"sent to {decision.device.name}")
        if wait_seconds <= 0:
            return 0
        last = exchange.follow(session, decision, keys, wait_seconds=wait_seconds, tell=_tell)
    if last is None:
        print("no final word yet: see `clip-agent owner inbox`")
        return 0
    return 0 if last.event == "SENT" else 1


def _tell(outcome: Outcome) -> None:
    print(f"{outcome.event} {outcome.detail}".rstrip())


# Small things


def _home(arguments: argparse.Namespace) -> Home:
    from agent.owner.home import Home

    return Home(arguments.home)


def _kept_inbox(home: Home) -> Inbox:
    from agent.owner.inbox import Inbox, devices_or_advice

    return Inbox(home, devices_or_advice(home))


def _unlock(home: Home, arguments: argparse.Namespace) -> Keys:
    from agent import keyfile

    return home.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))


def _clock() -> Clock:
    from agent.clock import SystemClock

    return SystemClock(synced_marker=None)


def _warn(inbox: Inbox) -> None:
    for warning in inbox.warnings:
        print(f"warning: {warning}", file=sys.stderr)
