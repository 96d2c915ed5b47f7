"""``owner status``: the last signed word of each camera, and when it came."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agent.consent.statements import LEGAL_ORDER, PartHealth, Status
from agent.owner import as_json, text
from agent.owner.inbox.items import CameraReport
from agent.owner.terminal import prompts
from agent.owner.terminal.layout import RED, console, labelled


def status(arguments: argparse.Namespace) -> int:
    """``owner status``; the exit code is 1 while a camera is silent."""
    client = prompts.client(arguments)
    overview = client.collect(prompts.unlock(client, arguments))
    if arguments.json:
        print(json.dumps([as_json.camera(one) for one in overview.cameras], indent=2))
    else:
        console().print(page(overview.cameras, client.now()))
        prompts.warn(client)
    return 1 if any(one.silence for one in overview.cameras) else 0


def page(cameras: Sequence[CameraReport], now: float) -> Group:
    """A paragraph for each camera."""
    parts: list[RenderableType] = []
    for camera in cameras:
        said = camera.status
        when = "" if said is None else f", {text.moment(said.iat)} ({text.ago(now - said.iat)})"
        parts += [*([Text()] if parts else []), Text(f"{camera.device}{when}", style="bold")]
        if camera.silence:
            parts.append(Text(f"{text.unheard(camera)}.", style=RED))
        parts += [Text(f"{camera.device}: {remark}.", style=RED) for remark in camera.remarks]
        if said is not None:
            parts.append(labelled(list(_rows(camera, said)), indent=2))
    return Group(*parts)


def _rows(camera: CameraReport, said: Status) -> Iterator[tuple[str, Text]]:
    yield "Camera", Text(_health(said.camera))
    yield "Gateway", Text(_health(said.gateway))
    orders = sum(1 for one in said.open if one.kind == LEGAL_ORDER)
    count = len(said.open) + said.more_open
    legal = f", {orders} of them legal orders" if orders else ""
    yield "Open", Text(f"{count} requests{legal}" if count else "no request")
    if (pause := camera.pause) is not None:
        by = f" by {pause.by}" if pause.by else ""
        sure = "" if pause.confirmed else ", not confirmed yet"
        yield "Paused", Text(f"since {text.moment(pause.at)}{by}{sure}")
    if said.muted:
        yield "Muted", Text("\n".join(text.short_fingerprint(one) for one in said.muted))
    if arming := text.arming(said):
        expected = said.arming.armed or said.arming.scheduled
        yield "Recording", Text(arming, style="" if expected else RED)
    for one in said.held:
        yield "Held", Text(f"{one.release[:8]}: {one.why}")
    space = said.space
    free = f", {text.size(space.free_bytes)} free"
    kept = f", {space.kept} of them kept" if space.kept else ""
    yield "Clips", Text(f"{space.clips}{kept}, {text.size(space.clip_bytes)}{free}")
    needed = "; two of them must agree" if said.approvals_needed > 1 else ""
    yield "Owners", Text(", ".join(one.name for one in said.owners) + needed)


def _health(part: PartHealth) -> str:
    detail = f": {part.detail}" if part.detail else ""
    return f"{part.state}{detail}, since {text.moment(part.at)}; version {part.version}"
