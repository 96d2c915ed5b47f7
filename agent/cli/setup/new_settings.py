"""The settings of a new camera: asked, or found out, and written with the files beside them."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

from agent import config, files, options
from agent.cli.as_owner import owner_of
from agent.cli.instance import Instance
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
    source, login = _camera(arguments.camera, questions, Instance.of(path))
    state_dir = arguments.state_dir.absolute()
    steps.folder(path.parent)
    steps.folder(Instance.of(path).folder)
    if login is not None:
        line, place = f"{login}\n".encode(), _beside(path, _LOGIN_NAME)
        steps.write(place, line, mode=0o400, like=state_dir / "camera")
        source = {**source, "credentials_file": _in_text(path, _LOGIN_NAME)}
    if is_local:
        broker = {"host": "127.0.0.1", "username": name}
        broker["password_file"] = _in_text(path, _PASSWORD_NAME)
    elif code is not None:
        broker = _joined(arguments, steps, path, name, code)
    else:
        broker = _named(arguments, steps, path)
    content = {
        "device": {"name": name, "place": {"latitude": latitude, "longitude": longitude}},
        "owners": [str(agent_yaml.owners_of(path).relative_to(path.parent))],
        "requesters": "requesters.yaml",
        "state_dir": str(state_dir),
        "camera": {"source": source},
        "mqtt": broker,
    }
    text = agent_yaml.new(content, now=time.time())
    config.parse_yaml(text, Config, str(path), base=path.parent)
    steps.write(path, text.encode())


def _camera(
    given: str | None, questions: Questions, instance: Instance
) -> tuple[dict[str, Any], str | None]:
    """The camera's section and login; ConfigError if it is another one's of this machine."""
    taken = {}
    for other in instance.others():
        device = cameras.device_in(config.load(other.config, is_paired=False))
        if device is not None:
            taken[device] = other.config
    found = [one for one in cameras.find() if cameras.device_of(one.source) not in taken]
    source, login = questions.camera(given, found)
    if (config_of := taken.get(cameras.device_of(source))) is not None:
        raise ConfigError(
            f"this camera is that of {config_of} already",
            advice="Name another one by --camera; one camera records once",
        )
    return source, login


def _beside(path: Path, name: str) -> Path:
    return Instance.of(path).folder / name


def _in_text(path: Path, name: str) -> str:
    """The same as agent.yaml says it, from where that is."""
    return str(_beside(path, name).relative_to(path.parent))


def _named(arguments: argparse.Namespace, steps: Steps, path: Path) -> dict[str, Any]:
    """The broker of the options; its password is copied for the gateway."""
    broker = options.broker(arguments)
    plain: dict[str, Any] = {"host": broker.host, "port": broker.port}
    if broker.username is not None:
        plain["username"] = broker.username
    if broker.password_file is not None:
        _write_password(arguments, steps, path, config.first_line(broker.password_file))
        plain["password_file"] = _in_text(path, _PASSWORD_NAME)
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
    plain["password_file"] = _in_text(path, _PASSWORD_NAME)
    keys = make_keys(arguments.state_dir.absolute(), name, steps)
    if keys is None:
        return plain | ({} if arguments.no_tls else {"tls": {}})
    joined = join(keys.card(name), code, host, port, is_encrypted=not arguments.no_tls)
    _write_password(arguments, steps, path, joined.login.password)
    if joined.ca is not None and not arguments.no_tls:
        steps.write(_beside(path, _CA_NAME), joined.ca.encode(), mode=0o644)
        return plain | {"tls": {"ca_file": _in_text(path, _CA_NAME)}}
    return plain | ({} if arguments.no_tls else {"tls": {}})


def _write_password(arguments: argparse.Namespace, steps: Steps, path: Path, password: str) -> None:
    like = arguments.state_dir.absolute() / "gateway"
    line = f"{password}\n".encode()
    steps.write(_beside(path, _PASSWORD_NAME), line, mode=0o400, like=like)


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
