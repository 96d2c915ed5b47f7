"""``clip-agent check``: one line for each thing that the daemons need, with the cure.

Uses the daemons' own code to look at the configuration and its cards, the keys, the disk,
the clock, the board, its memory, Python, the camera (one picture) and the brokers. Changes
nothing; every wait has a limit. Exit code 0 if all is well, 1 if not, 78 for a
configuration that cannot be used at all.
"""

from __future__ import annotations

import os
import platform
import shutil
import site
from collections.abc import Callable
from pathlib import Path

from agent import config as configuration
from agent import files
from agent.cli import sealing
from agent.cli.as_owner import owner_of
from agent.cli.broker_check import check_feed_broker, check_owners_broker
from agent.cli.instance import Instance
from agent.cli.service_check import check_services
from agent.clock import SystemClock
from agent.config import Config
from agent.consent.cards import DeviceCard, in_groups, parse_card, parse_requesters
from agent.errors import CameraFault, ClipAgentError, KeyFileError, StorageFault
from agent.gateway import device_keys
from agent.gateway.restored import database_lost, is_database_lost
from agent.host.board import Machine
from agent.parties import load_owners
from agent.vault import migration
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Index

_KINDS = {
    configuration.PiSource: "a camera on the board",
    configuration.WebcamSource: "a USB camera",
    configuration.StreamSource: "a network camera or a file",
    configuration.SceneSource: "a DRAWN STREET, no camera (camera.source.type)",
}


def run(path: Path) -> int:
    """Check the device configured in ``path``; prints a line for each thing."""
    config = configuration.load(path)
    _say(True, "config", f"{path} is well-formed")
    checks: list[tuple[str, Callable[[Config], str]]] = [
        ("services", lambda config: check_services(path, config)),
        ("device", _device),
        ("owners", lambda config: _owners(path, config)),
        ("requesters", _requesters),
        ("keys", _keys),
        ("vault", _vault),
        ("disk", _disk),
        ("clock", _clock),
        ("machine", _machine),
        ("memory", _memory),
        ("python", _python),
        ("camera", _camera),
        ("broker", check_owners_broker),
    ]
    if config.feed.broker is not None:
        feed = config.feed.broker
        checks.append(("feed", lambda config: check_feed_broker(feed, config)))
    passed = [_passes(name, check, config) for name, check in checks]
    return 0 if all(passed) else 1


def _passes(name: str, check: Callable[[Config], str], config: Config) -> bool:
    try:
        _say(True, name, check(config))
    except ClipAgentError as error:
        _say(False, name, str(error))
        return False
    return True


def _say(good: bool, name: str, text: str) -> None:
    print(f"{'ok  ' if good else 'FAIL'}  {name:10s}  {text}", flush=True)


def _device(config: Config) -> str:
    place = config.device.place
    if (place.latitude, place.longitude) == (0, 0):
        raise ClipAgentError(
            "device.place is 0, 0, in the sea: no request would reach you",
            advice="Write where the camera stands",
        )
    kind = _KINDS[type(config.camera.source)]
    return f"{config.device.name} at {place.latitude}, {place.longitude}, {kind}"


def _owners(path: Path, config: Config) -> str:
    owners = load_owners(config.owners)
    if wrong := sealing.complaint(config, owners):
        unit = Instance.of(path).services[0]
        raise ClipAgentError(wrong, advice=f"Restart it: sudo systemctl restart {unit}")
    names = (f"{card.name} ({in_groups(card.fingerprint)})" for card in owners)
    deaf = ", ".join(card.name for card in owners if card.notify is None)
    advice = (
        f". No notification key on the card of {deaf}: `clip-agent owner notification-key` makes"
        " one, and `clip-agent owner watch` then tells what waits"
    )
    return "clips are sealed to " + ", ".join(names) + (advice if deaf else "")


def _requesters(config: Config) -> str:
    text = configuration.read_text(config.requesters)
    cards = parse_requesters(text, str(config.requesters))
    if not cards:
        return "nobody may ask: the list is empty"
    names = (f"{card.name} ({in_groups(card.fingerprint)})" for card in cards.values())
    return "may ask: " + ", ".join(names)


def _keys(config: Config) -> str:
    folder = config.state_dir / "gateway" / "keys"
    with files.faults(folder):
        mode = folder.stat().st_mode if folder.exists() else None
    if mode is None:
        return "none yet: the gateway makes them at its first start"
    if mode & 0o077:
        raise KeyFileError(f"{folder}: others can enter it", advice=f"chmod 700 {folder}")
    with owner_of(folder):
        if files.exists(device_keys.path_of(config.state_dir)):
            device_keys.load(config.state_dir)
    card = device_keys.card_of(config.state_dir)
    if not files.exists(card):
        return f"in {folder}, for the gateway alone"
    device = parse_card(configuration.read_text(card), DeviceCard, str(card))
    return f"of {device.name} ({in_groups(device.fingerprint)}), for the gateway alone"


