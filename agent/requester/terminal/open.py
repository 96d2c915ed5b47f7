"""Open a bundle and print all that it says: ``open``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import msgspec

from agent import release_text
from agent.consent.cards import format_fingerprint
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from agent.requester.cases import page
from agent.requester.cases.keys_seen import KeysSeen, SeenKey
from agent.requester.folder import RequesterFolder
from agent.requester.terminal.keys import unlock

_WHO = {"device": "camera", "owner": "owner", "second owner": "second owner"}


def open_(arguments: argparse.Namespace) -> int:
    """``requester open``"""
    output = arguments.output or arguments.bundle.with_suffix("")
    home = RequesterFolder(arguments.home)
    opened = open_bundle(arguments.bundle, unlock(home, arguments), output)
    seen = KeysSeen(home.keys_seen_path).note(opened, at=time.time())
    if arguments.json:
        print(json.dumps(_plain(opened, seen), indent=2))
        return 0
    print("\n".join(_lines(opened, seen)))
    return 0


def _lines(opened: OpenedBundle, seen: Sequence[SeenKey]) -> list[str]:
    lines = ["bundle: whole, and its parts fit together"]
    lines += [f"keys: {_verdict(seen)}"]
    for one in seen:
        since = "not known to you"
        if one.since is not None:
            bundles = "1 other bundle" if one.bundles == 1 else f"{one.bundles} other bundles"
            since = f"known since {page.day(one.since)}, from {bundles}"
        lines.append(f"  {_WHO[one.role]}: {format_fingerprint(one.fingerprint)}  {since}")
    if opened.request is None:
        lines.append("shared by its owner, without a request")
    else:
        lines.append(f"request {(opened.request_digest or '')[:16]}, {opened.request.reference}")
    lines += [*release_text.lines(opened.release), f"opened in {opened.folder}"]
    return lines


def _verdict(seen: Sequence[SeenKey]) -> str:
    if all(one.is_known for one in seen):
        return "all of them signed other bundles before"
    return (
        "not known to you. Anybody can make keys and such a bundle: compare the fingerprints"
        " with the owner's"
    )


def _plain(opened: OpenedBundle, seen: Sequence[SeenKey]) -> dict[str, object]:
    return {
        "bundle": "consistent",
        "keys_known": all(one.is_known for one in seen),
        "keys": [
            {
                "role": one.role,
                "fingerprint": one.fingerprint,
                "known_since": one.since,
                "other_bundles": one.bundles,
            }
            for one in seen
        ],
        "folder": str(opened.folder),
        "clips": [str(clip) for clip in opened.clips],
        "request": opened.request_digest,
        "reference": opened.request.reference if opened.request else None,
        "device": opened.release.iss,
        "owner": opened.approval.iss,
        "second_owner": opened.second.iss if opened.second else None,
        "release": msgspec.to_builtins(opened.release),
    }
