"""Keep a clip as a file: ``save``."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.owner.terminal import prompts
from agent.owner.terminal.clips.fetch import fetch


def save(arguments: argparse.Namespace) -> int:
    """``owner save``"""
    client = prompts.client(arguments)
    device, offer = client.find_clip(
        arguments.clip, request=arguments.request, camera=arguments.camera
    )
    suffix = ".mp4.age" if arguments.sealed else ".mp4"
    target = arguments.output or Path(offer.id + suffix)
    keys = prompts.unlock(client, arguments)
    fetch(client, device, offer, keys, target, sealed=arguments.sealed)
    print(target)
    return 0