def _vault(config: Config) -> str:
    if migration.is_needed(config.state_dir):
        raise StorageFault(
            f"{config.state_dir}: is as an earlier clip-agent left it",
            advice="Stop both services, and run sudo clip-agent reindex",
        )
    records = gateway.path_of(config.state_dir)
    with owner_of(records.parent):
        if is_database_lost(config.state_dir):
            raise database_lost(config.state_dir)
        if files.exists(records):
            with GatewayDatabase.open(records, create=False) as database:
                database.verify()
    path = index.path_of(config.state_dir)
    with owner_of(path.parent):
        if not files.exists(path):
            return "empty: the camera makes the index at its first start"
        with Index.open(path, create=False) as table:
            table.verify()
            totals = table.totals()
    clips = "1 clip" if totals.count == 1 else f"{totals.count} clips"
    return f"{clips}, {totals.bytes / 1e6:.0f} MB"


def _disk(config: Config) -> str:
    above = (config.state_dir, *config.state_dir.parents)
    with files.faults(config.state_dir):
        folder = next(path for path in above if path.exists())
        is_folder = folder.is_dir()
    if not is_folder:
        raise StorageFault(f"{folder}: is not a folder", advice="Check state_dir")
    if files.is_read_only(folder):
        raise files.read_only(folder)
    if not os.access(folder, os.W_OK):
        raise StorageFault(
            f"{folder}: not writable for you", advice="Run this as the user of the daemons, or root"
        )
    free, wanted = shutil.disk_usage(folder).free, config.storage.min_free_bytes
    if free < wanted:
        raise StorageFault(
            f"{free / 1e6:.0f} MB free, storage.min_free_bytes wants {wanted / 1e6:.0f} MB",
            advice="Free some space, or lower it",
        )
    return f"{free / 1e9:.1f} GB free"


def _clock(config: Config) -> str:
    clock = SystemClock(config.time.synced_marker)
    if not clock.synced():
        raise ClipAgentError(
            "the clock is not synced, so requests and decisions wait",
            advice="Wait for the time service, or see time.synced_marker in the configuration",
        )
    return "synced" if config.time.synced_marker else "trusted, as the configuration says"


def _camera(config: Config) -> str:
    # A camera on the board lets one process in: the one that records.
    if (said := sealing.running_camera(config)) is not None:
        if said.detail:
            raise CameraFault(f"the running camera says: {said.detail}")
        return f"in use by the running camera, which is {said.state}"
    try:  # needs the extra that only a camera has
        from agent.camera.app import build_detector
        from agent.camera.health.stall import StallDetector
        from agent.camera.sources.factory import choose_source
        from agent.camera.sources.probe import look

        clock = SystemClock(config.time.synced_marker)
        source = choose_source(config.camera, clock=clock)
    except ModuleNotFoundError as error:
        raise CameraFault(
            f"the Python package {error.name!r} is not installed",
            advice="Run pip install 'clip-agent[camera]'",
        ) from error

    build_detector(config.camera)  # refuses zones that leave it nothing to look at
    stall = StallDetector(no_frame_seconds=config.camera.recording.no_frame_seconds, clock=clock)
    return str(look(source, stall=stall))


def _machine(_: Config) -> str:
    vitals = Machine().vitals()
    if vitals.under_voltage:
        raise ClipAgentError(
            f"the power supply is too weak now ({vitals})",
            advice="Use the official power supply of this board, and a short cable",
        )
    if vitals.throttled:
        raise ClipAgentError(
            f"the board is so hot that it slows down ({vitals})",
            advice="Give it air, shade or a heat sink",
        )
    power = "" if vitals.under_voltage is None else ", good power"
    return f"{vitals}{power}" if vitals.celsius is not None else "does not report its temperature"


def _memory(_: Config) -> str:
    guards = Machine().memory()
    swaps = ", ".join(guards.swaps)
    if guards.limits is False:
        also = f", and {swaps} may keep plaintext and keys" if swaps else ""
        raise ClipAgentError(
            f"the kernel's memory cgroup is off: the units' limits have no effect{also}",
            advice="On a Raspberry Pi add cgroup_enable=memory to the line in"
            " /boot/firmware/cmdline.txt, and reboot",
        )
    if swaps and not guards.limits:
        raise ClipAgentError(
            f"swap is on: {swaps} may keep plaintext and keys",
            advice="Turn it off, also for the next start, or use zram alone",
        )
    if guards.dump_socket:
        raise ClipAgentError(
            "core dumps go to a socket, which no limit stops",
            advice="Set kernel.core_pattern to core",
        )
    return "stays in memory: " + ("the units keep out of swap" if swaps else "no swap on a disk")


def _python(_: Config) -> str:
    """The units run Python isolated; a command at the prompt does not."""
    folder = Path(site.getusersitepackages())
    if site.ENABLE_USER_SITE and files.exists(folder):
        raise ClipAgentError(
            f"{folder}: code in there runs in each `clip-agent` that you start",
            advice="Remove that folder, or set PYTHONNOUSERSITE=1",
        )
    return f"{platform.python_version()}, no modules of yours"
