"""Until its owner approves, a camera speaks to its owner alone: the network's own testimony.

The play is :mod:`tests.e2e.silence`, run in a network namespace of its own, where every
packet is captured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from tests.peers.requirements import ROOT, missing, need, program
from tests.peers.tus_server import TusServer

CONNECT, SUBSCRIBE, DISCONNECT = 1, 8, 14  # MQTT 3.1.1, table 2.1
_SECONDS = 500


@cache
def _new_network() -> tuple[str, ...]:
    """The prefix that starts a command in a network namespace of its own, as root or not."""
    unshare, ip = program("unshare"), program("ip")
    ways = [(unshare, "--net"), (unshare, "--map-root-user", "--net")]
    for command in ways:
        tried = subprocess.run([*command, ip, "link", "set", "lo", "up"], capture_output=True)
        if tried.returncode == 0:
            return command
    return missing("no network namespace may be made here", "run as root, or allow user namespaces")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    need("ip", "mosquitto", "unshare")
    folder = tmp_path_factory.mktemp("silence")
    TusServer(folder)  # fetches its packages, which the namespace could not
    done = subprocess.run(
        [*_new_network(), sys.executable, "-m", "tests.e2e.silence", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.timeout(_SECONDS + 100)
def test_the_requests_were_matched_unmatched_refused_and_ignored(story: dict[str, Any]) -> None:
    assert story["rules"] == {
        "matched": "request.opened request.matched",
        "unmatched": "request.opened",
        "refused": "place-outside",
        "unknown": "unknown-signer",
    }


@pytest.mark.timeout(_SECONDS + 100)
def test_from_a_request_to_the_approval_nothing_goes_anywhere_but_to_the_brokers(
    story: dict[str, Any],
) -> None:
    assert story["asked_to"] == sorted([story["owner"], story["feed"]])
    assert story["letter_bytes"] > 1_000, "the owner was told of the match"


@pytest.mark.timeout(_SECONDS + 100)
def test_the_feeds_broker_cannot_tell_a_match_from_a_refusal(story: dict[str, Any]) -> None:
    """From connecting to hanging up it hears nothing, least of all after a post.

    The subscription is renewed once, some seconds after connecting, whatever is posted.
    """
    (conversation,) = story["to_feed"]
    assert [kind for kind, _ in conversation] == [CONNECT, SUBSCRIBE, SUBSCRIBE, DISCONNECT]


@pytest.mark.timeout(_SECONDS + 100)
def test_the_capture_sees_the_upload_and_a_packet_to_the_world(story: dict[str, Any]) -> None:
    """Or its silence would mean nothing."""
    assert story["receiver"] in story["released_to"]
    assert set(story["released_to"]) <= {story["owner"], story["feed"], story["receiver"]}
    assert "192.0.2.53" in story["control"]
