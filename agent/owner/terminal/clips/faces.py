"""Find the faces of a clip: ``find-faces`` writes boxes that ``--redact`` takes.

They are proposals. The owner looks at them with ``preview`` and decides.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.consent.statements import ClipOffer
from agent.media.faces.finder import FaceFinder, FoundFaces
from agent.owner.decisions.choice import Choice
from agent.owner.pictures import footage
from agent.owner.terminal import prompts
from agent.owner.terminal.layout import progress, seconds_progress
from agent.owner.visit.clip_transfer import new_file, refuse_existing
from agent.owner.wording import redaction_text

_LOOK = "Look at all of it before you decide: a face that was missed is not covered."


def find_faces(arguments: argparse.Namespace) -> int:
    """``owner find-faces``"""
    client = prompts.client(arguments)
    where = {"request": arguments.request, "camera": arguments.camera}
    device, offer = client.find_clip(arguments.clip, **where)
    trim = client.edit_clip(offer, Choice(trims=arguments.trim), **where).trim
    target = arguments.output or Path(f"{offer.id}-faces.yaml")
    refuse_existing(target)
    finder = FaceFinder()
    keys = prompts.unlock(client, arguments)
    end = trim.to_seconds if trim is not None else offer.duration_seconds
    with progress(f"clip {offer.id}", offer.bytes) as fetching:
        opened = client.open_clip(device, offer, keys, fetching)
    with seconds_progress("searching", end) as searching:
        found = footage.find_faces(opened, finder=finder, trim=trim, progress=searching)
    if not found.redactions:
        prompts.say(f"No face was found in {found.pictures} pictures. {_LOOK}")
        return 0
    with new_file(target) as out:
        out.write(redaction_text.as_file(found.redactions).encode())
    print(target)
    _tell(found, offer, arguments, target)
    return 0


def _tell(found: FoundFaces, offer: ClipOffer, arguments: argparse.Namespace, target: Path) -> None:
    faces = "1 face was" if found.faces == 1 else f"{found.faces} faces were"
    boxes = "1 box is" if len(found.redactions) == 1 else f"{len(found.redactions)} boxes are"
    prompts.say(f"{faces} found in {found.pictures} pictures of clip {offer.id}; {boxes} proposed.")
    if found.left_out:
        prompts.say(f"CAREFUL: {found.left_out} more that are less likely faces are not covered.")
    prompts.say(f"Nothing is covered yet. {_LOOK}")
    clip = arguments.clip
    request = [] if arguments.request is None else ["--request", arguments.request]
    exact = redaction_text.exact
    spans = (one for _, one in arguments.trim)
    trims = [f"--trim {clip}={exact(one.from_seconds)}-{exact(one.to_seconds)}" for one in spans]
    options = " ".join([clip, *request, *trims, f"--redact {clip}=@{target}"])
    print(f"  clip-agent owner preview {options}")
