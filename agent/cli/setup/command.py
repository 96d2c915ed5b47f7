"""``clip-agent setup``: settings, keys and broker of this device, and its pairing with an owner.

Steps, each of which leaves alone what is right already, so that a setup that was cut off goes on
where it stopped:

1. ask what no option says and the machine does not tell, unless there is an agent.yaml;
2. write agent.yaml, an empty list of requesters, and the folder of owners' cards;
3. make the device's keys and its card;
4. configure the Mosquitto of this machine, unless another broker was named;
5. show a code, and exchange cards with the owner's computer.
"""

from __future__ import annotations

import argparse
import socket
import time
from pathlib import Path
from typing import Any

from agent import config, files
from agent.cli.as_owner import owner_of
from agent.cli.setup import agent_yaml, cameras
from agent.cli.setup.device_pairing import pair
from agent.cli.setup.host import PairedDevice
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.questions import Questions
from agent.cli.setup.steps import Steps
from agent.config import Config
from agent.consent.cards import format_fingerprint
from agent.gateway import device_keys
from agent.options import broker as broker_options

_PASSWORD_NAME = "mqtt-password"  # noqa: S105 - a file's name
_LOGIN_NAME = "camera-login"
_CERTIFICATE_NAMES_FROM = "192.0.2.1"  # an address that nobody has (RFC 5737)


def setup(arguments: argparse.Namespace) -> int:
    """``clip-agent setup``"""
    steps, path = Steps(arguments.dry_run), arguments.config.absolute()
    mosquitto = LocalBroker(arguments.mosquitto.absolute(), steps)
    is_local = arguments.broker is None and mosquitto.is_there
    if not files.exists(path):
        _write_settings(arguments, steps, path, is_local=is_local)
        if arguments.dry_run:
            return 0
    settings = config.load(path, is_paired=False)
    steps.folder(path.parent / agent_yaml.OWNERS)
    if not files.exists(settings.requesters):
        steps.write(settings.requesters, agent_yaml.no_requesters().encode())
    keys = _make_keys(settings, steps)
    uses_local = (
        mosquitto.is_there
        and _is_loopback(settings.mqtt.host)
        and settings.mqtt.password_file is not None
    )
    if uses_local:
        mosquitto.prepare(
            settings.device.name,
            settings.mqtt,
            like=settings.state_dir / "gateway",
            names=_names(arguments.address),
        )
    if keys is None or arguments.no_pair:
        return 0
    if settings.owners and not arguments.pair:
        count = len(settings.owners)
        owners = "1 owner" if count == 1 else f"{count} owners"
        steps.say(f"This camera is set up, with {owners}; --pair pairs with one more")
        return 0
    device = PairedDevice(
        path,
        settings,
        keys.card(settings.device.name),
        mosquitto if uses_local else None,
        steps,
        address=arguments.address or _names(None)[0],
    )
    with device.open_to_pairing():
        owner = pair(device, device.broker_settings())
    steps.say(f"\nPaired with {owner.name}")
    steps.say(f"Their fingerprint:  {format_fingerprint(owner.fingerprint)}")
    steps.say(f"This camera's:      {format_fingerprint(keys.id)}")
    _tell_next(steps, path, is_first=not settings.owners)
    return 0


def _write_settings(
    arguments: argparse.Namespace, steps: Steps, path: Path, *, is_local: bool
) -> None:
    broker = _broker(arguments, is_local=is_local)
    questions = Questions()
    name = questions.name(arguments.name)
    latitude, longitude = questions.place(arguments.place)
    source, login = questions.camera(arguments.camera, cameras.find())
    state_dir = arguments.state_dir.absolute()
    if login is not None:
        line = f"{login}\n".encode()
        steps.write(path.with_name(_LOGIN_NAME), line, mode=0o400, like=state_dir / "camera")
        source = {**source, "credentials_file": _LOGIN_NAME}
    content = {
        "device": {"name": name, "place": {"latitude": latitude, "longitude": longitude}},
        "owners": [agent_yaml.OWNERS],
        "requesters": "requesters.yaml",
        "state_dir": str(state_dir),
        "camera": {"source": source},
        "mqtt": broker if not is_local else {**broker, "username": name},
    }
    text = agent_yaml.new(content, now=time.time())
    config.parse_yaml(text, Config, str(path), base=path.parent)
    steps.folder(path.parent)
    steps.write(path, text.encode())


def _broker(arguments: argparse.Namespace, *, is_local: bool) -> dict[str, Any]:
    if is_local:
        return {"host": "127.0.0.1", "password_file": _PASSWORD_NAME}
    if arguments.broker is None:
        raise config.ConfigError(
            "there is no Mosquitto on this machine",
            advice="Install it (`apt-get install mosquitto`), or name another broker by --broker",
        )
    broker = broker_options(arguments)
    plain: dict[str, Any] = {"host": broker.host, "port": broker.port}
    if broker.username is not None:
        plain["username"] = broker.username
    if broker.password_file is not None:
        plain["password_file"] = str(broker.password_file)
    if broker.tls is not None:
        ca_file = broker.tls.ca_file
        plain["tls"] = {} if ca_file is None else {"ca_file": str(ca_file)}
    return plain


def _make_keys(settings: Config, steps: Steps) -> device_keys.DeviceKeys | None:
    path = device_keys.path_of(settings.state_dir)
    with owner_of(path.parents[1]):
        is_new = not files.exists(path)
        if steps.dry_run:
            if is_new:
                steps.say(f"would make   {path}")
            return None
        keys = device_keys.load_or_create(settings.state_dir, name=settings.device.name)
    if is_new:
        steps.say(f"makes        {path}")
    return keys


def _is_loopback(host: str) -> bool:
    return host in ("127.0.0.1", "localhost", "::1")


def _names(address: str | None) -> list[str]:
    """Names and addresses by which other computers may reach this one."""
    host = socket.gethostname()
    names = [] if address is None else [address.rpartition(":")[0] or address]
    names += [f"{host}.local" if "." not in host else host, host]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_CERTIFICATE_NAMES_FROM, 9))  # sends nothing, chooses the interface
            names.append(probe.getsockname()[0])
        except OSError:
            pass  # no network yet
    return list(dict.fromkeys([*names, "localhost", "127.0.0.1"]))


def _tell_next(steps: Steps, path: Path, *, is_first: bool) -> None:
    if is_first:
        steps.say(f"\nNext: `sudo clip-agent check --config {path}`, then")
        steps.say("  sudo systemctl enable --now clip-agent.target")
    else:
        steps.say("\nCamera and gateway read the owners' cards when they start:")
        steps.say("  sudo systemctl restart clip-agent-camera clip-agent-gateway")
