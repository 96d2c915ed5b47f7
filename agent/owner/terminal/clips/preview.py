"""See a clip before a decision: ``preview``."""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from agent.consent.statements import ClipOffer
from agent.keyfile import PASSPHRASE_VARIABLE
from agent.media.editing.content import Prepared
from agent.owner.decisions.choice import Choice
from agent.owner.home import plain_copy
from agent.owner.terminal import prompts
from agent.owner.terminal.clips.fetch import fetch
from agent.owner.wording import text

_AS_SENT = "This is what would be sent with this --trim, --redact and --as, or without any."


def preview(arguments: argparse.Namespace) -> int:
    """``owner preview``"""
    client = prompts.client(arguments)
    where = {"request": arguments.request, "camera": arguments.camera}
    device, offer = client.find_clip(arguments.clip, **where)
    choice = Choice(trims=arguments.trim, redacts=arguments.redact, codec=arguments.codec)
    shown = client.edit_clip(offer, choice, **where)
    keys = prompts.unlock(client, arguments)
    player = _player() if sys.stdout.isatty() else None
    with plain_copy.folder() as folder:
        target = folder / f"{offer.id}-as-sent.mp4"
        pictures = fetch(client, device, offer, keys, target, shown=shown)
        assert pictures is not None  # of a clip that is shown
        if player is not None:
            _tell(offer, pictures, target)
            _play(player, target)
            return 0
        kept = Path(tempfile.mkdtemp(prefix="clip-agent-")) / target.name
        target.rename(kept)
    print(kept)
    _tell(offer, pictures, kept)
    print("This is a plain copy: delete it when you have seen it.")
    return 0


def _tell(offer: ClipOffer, pictures: Prepared, path: Path) -> None:
    """Say what is shown, as the release would state it, and its digest as the outcome names it."""
    print(f"{_AS_SENT}\nClip {offer.id}: {text.pictures(offer, pictures)}")
    with path.open("rb") as file:
        print(f"SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()}")
    if not pictures.plays_in_browsers:
        prompts.say("Some browsers do not play this: --as h264 converts it")


def _player() -> str | None:
    """The program that opens a file with the desktop's player, if there is a desktop."""
    has_desktop = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return shutil.which("xdg-open") if has_desktop else None


def _play(player: str, path: Path) -> None:
    """Show the clip with a program that does not learn the passphrase; wait for Enter."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PASSPHRASE_VARIABLE)
    }
    subprocess.run(  # noqa: S603 - a path of our own
        [player, str(path)], check=False, env=environment, stdin=subprocess.DEVNULL
    )
    print("Press Enter when you have seen it; the plain copy is then deleted. ", flush=True)
    # input() may miss a signal that comes just before it blocks; this acts on it in a second.
    while not select.select([sys.stdin], [], [], 1)[0]:
        pass
    sys.stdin.readline()
