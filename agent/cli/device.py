"""What the device holds, from its own disk: ``status clips requests ledger reindex``.

These commands read the vault directly and need neither broker nor camera; all but
``reindex`` only read. Times are printed in local time with its zone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config
from agent.cli.ledger_text import local, shown
from agent.host.board import Machine

if TYPE_CHECKING:
    from agent.vault.database.index import Index
    from agent.vault.records.ledger import Entry, Ledger

DEFAULT_CONFIG = Path("/etc/clip-agent/agent.yaml")


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """``--config FILE``, the same for every command of the device."""
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help=f"the device's configuration (default {DEFAULT_CONFIG})",
    )


def _add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def register(groups: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the main parser."""
    for name, function, text in (
        ("status", "_status", "how the device is doing"),
        ("clips", "_clips", "the clips it holds"),
        ("requests", "_requests", "the requests it has seen, and what became of them"),
    ):
        command = groups.add_parser(name, help=text, description=text)
        add_config_option(command)
        _add_json_option(command)
        command.set_defaults(run=f"{__name__}:{function}")

    text = "the record of everything asked and done"
    ledger = groups.add_parser("ledger", help=text, description=text)
    actions = ledger.add_subparsers(metavar="ACTION", required=True)
    for name, function, text in (
        ("show", "_ledger_show", "print its lines"),
        ("verify", "_ledger_verify", "check that no line was changed, removed or added"),
        ("export", "_ledger_export", "print it as JSON lines, or as a page to hand to a lawyer"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        add_config_option(action)
        action.set_defaults(run=f"{__name__}:{function}")
        if name == "show":
            _add_json_option(action)
        if name == "export":
            action.add_argument(
                "--html",
                nargs="?",
                const="-",
                metavar="FILE",
                help="a page that needs nothing else, ready to be printed, into a new FILE "
                "(default: to the terminal)",
            )

    text = "rebuild the index of clips from their sidecars"
    command = groups.add_parser("reindex", help=text, description=text)
    add_config_option(command)
    command.set_defaults(run=f"{__name__}:_reindex")


def _open(arguments: argparse.Namespace) -> Index:
    from agent.vault.database.index import Index

    state_dir = config.load(arguments.config).state_dir
    return Index.open(state_dir / "agent.sqlite", create=False)


def _status(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    with _open(arguments) as index:
        status = _read_status(index, settings.state_dir)
    status |= _read_surroundings(settings.time.synced_marker)
    if arguments.json:
        print(json.dumps(status))
        return 0
    for name, value in status.items():
        print(f"{name.replace('_', ' '):20s} {_for_a_person(value)}")
    return 0


def _for_a_person(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return shown(value)


def _read_surroundings(synced_marker: Path | None) -> dict[str, Any]:
    """What no process has to note, because it can be seen just now: clock and board."""
    from agent.clock import SystemClock

    vitals = Machine().vitals()
    return {
        "clock_synced": SystemClock(synced_marker).synced(),
        "temperature": vitals.celsius,
        "under_voltage": vitals.under_voltage,
        "throttled": vitals.throttled,
    }


def _read_status(index: Index, state_dir: Path) -> dict[str, Any]:
    from agent.vault.clips.camera_lock import camera_state, is_at_work
    from agent.vault.records.ledger import Ledger
    from agent.vault.records.releases import ReleaseTable
    from agent.vault.records.requests import RequestTable

    totals = index.totals()
    status: dict[str, Any] = {"clips": totals.count, "bytes": totals.bytes}
    status["oldest_clip"] = local(totals.oldest) if totals.oldest is not None else None
    for part in ("camera", "gateway"):
        health = index.health(part)
        status[part] = f"{health.state} {health.detail}".strip() if health else "never started"
        if part == "camera":
            state = camera_state(health, running=is_at_work(state_dir))
            status[part] = f"{state} {health.detail if health else ''}".strip()
            status["encoder"] = (health.encoder if health else "") or None
            if health and health.last_motion_at:
                status["last_motion"] = local(health.last_motion_at)
    status["open_requests"] = len(RequestTable(index).open())
    status["releases_under_way"] = len(ReleaseTable(index).all("APPROVED", "SEALED"))
    status["ledger_lines"] = Ledger(index).head().seq
    return status


def _clips(arguments: argparse.Namespace) -> int:
    unknown = None if arguments.json else "unknown"
    with _open(arguments) as index:
        clips = index.clips()
    rows = [
        {
            "id": clip.id,
            "started": local(clip.started_at),
            "seconds": round(clip.duration_seconds, 1) if clip.length_is_known else unknown,
            "bytes": clip.bytes,
            "notes": _notes(truncated=clip.truncated, clock_synced=clip.clock_synced),
        }
        for clip in clips
    ]
    return _list(rows, arguments, "no clips yet")


def _notes(*, truncated: bool, clock_synced: bool) -> str:
    notes = ["cut off"] if truncated else []
    if not clock_synced:
        notes.append("clock was not set")
    return ", ".join(notes)


def _requests(arguments: argparse.Namespace) -> int:
    from agent.vault.records.requests import RequestTable

    with _open(arguments) as index:
        requests = RequestTable(index)
        rows = [
            {
                "request": request.digest[:16],
                "state": request.state,
                "rule": request.rule,
                "requester": request.requester[:12],
                "reference": request.reference,
                "received": local(request.received_at),
                "matching": len(requests.matches(request.digest)),
            }
            for request in requests.all()
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
    names = list(rows[0])
    cells = [names, *([shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
    return 0


def _ledger_show(arguments: argparse.Namespace) -> int:
    from agent.vault.records.ledger import Ledger

    with _open(arguments) as index:
        ledger = Ledger(index)
        if arguments.json:
            ledger.export(sys.stdout)
        else:
            _show(ledger.entries())
    return 0


def _show(entries: Iterable[Entry]) -> None:
    for entry in entries:
        event, subject = shown(entry.event), shown(entry.subject[:16])
        print(f"{entry.seq:6d}  {local(entry.at)}  {event:20s}  {subject}")
        for name, value in entry.detail.items():
            print(f"{'':36s}{shown(name)}: {shown(value)}")


def _ledger_verify(arguments: argparse.Namespace) -> int:
    from agent.vault.records.ledger import Ledger

    with _open(arguments) as index:
        lines, head = Ledger(index).verify(), Ledger(index).head()
    print(f"ledger: ok, {lines} lines, head {head.sha256}")
    return 0


def _ledger_export(arguments: argparse.Namespace) -> int:
    from agent.vault.records.ledger import Ledger

    with _open(arguments) as index:
        if arguments.html is None:
            Ledger(index).export(sys.stdout)
        else:
            _write_page(Ledger(index), arguments)
    return 0


def _write_page(ledger: Ledger, arguments: argparse.Namespace) -> None:
    """The page, to where ``--html`` says. A file that exists is not overwritten."""
    from agent import __version__
    from agent.cli.ledger_html import page
    from agent.clock import SystemClock
    from agent.errors import StorageFault

    name = config.load(arguments.config).device.name
    now = SystemClock(synced_marker=None).now()
    pieces = page(ledger, device=name, now=now, version=__version__)
    if arguments.html == "-":
        sys.stdout.writelines(pieces)
        return
    try:
        with Path(arguments.html).open("x", encoding="utf-8") as out:
            out.writelines(pieces)
    except OSError as error:
        raise StorageFault(f"{arguments.html}: cannot be written ({error.strerror})") from error
    print(f"written to {arguments.html}")


def _reindex(arguments: argparse.Namespace) -> int:
    from agent.clock import SystemClock
    from agent.errors import StorageFault
    from agent.vault.clips.camera_lock import at_work, is_at_work
    from agent.vault.clips.store import reindex

    state_dir = config.load(arguments.config).state_dir
    if is_at_work(state_dir):  # a clip that is finished meanwhile would lose its row
        raise StorageFault(
            f"{state_dir}: the camera is at work there",
            advice="Stop it, run this again, then start it: systemctl stop clip-agent-camera",
        )
    with at_work(state_dir, clock=SystemClock(None)):
        report = reindex(state_dir)
    print(report)
    return 0
