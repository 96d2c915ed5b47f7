"""``clip-agent requester ...``: options, order of steps, and words; the work is elsewhere."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import options
from agent.requester.terminal import post as public

if TYPE_CHECKING:
    from agent.keyfile import Keys
    from agent.requester.bundle.verify import OpenedBundle
    from agent.requester.folder import RequesterFolder

DEFAULT_HOME = Path("~/.config/clip-agent/requester")
DEFAULT_LISTEN = "127.0.0.1:1080"


def register(groups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the group ``requester``."""
    text = "ask the public for clips, and receive what owners let go"
    group = groups.add_parser("requester", help=text, description=text)
    commands = group.add_subparsers(metavar="COMMAND", required=True)

    init = _add(commands, "init", _init, "make your keys")
    init.add_argument("--name", required=True, help="who you are, as owners will read it")
    init.add_argument("--feed", default="clip-feed", metavar="TOPIC", help="the feed to post on")
    options.add_broker(init)
    options.add_passphrase(init)

    card = _add(commands, "card", _card, "print your card, or make it anew")
    card.add_argument(
        "--host",
        action="append",
        metavar="HOST[:PORT]",
        help="where bundles may be uploaded to; makes the card anew",
    )
    card.add_argument("--contact", default="", metavar="TEXT", help="how owners reach you")
    options.add_passphrase(card)

    _register_public(commands)

    receive = commands.add_parser("receive", help="receive uploads (tus 1.0)")
    receive.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    receive.add_argument("--dir", type=Path, required=True, help="where bundles go")
    receive.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    receive.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    receive.add_argument(
        "--max-bytes", type=int, default=2_000_000_000, help="largest bundle (default 2 GB)"
    )
    receive.set_defaults(run=_receive)

    opening = _add(commands, "open", _open, "open a bundle and check that it holds together")
    opening.add_argument("bundle", type=Path, metavar="BUNDLE.age")
    opening.add_argument("--output", type=Path, metavar="DIR", help="default: beside the bundle")
    options.add_json(opening)
    options.add_passphrase(opening)


