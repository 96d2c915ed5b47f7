"""``owner status``: the last signed word of each camera, and when it came."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from agent.owner import as_json
from agent.owner.inbox.items import CameraReport
from agent.owner.terminal import prompts
from agent.owner.terminal.layout import RED, console, labelled
from agent.owner.wording import cameras, text


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


def page(reports: Sequence[CameraReport], now: float) -> Group:
    """A paragraph for each camera."""
    parts: list[RenderableType] = []
    for camera in reports:
        said = camera.status
        when = "" if said is None else f", {text.moment(said.iat)} ({text.ago(now - said.iat)})"
        parts += [*([Text()] if parts else []), Text(f"{camera.device}{when}", style="bold")]
        if camera.silence:
            parts.append(Text(f"{text.unheard(camera)}.", style=RED))
        parts += [Text(f"{camera.device}: {remark}.", style=RED) for remark in camera.remarks]
        if said is not None:
            rows = [
                (row.label, Text(row.value, style=RED if row.is_serious else ""))
                for row in cameras.rows(camera, said)
            ]
            parts.append(labelled(rows, indent=2))
    return Group(*parts)
