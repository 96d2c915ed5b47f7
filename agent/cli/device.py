"""The device's state, from its own disk: ``status clips requests ledger reindex``.

These commands read the vault directly and need neither broker nor camera; only
``reindex`` writes. Times are printed in local time with its zone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import __version__, config, files
from agent.cli import metrics, sealing
from agent.cli.as_owner import owner_of
from agent.cli.instance import Instance
from agent.clock import SystemClock
from agent.config import Config, StreamSource
from agent.consent.cards import in_groups
from agent.errors import ConfigError, StorageFault
from agent.gateway.restored import mark
from agent.host.board import Machine
from agent.parties import load_owners
from agent.vault import camera_state, migration
from agent.vault.clips.store import reindex
from agent.vault.database import gateway, index
from agent.vault.database.gateway import GatewayDatabase
from agent.vault.database.index import Clip, Index
from agent.vault.database.recorded_share import last_hour
from agent.vault.ledger_html import page
from agent.vault.ledger_text import detail, local, shown
from agent.vault.locks import camera_at_work, is_camera_at_work, is_gateway_at_work
from agent.vault.records.ledger import Ledger
from agent.vault.records.releases import ReleaseTable
from agent.vault.records.requests import RequestTable

FOR_PROGRAMS = ("camera_state", "gateway_state", "version")  # in `status --json` alone


@contextmanager
def _index(settings: Config) -> Iterator[Index]:
    """The camera's index, as the camera's user."""
    path = index.path_of(settings.state_dir)
    with owner_of(path.parent), Index.open(path, create=False) as clips:
        yield clips


@contextmanager
def _database(settings: Config) -> Iterator[GatewayDatabase]:
    """The gateway's database, as the gateway's user."""
    path = gateway.path_of(settings.state_dir)
    with owner_of(path.parent), GatewayDatabase.open(path, create=False) as database:
        yield database


def status(arguments: argparse.Namespace) -> int:
    """``clip-agent status``."""
    settings = config.load(arguments.config)
    found = _read_camera(settings) | _read_gateway(settings)
    vitals = Machine().vitals()
    found |= {
        "clock_synced": SystemClock(settings.time.synced_marker).synced(),
        "temperature": vitals.celsius,
        "under_voltage": vitals.under_voltage,
        "throttled": vitals.throttled,
        "version": __version__,
    }
    if files.is_read_only(settings.state_dir):
        for part in ("camera", "gateway"):
            found[part] = f"unknown: the disk is read-only (before: {found[part]})"
            found[f"{part}_state"] = "unknown"
    if arguments.json or arguments.prometheus:
        print(metrics.text(found) if arguments.prometheus else f"{json.dumps(found)}\n", end="")
        return 0
    for name in FOR_PROGRAMS:
        del found[name]
    if found["camera"] != "never started" and isinstance(settings.camera.source, StreamSource):
        found["encoder"] = found["encoder"] or "n/a (stream is copied)"
    words = {None: "-", True: "yes", False: "no"}
    for name, value in found.items():
        text = words[value] if value is None or isinstance(value, bool) else shown(value)
        print(f"{name.replace('_', ' '):20s} {text}")
    return 0


def _read_camera(settings: Config) -> dict[str, Any]:
    clock = SystemClock(settings.time.synced_marker)
    with _index(settings) as clips:
        now, boot_id = clock.monotonic(), clock.boot_id()
        recorded = clips.recorded_in_hour(boot_id=boot_id, monotonic=now)
        share = last_hour(recorded, monotonic=now, boot_id=boot_id)
        totals, camera = clips.totals(), camera_state.read(settings.state_dir)
        running = is_camera_at_work(settings.state_dir)
    state = camera_state.judged_state(camera, running=running)
    found: dict[str, Any] = {
        "clips": totals.count,
        "bytes": totals.bytes,
        "oldest_clip": None if totals.oldest is None else local(totals.oldest),
        "recorded_last_hour": f"{share:.0%}",
        "camera": f"{state} {camera.detail if camera else ''}".strip(),
        "camera_state": state,
        "encoder": (camera and camera.encoder) or None,
    }
    try:
        if wrong := sealing.complaint(settings, load_owners(settings.owners)):
            found["sealing"] = f"{wrong}: restart it"
    except ConfigError as error:
        found["sealing"] = f"unknown: {error}"
    if camera and camera.last_motion_at:
        found["last_motion"] = local(camera.last_motion_at)
    return found


def _read_gateway(settings: Config) -> dict[str, Any]:
    path = gateway.path_of(settings.state_dir)
    with owner_of(path.parent):
        if not files.exists(path) or not files.size(path):  # at its very first start
            return {"gateway": "never started", "gateway_state": "never started"}
        running = is_gateway_at_work(settings.state_dir)
    with _database(settings) as database:
        said = database.health()
        state = said.state if said else "never started"
        if said and not running and state != "stopped":
            state = "not-running"
        return {
            "gateway": f"{state} {said.detail if said else ''}".strip(),
            "gateway_state": state,
            "open_requests": len(RequestTable(database).open()),
            "releases_under_way": len(ReleaseTable(database).all("APPROVED", "SEALED")),
            "ledger_lines": Ledger(database).head().size,
        }


def clips(arguments: argparse.Namespace) -> int:
    """``clip-agent clips``."""
    unknown = None if arguments.json else "unknown"
    with _index(config.load(arguments.config)) as table:
        found = table.clips()
    rows = [
        {
            "id": clip.id,
            "started": local(clip.started_at),
            "seconds": round(clip.duration_seconds, 1) if clip.length_is_known else unknown,
            "bytes": clip.bytes,
            "notes": _notes(clip),
        }
        for clip in found
    ]
    return _list(rows, arguments, "no clips yet")


def _notes(clip: Clip) -> str:
    notes = {"cut off": clip.truncated, "clock was not set": not clip.clock_synced}
    return ", ".join(note for note, applies in notes.items() if applies)


def requests(arguments: argparse.Namespace) -> int:
    """``clip-agent requests``."""
    with _database(config.load(arguments.config)) as database:
        table = RequestTable(database)
        rows = [
            {
                "request": row.digest,
                "state": row.state,
                "rule": row.rule,
                "requester": row.requester if arguments.json else in_groups(row.requester),
                "reference": row.reference,
                "received": local(row.received_at),
                "matching": len(table.matches(row.digest)),
            }
            for row in table.all()
        ]
    return _list(rows, arguments, "no requests yet")


def _list(rows: Sequence[Mapping[str, object]], arguments: argparse.Namespace, nothing: str) -> int:
    """Print ``rows`` as JSON lines or as aligned columns."""
    if arguments.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    if not rows:
        print(nothing)
        return 0
    cells = [list(rows[0]), *(list(map(shown, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
    return 0


def ledger_show(arguments: argparse.Namespace) -> int:
    """``clip-agent ledger show``."""
    with _database(config.load(arguments.config)) as database:
        if arguments.json:
            Ledger(database).export(sys.stdout)
            return 0
        for entry in Ledger(database).entries():
            event, subject = shown(entry.event), shown(entry.subject)
            print(f"{entry.seq:6d}  {local(entry.at)}  {event:20s}  {subject}")
            for name, value in entry.detail.items():
                print(f"{'':36s}{shown(name)}: {detail(name, value)}")
    return 0


def ledger_verify(arguments: argparse.Namespace) -> int:
    """``clip-agent ledger verify``."""
    with _database(config.load(arguments.config)) as database:
        ledger = Ledger(database)
        lines = ledger.verify(arguments.head)
        head = ledger.head(lines)
    seen = f", and begins with the {arguments.head.size} lines of then" if arguments.head else ""
    print(f"ledger: ok, {lines} lines{seen}, head {head}")
    return 0


def ledger_export(arguments: argparse.Namespace) -> int:
    """``clip-agent ledger export``. A file that exists is not overwritten."""
    settings = config.load(arguments.config)
    if arguments.html in (None, "-"):
        with _database(settings) as database:
            if arguments.html is None:
                Ledger(database).export(sys.stdout)
            else:
                sys.stdout.writelines(_page(database, settings))
        return 0
    try:  # the file is made before anything is done as the gateway's user
        with (
            Path(arguments.html).open("x", encoding="utf-8") as out,
            _database(settings) as database,
        ):
            out.writelines(_page(database, settings))
    except OSError as error:
        raise StorageFault(f"{arguments.html}: cannot be written ({error.strerror})") from error
    print(f"written to {arguments.html}")
    return 0


def _page(database: GatewayDatabase, settings: Config) -> Iterator[str]:
    now = SystemClock(synced_marker=None).now()
    return page(Ledger(database), device=settings.device.name, now=now, version=__version__)


def reindex_clips(arguments: argparse.Namespace) -> int:
    """``clip-agent reindex``, refused while the camera runs: a clip it finishes would be lost."""
    state_dir = config.load(arguments.config).state_dir
    if is_camera_at_work(state_dir):
        raise StorageFault(
            f"{state_dir}: the camera is at work there",
            advice="Stop it, run this again, then start it: systemctl stop"
            f" {Instance.of(arguments.config).services[0]}",
        )
    if migration.is_needed(state_dir):
        migration.move_camera(state_dir)
        migration.move_gateway(state_dir)
    files.make_directory(state_dir)
    with owner_of(state_dir):
        files.make_directory(state_dir / "camera")
    with owner_of(state_dir / "camera"), camera_at_work(state_dir, clock=SystemClock(None)):
        migration.close_to_group(state_dir)
        report = reindex(state_dir)
    print(report)
    return 0


def restored(arguments: argparse.Namespace) -> int:
    """``clip-agent restored``, refused while the gateway runs: it has read its state already."""
    state_dir = config.load(arguments.config).state_dir
    unit = Instance.of(arguments.config).services[1]
    with owner_of(state_dir / "gateway"):
        if is_gateway_at_work(state_dir):
            raise StorageFault(
                f"{state_dir}: the gateway is at work there",
                advice=f"Stop it, run this again, then start it: systemctl stop {unit}",
            )
        mark(state_dir)
    print(
        "All releases wait now until each owner who approved one says so again: `clip-agent owner"
        f" inbox` does. Start the gateway: sudo systemctl start {unit}"
    )
    return 0