def _register_public(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    post = _add(commands, "post", public.post, "sign a request and post it in public")
    alert = _add(commands, "alert", public.alert, "inform the public; nobody can answer")
    post.add_argument(
        "--allow-loopback-http",
        action="store_true",
        help="take http://127.0.0.1 for upload: for demonstrations and tests only",
    )
    for command, action in ((post, _RequestExample), (alert, _AlertExample)):
        command.add_argument("--example", action=action, help="print a file to begin with, and end")
        command.add_argument(
            "file", type=Path, metavar="FILE", help="YAML; or a .jws that was signed before"
        )
        how = command.add_mutually_exclusive_group()
        how.add_argument(
            "--sign-only",
            type=Path,
            metavar="NEW.jws",
            help="sign into this file, for a public log, and post nothing yet",
        )
        how.add_argument(
            "--proof", type=Path, metavar="FILE", help="the public log's proof (C2SP tlog-proof)"
        )
        how.add_argument(
            "--log",
            type=Path,
            metavar="DIR",
            help="a small log made by `requester log`: for demonstrations and tests only",
        )
        command.add_argument(
            "--link",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="with --proof: how the log has grown since the feed last used it",
        )
    withdraw = _add(commands, "withdraw", public.withdraw, "ask no longer what was asked")
    withdraw.add_argument("request", help="the first digits of the request's digest")
    withdraw.add_argument("--yes", action="store_true", help="do not ask again")
    for command in (post, alert, withdraw):
        options.add_json(command)
        options.add_passphrase(command)

    log = _add(commands, "log", public.log, "a small public log, for demonstrations and tests only")
    log.add_argument("folder", type=Path, metavar="DIR")
    log.add_argument("--name", metavar="HOST/NAME", help="make a new one, of this name")
    options.add_json(log)


class _RequestExample(argparse.Action):
    """Like ``--help``: prints, and ends."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **rest)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(self.text(), end="")
        parser.exit()

    def text(self) -> str:
        """What to print."""
        from datetime import datetime

        from agent.requester.posts import request_file as posting

        return posting.example(datetime.now().astimezone())


class _AlertExample(_RequestExample):
    def text(self) -> str:
        """See above."""
        from agent.requester.posts import alert_file as informing

        return informing.EXAMPLE


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


def _init(arguments: argparse.Namespace) -> int:
    import time

    from agent import keyfile
    from agent.config import Feed
    from agent.requester.folder import RequesterFolder, Settings

    broker = options.broker(arguments)
    settings = Settings(name=arguments.name, broker=broker, feed=Feed(topic=arguments.feed))
    keyfile.refuse_existing(RequesterFolder(arguments.home).key_path)
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    keys = keyfile.Keys.generate()
    locked = keyfile.lock(keys, "requester", passphrase, now=time.time())
    home = RequesterFolder.create(arguments.home, locked, settings)
    home.settings()  # what a person typed may not be what the file allows
    print(f"Your keys: {home.key_path}, opened by your passphrase alone")
    print("Next: clip-agent requester card --host HOST, where owners may upload to")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from agent.consent.cards import format_card

    home = _home(arguments)
    if arguments.host:
        keys = _unlock(home, arguments)
        card = home.make_card(keys, hosts=arguments.host, contact=arguments.contact)
    else:
        card = home.card()
    print(format_card(card), end="")
    return 0


def _receive(arguments: argparse.Namespace) -> int:
    import signal

    from agent.errors import ConfigError
    from agent.requester.receiver.server import Receiver
    from agent.requester.receiver.uploads import Limits

    host, port = options.split_address(arguments.listen, default_port=1080)
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together")
    receiver = Receiver(
        arguments.dir,
        host=host,
        port=port,
        certificate=arguments.tls_cert,
        private_key=arguments.tls_key,
        limits=Limits(max_bytes=arguments.max_bytes),
        on_finished=lambda path: print(f"received {path}", flush=True),
    )
    receiver.start()
    print(f"receiving at {receiver.url} into {arguments.dir}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: receiver.end())
    receiver.wait()
    receiver.stop()
    return 0


def _open(arguments: argparse.Namespace) -> int:
    from agent.requester.bundle.verify import open_bundle

    output = arguments.output or arguments.bundle.with_suffix("")
    opened = open_bundle(arguments.bundle, _unlock(_home(arguments), arguments), output)
    if arguments.json:
        print(json.dumps(_plain(opened), indent=2))
        return 0
    print("bundle: ok")
    if opened.request is None:
        print("shared by its owner, without a request")
    else:
        print(f"request {(opened.request_digest or '')[:16]}, {opened.request.reference}")
    print(f"released by the device {opened.release.iss}")
    print(f"approved by the owner  {opened.approval.iss}")
    if opened.second is not None:
        print(f"and by the owner       {opened.second.iss}")
    for clip in opened.clips:
        print(clip)
    return 0


def _plain(opened: OpenedBundle) -> dict[str, object]:
    import msgspec

    return {
        "bundle": "ok",
        "folder": str(opened.folder),
        "clips": [str(clip) for clip in opened.clips],
        "request": opened.request_digest,
        "reference": opened.request.reference if opened.request else None,
        "device": opened.release.iss,
        "owner": opened.approval.iss,
        "second_owner": opened.second.iss if opened.second else None,
        "release": msgspec.to_builtins(opened.release),
    }


def _home(arguments: argparse.Namespace) -> RequesterFolder:
    from agent.requester.folder import RequesterFolder

    return RequesterFolder(arguments.home)


def _unlock(home: RequesterFolder, arguments: argparse.Namespace) -> Keys:
    from agent import keyfile

    return home.unlock(keyfile.obtain_passphrase(arguments.passphrase_file, new=False))
