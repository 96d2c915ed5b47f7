"""The device's state, from its own disk: ``status clips requests ledger reindex``.

These commands read the vault directly and need neither broker nor camera; only
``reindex`` writes. Times are printed in local time with its zone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent import __version__, config, files
from agent.cli.ledger_html import page
from agent.cli.ledger_text import detail, local, shown
from agent.clock import SystemClock
from agent.config import Config, StreamSource
from agent.consent.cards import in_groups
from agent.errors import StorageFault
from agent.host.board import Machine
from agent.vault.clips.camera_lock import at_work, camera_state, is_at_work
from agent.vault.clips.store import reindex
from agent.vault.database.index import FILE_NAME, Clip, Index
from agent.vault.records.ledger import Ledger
from agent.vault.records.releases import ReleaseTable
from agent.vault.records.requests import RequestTable


def _open(settings: Config) -> Index:
    return Index.open(settings.state_dir / FILE_NAME, create=False)


def status(arguments: argparse.Namespace) -> int:
    """``clip-agent status``."""
    settings = config.load(arguments.config)
    with _open(settings) as index:
        found = _read_status(index, settings)
    vitals = Machine().vitals()
    found |= {
        "clock_synced": SystemClock(settings.time.synced_marker).synced(),
        "temperature": vitals.celsius,
        "under_voltage": vitals.under_voltage,
        "throttled": vitals.throttled,
    }
    if files.is_read_only(settings.state_dir):
        for part in ("camera", "gateway"):
            found[part] = f"unknown: the disk is read-only (before: {found[part]})"
    if arguments.json:
        print(json.dumps(found))
        return 0
    if found["camera"] != "never started" and isinstance(settings.camera.source, StreamSource):
        found["encoder"] = found["encoder"] or "n/a (stream is copied)"
    words = {None: "-", True: "yes", False: "no"}
    for name, value in found.items():
        text = words[value] if value is None or isinstance(value, bool) else shown(value)
        print(f"{name.replace('_', ' '):20s} {text}")
    return 0


def _read_status(index: Index, settings: Config) -> dict[str, Any]:
    totals, camera, gateway = index.totals(), index.health("camera"), index.health("gateway")
    state = camera_state(camera, running=is_at_work(settings.state_dir))
    found: dict[str, Any] = {
        "clips": totals.count,
        "bytes": totals.bytes,
        "oldest_clip": None if totals.oldest is None else local(totals.oldest),
        "camera": f"{state} {camera.detail if camera else ''}".strip(),
        "encoder": (camera and camera.encoder) or None,
    }
    if camera and camera.last_motion_at:
        found["last_motion"] = local(camera.last_motion_at)
    return found | {
        "gateway": f"{gateway.state} {gateway.detail}".strip() if gateway else "never started",
        "open_requests": len(RequestTable(index).open()),
        "releases_under_way": len(ReleaseTable(index).all("APPROVED", "SEALED")),
        "ledger_lines": Ledger(index).head().size,
    }


def clips(arguments: argparse.Namespace) -> int:
    """``clip-agent clips``."""
    unknown = None if arguments.json else "unknown"
    with _open(config.load(arguments.config)) as index:
        found = index.clips()
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
    with _open(config.load(arguments.config)) as index:
        table = RequestTable(index)
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
    with _open(config.load(arguments.config)) as index:
        if arguments.json:
            Ledger(index).export(sys.stdout)
            return 0
        for entry in Ledger(index).entries():
            event, subject = shown(entry.event), shown(entry.subject)
            print(f"{entry.seq:6d}  {local(entry.at)}  {event:20s}  {subject}")
            for name, value in entry.detail.items():
                print(f"{'':36s}{shown(name)}: {detail(name, value)}")
    return 0


def ledger_verify(arguments: argparse.Namespace) -> int:
    """``clip-agent ledger verify``."""
    with _open(config.load(arguments.config)) as index:
        ledger = Ledger(index)
        lines = ledger.verify(arguments.head)
        head = ledger.head(lines)
    seen = f", and begins with the {arguments.head.size} lines of then" if arguments.head else ""
    print(f"ledger: ok, {lines} lines{seen}, head {head}")
    return 0


def ledger_export(arguments: argparse.Namespace) -> int:
    """``clip-agent ledger export``. A file that exists is not overwritten."""
    settings = config.load(arguments.config)
    with _open(settings) as index:
        if arguments.html is None:
            Ledger(index).export(sys.stdout)
            return 0
        now = SystemClock(synced_marker=None).now()
        pieces = page(Ledger(index), device=settings.device.name, now=now, version=__version__)
        if arguments.html == "-":
            sys.stdout.writelines(pieces)
            return 0
        try:
            with Path(arguments.html).open("x", encoding="utf-8") as out:
                out.writelines(pieces)
        except OSError as error:
            raise StorageFault(f"{arguments.html}: cannot be written ({error.strerror})") from error
    print(f"written to {arguments.html}")
    return 0


def reindex_clips(arguments: argparse.Namespace) -> int:
    """``clip-agent reindex``, refused while the camera runs: a clip it finishes would be lost."""
    state_dir = config.load(arguments.config).state_dir
    if is_at_work(state_dir):
        raise StorageFault(
            f"{state_dir}: the camera is at work there",
            advice="Stop it, run this again, then start it: systemctl stop clip-agent-camera",
        )
    with at_work(state_dir, clock=SystemClock(None)):
        report = reindex(state_dir)
    print(report)
    return 0
