"""``owner pair``: make keys if there are none, and pair with a camera by its code."""

from __future__ import annotations

import argparse
import sys
import time

from agent import keyfile, options
from agent.config import Broker, Tls
from agent.consent.cards import format_fingerprint
from agent.errors import ConfigError
from agent.owner.home import keys
from agent.owner.home.folder import OwnerFolder, Settings
from agent.owner.pairing.broker_access import Way
from agent.owner.pairing.run import pair as run_pairing
from agent.owner.terminal.keys import tell_of_keys
from agent.pairing.code import PairingCode

_PLAIN_PORT = 1883
_TLS_PORT = 8883


def pair(arguments: argparse.Namespace) -> int:
    """``owner pair``"""
    code = PairingCode.parse(arguments.code)
    folder = OwnerFolder(arguments.home)
    way = _way(arguments, folder)
    if not folder.key_path.exists():
        _make_keys(arguments, folder, way)
    me = folder.card()
    print(f"Code {code}: looking for the camera at {way.host}:{way.port}", flush=True)
    paired = run_pairing(folder, code, way)
    camera = paired.camera
    print(f"Paired with {camera.name}" if paired.is_new else f"{camera.name} was paired already")
    print(f"Its fingerprint:   {format_fingerprint(camera.fingerprint)}")
    print(f"Yours:             {format_fingerprint(me.fingerprint)}")
    print("Both are on the camera's screen too.")
    print("\nNext: `clip-agent owner inbox`, or `clip-agent owner console` for your browser.")
    return 0


def _way(arguments: argparse.Namespace, folder: OwnerFolder) -> Way:
    """The broker of the options; without any, that of the owner's other cameras."""
    if arguments.broker is None:
        if not folder.key_path.exists():
            raise ConfigError(
                "the broker is missing",
                advice="Type the command that the camera shows: it names the broker by --broker",
            )
        return Way.known(folder.settings().mqtt)
    if arguments.username is not None:
        own = options.broker(arguments)
        return Way(own.host, own.port, own.tls is not None, own)
    if arguments.tls or arguments.ca_file is not None:
        raise ConfigError(
            "--tls and --ca-file go with --username",
            advice="Leave them out: the camera brings the broker's certificate",
        )
    default = _PLAIN_PORT if arguments.no_tls else _TLS_PORT
    host, port = options.split_address(arguments.broker, default_port=default)
    if arguments.no_tls and port == _TLS_PORT:
        raise ConfigError(f"port {_TLS_PORT} is for TLS", advice="Leave out --no-tls")
    return Way(host, port, not arguments.no_tls and port != _PLAIN_PORT)


def _make_keys(arguments: argparse.Namespace, folder: OwnerFolder, way: Way) -> None:
    keyfile.refuse_used(folder.path)
    name: str | None = arguments.name
    if name is None and sys.stdin.isatty():
        name = input("Your name, as your cameras show it: ").strip()
    passphrase = keyfile.obtain_passphrase(arguments.passphrase_file, new=True)
    owner = keys.make(name or "owner", passphrase, now=time.time())
    tls = Tls() if way.is_encrypted else None
    broker = way.own or Broker(host=way.host, port=way.port, tls=tls)
    OwnerFolder.create(folder.path, owner, Settings(mqtt=broker))
    tell_of_keys(folder)
