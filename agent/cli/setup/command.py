"""``clip-agent setup``: users, settings, keys, broker and services of this device, and its pairing.

Steps, each of which leaves alone what is right already, so that a setup that was cut off goes on
where it stopped:

1. make the services' users, folders and units, where systemd runs;
2. ask what no option says and the machine does not tell, unless there is an agent.yaml;
3. write agent.yaml, an empty list of requesters, and the folder of owners' cards;
4. make the device's keys and its card;
5. configure the Mosquitto of this machine, unless another broker was named;
6. show a code, and exchange cards with the owner's computer;
7. start both services, and check them.

``--name`` sets up one more camera beside that of agent.yaml, if that one has another name.
With ``--code`` the broker is another camera's, which gives this one a login between 2 and 3.
``--remove`` takes all of it back but clips, keys and ledger.
"""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

from agent import config, files
from agent.cli import check
from agent.cli.instance import Instance
from agent.cli.setup import agent_yaml
from agent.cli.setup.device_pairing import pair
from agent.cli.setup.host import PairedDevice
from agent.cli.setup.local_broker import LocalBroker
from agent.cli.setup.new_settings import SECRETS, make_keys, write_settings
from agent.cli.setup.steps import Steps, alone
from agent.cli.setup.system import System
from agent.consent.cards import format_fingerprint
from agent.errors import ConfigError

_CERTIFICATE_NAMES_FROM = "192.0.2.1"  # an address that nobody has (RFC 5737)


def setup(arguments: argparse.Namespace) -> int:
    """``clip-agent setup``"""
    steps = Steps(arguments.dry_run)
    instance = _instance(arguments.config.absolute(), arguments.name)
    path = instance.config
    arguments.state_dir = arguments.state_dir or instance.state_dir
    mosquitto = LocalBroker(arguments.mosquitto.absolute(), steps)
    system = System(steps, instance)
    has_services = system.manages()
    if arguments.remove:
        _remove(steps, instance, mosquitto, system if has_services else None)
        return 0
    if has_services:
        system.prepare()
    is_local = arguments.broker is None and mosquitto.is_there
    if not files.exists(path):
        if is_local and (foreign := mosquitto.foreign_settings()) is not None:
            raise ConfigError(
                f"{foreign}: Mosquitto is configured already",
                advice="Give this camera a user there (config/mosquitto/clip-agent.acl shows the"
                " rules), and name that: --broker 127.0.0.1 --username NAME --password-file FILE",
            )
        write_settings(arguments, steps, path, is_local=is_local)
        if arguments.dry_run:
            return 0
    elif arguments.code is not None:
        raise ConfigError(
            f"{path}: is there already, and names a broker",
            advice="--code is for a new camera. Remove the file to set this one up anew",
        )
    with alone(arguments.mosquitto if mosquitto.is_there else path.parent):
        _complete(arguments, steps, path, mosquitto)
    settings = config.load(path, is_paired=False)
    if not has_services or not settings.owners:
        return 0
    system.start(settings)
    return 0 if steps.dry_run else check.run(path)


def _instance(path: Path, name: str | None) -> Instance:
    """The camera that is meant: ``name`` is one more, if agent.yaml is another's."""
    first = Instance.of(path)
    further = Instance.of(path.with_name(f"{name}.yaml"))
    is_set_up = name is not None and files.exists(further.config) and further.folder.is_dir()
    if first.name or name is None:
        chosen = first
    elif is_set_up or _name_in(path) not in (None, name):
        chosen = further
    else:
        chosen = first
    chosen.check_name()
    return chosen


def _name_in(path: Path) -> str | None:
    return config.load(path, is_paired=False).device.name if files.exists(path) else None


def _remove(
    steps: Steps, instance: Instance, mosquitto: LocalBroker, system: System | None
) -> None:
    """Take back what this command wrote. The state's folder and the owners' cards stay."""
    path = instance.config
    settings = config.load(path, is_paired=False) if files.exists(path) else None
    if settings is None and instance.name and not instance.folder.is_dir():
        raise ConfigError(
            f"{path}: there is no camera of this name",
            advice="`ls /etc/clip-agent/*.yaml` shows the cameras of this machine",
        )
    if system is not None:
        system.remove()
    if mosquitto.is_there and not instance.others():
        mosquitto.dismantle()
    elif mosquitto.is_there and settings is not None and _is_loopback(settings.mqtt.host):
        mosquitto.forget(settings.mqtt.username or settings.device.name)
    for name in SECRETS:
        steps.remove(instance.folder / name)
    steps.remove(path)
    if settings is not None:
        state = settings.state_dir
        steps.say(f"Clips, keys and ledger stay in {state}. To delete them: sudo rm -r {state}")


def _complete(
    arguments: argparse.Namespace, steps: Steps, path: Path, mosquitto: LocalBroker
) -> None:
    """Steps 3 to 6 for the agent.yaml at ``path``."""
    steps.folder(Instance.of(path).folder)
    steps.folder(agent_yaml.owners_of(path))  # first: a name of nothing counts as a card
    settings = config.load(path, is_paired=False)
    if not files.exists(settings.requesters):
        steps.write(settings.requesters, agent_yaml.no_requesters().encode())
    keys = make_keys(settings.state_dir, settings.device.name, steps)
    uses_local = (
        mosquitto.is_there
        and mosquitto.foreign_settings() is None
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
        return
    if settings.owners and not arguments.pair:
        count = len(settings.owners)
        owners = "1 owner" if count == 1 else f"{count} owners"
        steps.say(f"This camera is set up, with {owners}; --pair pairs with one more")
        return
    device = PairedDevice(
        path,
        settings,
        keys.card(settings.device.name),
        mosquitto if uses_local else None,
        steps,
        address=arguments.address or _names(None)[0],
    )
    with device.open_to_pairing():
        comer = pair(device, device.broker_settings())
    steps.say(f"\nPaired with {comer.name}")
    steps.say(f"Their fingerprint:  {format_fingerprint(comer.fingerprint)}")
    steps.say(f"This camera's:      {format_fingerprint(keys.id)}")


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
