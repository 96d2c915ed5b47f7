"""The settings of a new camera: asked, or found out, and written with the files beside them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

from agent import config, files, options
from agent.cli.as_owner import owner_of
from agent.cli.setup import agent_yaml, cameras
from agent.cli.setup.joining import join
from agent.cli.setup.questions import Questions
from agent.cli.setup.steps import Steps
from agent.config import Config
from agent.errors import ConfigError
from agent.gateway import device_keys
from agent.gateway.device_keys import DeviceKeys
from agent.pairing.code import PairingCode

_PASSWORD_NAME: Final = "mqtt-password"  # noqa: S105 - a file's name
_CA_NAME: Final = "broker-ca.pem"
_LOGIN_NAME: Final = "camera-login"
SECRETS: Final = (_PASSWORD_NAME, _CA_NAME, _LOGIN_NAME)  # beside agent.yaml
_TLS_PORT: Final = 8883
_PLAIN_PORT: Final = 1883


def write_settings(
    arguments: argparse.Namespace, steps: Steps, path: Path, *, is_local: bool
) -> None:
    """Write agent.yaml as the last of its files. Raises ConfigError for what cannot be asked."""
    if arguments.broker is None and arguments.code is not None:
        raise ConfigError("--code needs --broker", advice="Type what the other camera shows")
    if arguments.broker is None and not is_local:
        raise ConfigError(
            "there is no Mosquitto on this machine",
            advice="Install it (`apt-get install mosquitto`), or name another broker by --broker",
        )
    code = None if arguments.code is None else PairingCode.parse(arguments.code)
    questions = Questions()
    name = questions.name(arguments.name)
    latitude, longitude = questions.place(arguments.place)
    source, login = questions.camera(arguments.camera, cameras.find())
    state_dir = arguments.state_dir.absolute()
    steps.folder(path.parent)
    if login is not None:
        line = f"{login}\n".encode()
        steps.write(path.with_name(_LOGIN_NAME), line, mode=0o400, like=state_dir / "camera")
        source = {**source, "credentials_file": _LOGIN_NAME}
    if is_local:
        broker = {"host": "127.0.0.1", "username": name, "password_file": _PASSWORD_NAME}
    elif code is not None:
        broker = _joined(arguments, steps, path, name, code)
    else:
        broker = _named(arguments, steps, path)
    content = {
        "device": {"name": name, "place": {"latitude": latitude, "longitude": longitude}},
        "owners": [agent_yaml.OWNERS],
        "requesters": "requesters.yaml",
        "state_dir": str(state_dir),
        "camera": {"source": source},
        "mqtt": broker,
    }
    text = agent_yaml.new(content, now=time.time())
    config.parse_yaml(text, Config, str(path), base=path.parent)
    steps.write(path, text.encode())


def _named(arguments: argparse.Namespace, steps: Steps, path: Path) -> dict[str, Any]:
    """The broker of the options; its password is copied for the gateway."""
    broker = options.broker(arguments)
    plain: dict[str, Any] = {"host": broker.host, "port": broker.port}
    if broker.username is not None:
        plain["username"] = broker.username
    if broker.password_file is not None:
        _write_password(arguments, steps, path, config.first_line(broker.password_file))
        plain["password_file"] = _PASSWORD_NAME
    if broker.tls is not None:
        ca_file = broker.tls.ca_file
        plain["tls"] = {} if ca_file is None else {"ca_file": str(ca_file)}
    return plain


def _joined(
    arguments: argparse.Namespace, steps: Steps, path: Path, name: str, code: PairingCode
) -> dict[str, Any]:
    """The broker beside another camera, which shows the code."""
    default = _PLAIN_PORT if arguments.no_tls else _TLS_PORT
    host, port = options.split_address(arguments.broker, default_port=default)
    plain: dict[str, Any] = {"host": host, "port": port, "username": name}
    plain["password_file"] = _PASSWORD_NAME
    keys = make_keys(arguments.state_dir.absolute(), name, steps)
    if keys is None:
        return plain | ({} if arguments.no_tls else {"tls": {}})
    joined = join(keys.card(name), code, host, port, is_encrypted=not arguments.no_tls)
    _write_password(arguments, steps, path, joined.login.password)
    if joined.ca is not None and not arguments.no_tls:
        steps.write(path.with_name(_CA_NAME), joined.ca.encode(), mode=0o644)
        return plain | {"tls": {"ca_file": _CA_NAME}}
    return plain | ({} if arguments.no_tls else {"tls": {}})


def _write_password(arguments: argparse.Namespace, steps: Steps, path: Path, password: str) -> None:
    like = arguments.state_dir.absolute() / "gateway"
    line = f"{password}\n".encode()
    steps.write(path.with_name(_PASSWORD_NAME), line, mode=0o400, like=like)


def make_keys(state_dir: Path, name: str, steps: Steps) -> DeviceKeys | None:
    """Make the device's keys and card, as the gateway's user; None in a dry run."""
    path = device_keys.path_of(state_dir)
    with owner_of(path.parents[1]):
        is_new = not files.exists(path)
        if steps.dry_run:
            if is_new:
                steps.say(f"would make   {path}")
            return None
        keys = device_keys.load_or_create(state_dir, name=name)
    if is_new:
        steps.say(f"makes        {path}")
    return keys
