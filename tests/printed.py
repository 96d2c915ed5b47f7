"""Parts of the documents that the code prints: help, rooms, pictures.

``python -m tests.printed`` writes them into the documents; ``tests/test_docs.py`` compares them.
A part stands between ``<!-- name -->`` and ``<!-- /name -->``, or is a file of its own.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from agent.owner.inbox.items import OpenRequest
from tests.peers.requirements import ROOT
from tests.support.time_zone import time_zone

# rich's own frame without its fonts from the network.
_FRAME = """<svg viewBox="-16 -12 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect x="-16" y="-12" width="{width}" height="{height}" rx="8" fill="#292929"/>
<g clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def help_text() -> str:
    """The output of ``clip-agent --help``, 100 columns wide."""
    from agent.cli.main import build_parser

    with mock.patch.dict(os.environ, COLUMNS="100"):
        return f"```\n{build_parser().format_help()}```\n"


def approve_screen() -> str:
    """The sheet that an owner reads before signing, as an SVG."""
    from rich.console import Console

    from agent.consent.cards import DeviceCard
    from agent.consent.statements import ApprovedClip, Disclosure, Redaction, Trim
    from agent.owner.decisions import sign
    from agent.owner.terminal import confirm_view
    from tests.owner.camera import NOW

    item = _request()
    first, second, *_ = item.report.clips
    chosen = (
        ApprovedClip(
            id=first.id,
            sha256=first.sha256,
            trim=Trim(from_seconds=5, to_seconds=12),
            redact=(Redaction.still(x=0.1, y=0.2, width=0.3, height=0.3),),
        ),
        ApprovedClip(id=second.id, sha256=second.sha256, trim=None, redact=()),
    )
    typed = (
        f"$ clip-agent owner approve {item.name} 1 2 \\\n"
        "    --trim 1=5-12 --redact 1=0.1,0.2,0.3,0.3 --tell-email olive@example.org\n"
    )
    terms = sign.Terms(
        device=DeviceCard(role="device", name=item.device, sign="", seal=""),
        disclose=Disclosure(email="olive@example.org"),
        now=NOW,
    )
    with time_zone("America/New_York"):
        console = Console(
            record=True,
            width=92,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
            highlight=False,
            markup=False,
        )
        console.print(typed)
        console.print(confirm_view.release(sign.approval(item, chosen, terms)))
        console.print("Sign it? [y/N] ")
        svg = console.export_svg(code_format=_FRAME, unique_id="approve")
    return re.sub(r"[ \t]+$", "", svg, flags=re.M)


def _request() -> OpenRequest:
    """A request with two matching clips; every value is fixed."""
    from agent.consent.statements import (
        ClipOffer,
        InboxReport,
        LedgerHead,
        Request,
        RequesterRecord,
        UploadTarget,
        Window,
    )
    from tests.owner.camera import AREA, NOW

    request = Request(
        iss="Kj4bSbiI0AgNGUQ1zpFLBQyfxkm2EdjtQJsXbhVtcRo",
        jti="AAAAAAAAAAAAAAAAAAAAAA",
        iat=NOW,
        exp=NOW + 5 * 86_400,
        kind="voluntary",
        reference="2024-001234",
        incident="theft",
        title="Bicycle theft on Elm Street",
        text="A red bicycle was taken. Did your camera see it?",
        contact="Det. A. Example, 413 555 0100",
        area=AREA,
        window=Window(start=NOW - 7_200, end=NOW - 3_600),
        upload=UploadTarget(protocol="tus", url="https://evidence.example.org/files/"),
    )
    offers = tuple(
        ClipOffer(
            id=clip,
            sha256=str(number) * 64,
            started_at=NOW - 5_000 + 600 * number,
            duration_seconds=12.5 + number,
            bytes=1_800_000,
            truncated=False,
            clock_synced=True,
            sealed_key="",
        )
        for number, clip in enumerate(["20240124-171640-3f9a2c", "20240124-172640-81d07b"])
    )
    report = InboxReport(
        iss=request.iss,
        jti=request.jti,
        iat=NOW,
        device="front-door",
        request="",
        record=RequesterRecord(
            name="Springfield Police Department",
            first_seen=NOW - 300 * 86_400,
            requests=12,
            refused=2,
            withdrawn=3,
            edited=0,
            kinds=(),
            incidents=(),
            refusals=(),
            median_square_miles=0.2,
            median_window_seconds=7_200,
        ),
        clips=offers,
        more_clips=0,
        ledger=LedgerHead(size=22, root="0" * 64),
    )
    return OpenRequest(
        device="front-door",
        digest="3f9a" + "0" * 60,
        report=report,
        request=request,
        received_at=NOW,
        short="3f9a",
    )


def rooms() -> str:
    """A table of the packages and top modules, each with the first line of its docstring."""
    paths = [path.parent for path in (ROOT / "agent").rglob("__init__.py")]
    paths += (ROOT / "agent").glob("[a-z]*.py")
    rows = [f"| `{_name(path)}` | {_summary(path)} |" for path in sorted(paths, key=_order)]
    return "\n".join(["| room | |", "|---|---|", *rows]) + "\n"


def _order(path: Path) -> tuple[bool, Path]:
    return path.is_file(), path


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) + ("/" if path.is_dir() else "")


def _summary(path: Path) -> str:
    """The docstring's first paragraph in one line, as Markdown."""
    source = path / "__init__.py" if path.is_dir() else path
    docstring = ast.get_docstring(ast.parse(source.read_text())) or ""
    line = " ".join(docstring.split("\n\n")[0].split())
    line = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line)
    return line.replace("``", "`").replace("|", "\\|")


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "help": ("docs/owner.md", help_text),
    "approve": ("docs/approve.svg", approve_screen),
    "rooms": ("docs/ARCHITECTURE.md", rooms),
}


def compare(part: str) -> tuple[Path, str, str]:
    """The document of a part, its text now, and its text as it should be."""
    name, expected = PARTS[part]
    path = ROOT / name
    now = path.read_text() if path.exists() else ""
    if path.suffix != ".md":
        return path, now, expected()
    begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    before, _, rest = now.partition(begin)
    _, _, after = rest.partition(end)
    return path, now, before + begin + expected() + end + after


def main() -> None:
    """Write every part into its document."""
    for part in PARTS:
        path, now, expected = compare(part)
        if now != expected:
            path.write_text(expected)
            sys.stdout.write(f"written: {path.relative_to(ROOT)} ({part})\n")


if __name__ == "__main__":
    main()
