"""An owner's days with a gateway that runs as a process: every command, over a real broker.

Owner and requester act in this process (their keys are unlocked once), the gateway is the
daemon. The clips are written as a camera writes them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import cli, config
from agent.clock import SystemClock
from agent.consent.signing import OwnerCard, parse_card
from agent.owner.home import Home as OwnerHome
from agent.requester.home import Home as RequesterHome
from agent.vault.clips import ClipStore
from agent.vault.index import Index
from tests.e2e.household import LATELY, PLACE, Household
from tests.peers.mosquitto import Mosquitto
from tests.peers.tus_server import TusServer
from tests.support.house import fragmented_mp4

PASSPHRASE = "correct horse battery"
Say = Callable[..., str]


@pytest.fixture
def house(tmp_path: Path, mosquitto: Mosquitto, tus_server: TusServer) -> Iterator[Household]:
    household = Household(tmp_path / "house", mosquitto, tus_server)
    household.start("gateway")
    household.enrol()
    yield household
    household.kill_all()


@pytest.fixture
def say(
    house: Household, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """A command of a role, in this process; what it prints."""
    monkeypatch.setenv("CLIP_AGENT_PASSPHRASE", PASSPHRASE)
    for kind in (OwnerHome, RequesterHome):
        role = "owner" if kind is OwnerHome else "requester"
        keys = kind(house.root / role).unlock(PASSPHRASE)
        monkeypatch.setattr(kind, "unlock", lambda self, passphrase, keys=keys: keys)

    def run(role: str, command: str, *arguments: str | Path, code: int = 0) -> str:
        home = str(house.root / role)
        assert cli.main([role, command, "--home", home, *map(str, arguments)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def record(house: Household, *, seconds_ago: float) -> str:
    """A clip as the camera writes it; its id."""
    text = (house.root / "owner" / "owner.card.yaml").read_text()
    card = parse_card(text, OwnerCard, "the card")
    clock = SystemClock(synced_marker=None)
    settings = config.load(house.config)
    index = Index.open(settings.state_dir / "agent.sqlite")
    store = ClipStore(settings.state_dir, index, recipients=[card.seal, card.recovery], clock=clock)
    draft = store.create(
        started_at=clock.now() - seconds_ago,
        monotonic_seconds=clock.monotonic() - seconds_ago,
        codec="h264",
        width=64,
        height=64,
    )
    draft.write(fragmented_mp4())
    clip = draft.finish(duration_seconds=2.0)
    index.close()
    return clip.id


def ask(house: Household, say: Say, **changes: object) -> str:
    """Post a request in public; its digest."""
    path = house.write_request(LATELY, **changes)
    return str(
        json.loads(say("requester", "post", path, "--allow-loopback-http", "--json"))["digest"]
    )


def inbox(say: Say, ready: Callable[[dict[str, list[dict[str, object]]]], bool]) -> None:
    """Collect until what is there is as wanted."""
    deadline = time.monotonic() + 30
    while not ready(plain := json.loads(say("owner", "inbox", "--json"))):
        assert time.monotonic() < deadline, plain


def is_open(digest: str) -> Callable[[dict[str, list[dict[str, object]]]], bool]:
    return lambda plain: digest in [one["digest"] for one in plain["requests"]]


def is_closed(digest: str) -> Callable[[dict[str, list[dict[str, object]]]], bool]:
    return lambda plain: digest not in [one["digest"] for one in plain["requests"]]


def test_sharing_pausing_muting_and_what_nobody_can_answer(house: Household, say: Say) -> None:
    older, newer = record(house, seconds_ago=900), record(house, seconds_ago=300)

    # A clip for the neighbour, who has not asked
    assert newer in say("owner", "clips")
    card = house.root / "requester" / "requester.card.yaml"
    url = house.receiver_url
    share = ["share", "2", "--to", card, "--url", url, "--allow-loopback-http", "--yes"]
    assert say("owner", *share, "--wait", "30").rstrip().endswith("SENT")

    # A demand of a court, paused and resumed
    order = {"court": "District Court", "docket": "24-CV-1", "document_sha256": "a" * 64}
    demand = ask(house, say, kind="legal-order", order=order)
    inbox(say, is_open(demand))
    page = say("owner", "show", demand[:8])
    assert "THIS IS A LEGAL DEMAND" in page and "24-CV-1" in page
    assert say("owner", "pause") == "front-door: done\n"
    inbox(say, is_closed(demand))
    assert "You paused requests" in say("owner", "show", demand[:8])
    assert say("owner", "resume") == "front-door: done\n"
    inbox(say, is_open(demand))

    # Information, and a withdrawal
    alert = house.root / "alert.yaml"
    alert.write_text(
        "title: Water main broken\ntext: Boil your water.\nopen_days: 1\n"
        f"around: {{latitude: {PLACE['latitude']}, longitude: {PLACE['longitude']}, "
        "square_miles: 2}\n"
    )
    told = json.loads(say("requester", "alert", alert, "--json"))["digest"]
    say("requester", "withdraw", demand[:8], "--yes")
    inbox(say, lambda plain: {"alert", "withdrawn"} <= {one["kind"] for one in plain["notices"]})
    assert "Nobody can answer an alert" in say("owner", "show", told[:8])
    page = say("owner", "show", demand[:8])
    assert "WITHDRAWN" in page and "THIS IS A LEGAL DEMAND" in page

    # Some clips now, more later, and then no more of them
    request = ask(house, say, reference="2024-2")
    inbox(say, is_open(request))
    for clip in (older, newer):
        approve = ["approve", request[:8], clip, "--yes", "--wait", "30"]
        assert say("owner", *approve).rstrip().endswith("SENT")
    assert say("owner", "mute", request[:8], "--yes").endswith("front-door: done\n")
    inbox(say, is_closed(request))
    page = say("owner", "show", request[:8])
    assert "You muted Springfield Police Department" in page
    assert f"owner unmute {request[:8]}" in page
    ask(house, say, reference="2024-3")
    house.wait("the refusal", lambda: "request.refused" in house.ledger())
    assert json.loads(say("owner", "inbox", "--json"))["requests"] == []
    assert say("owner", "unmute", request[:8]).endswith("front-door: done\n")

    house.stop("gateway")
    page = house.device("ledger", "export", "--html")
    assert "This record holds together." in page
    for sentence in (
        "who had not asked",
        "An owner paused requests",
        "informed the public: Water main broken",
        "withdrew a request",
        "requester-muted",
        "It cannot be called back",
    ):
        assert sentence in page
    assert "not known to this version" not in page
