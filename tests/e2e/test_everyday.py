"""An owner's days with a gateway that runs as a process: every command, over a real broker.

Owner and requester act in this process (their keys are unlocked once), the gateway is the
daemon. The clips are written as a camera writes them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.household import LATELY, PLACE, Household
from tests.peers.mosquitto import Mosquitto

Say = Callable[..., str]
pytestmark = pytest.mark.timeout(900)  # several daemons and commands each


@pytest.fixture
def say(house: Household) -> Say:
    """A command of a role, or of a role in another folder; what it prints."""

    def run(role: str, command: str, *arguments: str | Path) -> str:
        group, home = "owner" if role == "partner" else role, house.root / role
        return house.run(group, command, "--home", home, *arguments)

    return run


def begin(house: Household) -> None:
    """Start the gateway, and let the owner take its card."""
    house.start("gateway")
    house.enrol()


def add_owner(house: Household, broker: Mosquitto) -> None:
    """A second owner; both must approve."""
    partner, address = house.root / "partner", f"{broker.host}:{broker.port}"
    house.run("owner", "init", "--name", "Otto", "--broker", address, "--home", partner)
    settings = yaml.safe_load(house.config.read_text())
    settings["owners"].append("partner/owner.card.yaml")
    settings["approvals_needed"] = 2
    house.config.write_text(yaml.safe_dump(settings))
    begin(house)
    card = house.state / "wishes" / "device.card.yaml"
    house.run("owner", "card", "--add", card, "--home", partner)


def ask(house: Household, say: Say, **changes: object) -> str:
    """Post a request in public; its digest."""
    path = house.write_request(LATELY, **changes)
    return str(
        json.loads(say("requester", "post", path, "--allow-loopback-http", "--json"))["digest"]
    )


def signed_as(said: str) -> str:
    """The id of what was signed, as the command has told it."""
    (line,) = [line for line in said.splitlines() if line.startswith("Signed and sent")]
    return line.split()[-1].rstrip(".")


def inbox(
    say: Say, ready: Callable[[dict[str, list[dict[str, object]]]], bool], role: str = "owner"
) -> None:
    """Collect until what is there is as wanted."""
    deadline = time.monotonic() + 120
    while not ready(plain := json.loads(say(role, "inbox", "--json"))):
        assert time.monotonic() < deadline, plain


def is_open(digest: str) -> Callable[[dict[str, list[dict[str, object]]]], bool]:
    return lambda plain: digest in [one["digest"] for one in plain["requests"]]


def is_closed(digest: str) -> Callable[[dict[str, list[dict[str, object]]]], bool]:
    return lambda plain: digest not in [one["digest"] for one in plain["requests"]]


def test_sharing_pausing_muting_and_what_nobody_can_answer(house: Household, say: Say) -> None:
    begin(house)
    older, newer = house.record(900, 300)

    # A clip for the neighbour, who has not asked
    assert newer in say("owner", "clips")
    card = house.root / "requester" / "requester.card.yaml"
    url = house.receiver_url
    share = ["share", "2", "--to", card, "--url", url, "--allow-loopback-http", "--yes"]
    assert "front-door: sent" in say("owner", *share, "--wait", "120")

    # A legal order, while requests are paused and resumed
    order = {"court": "District Court", "docket": "24-CV-1", "document_sha256": "a" * 64}
    order_request = ask(house, say, kind="legal-order", order=order)
    inbox(say, is_open(order_request))
    page = say("owner", "show", order_request[:8])
    assert "THIS IS A LEGAL ORDER" in page and "24-CV-1" in page
    assert "front-door: done. Requests are no longer shown" in say("owner", "pause-requests")
    inbox(say, is_closed(order_request))
    assert "You paused requests" in say("owner", "show", order_request[:8])
    assert say("owner", "resume-requests").startswith("front-door: done. Requests are shown")
    inbox(say, is_open(order_request))

    # Information, and a withdrawal
    alert = house.root / "alert.yaml"
    alert.write_text(
        "title: Water main broken\ntext: Boil your water.\nopen_days: 1\n"
        f"around: {{latitude: {PLACE['latitude']}, longitude: {PLACE['longitude']}, "
        "square_miles: 2}\n"
    )
    told = json.loads(say("requester", "alert", alert, "--json"))["digest"]
    say("requester", "withdraw", order_request[:8], "--yes")
    inbox(say, lambda plain: {"alert", "withdrawn"} <= {one["kind"] for one in plain["notices"]})
    assert "Nobody can answer an alert" in say("owner", "show", told[:8])
    page = say("owner", "show", order_request[:8])
    assert "WITHDRAWN" in page and "THIS IS A LEGAL ORDER" in page

    # Some clips now, more later, and then no more of them
    request = ask(house, say, reference="2024-2")
    inbox(say, is_open(request))
    for clip in (older, newer):
        approve = ["approve", request[:8], clip, "--yes", "--wait", "120"]
        assert "front-door: sent" in say("owner", *approve)
    assert "front-door: done" in say("owner", "mute", request[:8], "--yes")
    inbox(say, is_closed(request))
    page = say("owner", "show", request[:8])
    assert "You muted Springfield Police Department" in page
    assert f"owner unmute {request[:8]}" in page
    ask(house, say, reference="2024-3")
    house.wait("the refusal", lambda: "request.refused" in house.ledger())
    assert json.loads(say("owner", "inbox", "--json"))["requests"] == []
    assert "front-door: done" in say("owner", "unmute", request[:8])

    house.stop("gateway")
    page = house.device("ledger", "export", "--html")
    assert "This ledger holds together." in page
    for sentence in (
        "who had not asked",
        "An owner paused requests",
        "informed the public: Water main broken",
        "withdrew a request",
        "requester-muted",
        "They cannot be called back",
    ):
        assert sentence in page
    assert "not known to this version" not in page


def test_two_owners_must_say_the_same(house: Household, mosquitto: Mosquitto, say: Say) -> None:
    add_owner(house, mosquitto)
    _, newer = house.record(900, 300)
    request = ask(house, say)
    inbox(say, is_open(request))
    approve = [
        "approve",
        request[:8],
        newer,
        "--trim",
        f"{newer}=0-1",
        "--tell-email",
        "o@x.example",
    ]
    said = say("owner", *approve, "--yes", "--wait", "120")
    assert "another owner has agreed to exactly this" in said
    release = signed_as(said)

    inbox(
        say,
        lambda plain: bool(plain["requests"] and plain["requests"][0]["proposals"]),
        role="partner",
    )
    page = say("partner", "show", request[:8])
    assert "Olive (key " in page and "It waits for you" in page and "only 0 s to 1 s" in page
    say("owner", "inbox")
    assert "It waits for Otto" in say("owner", "show", request[:8])
    assert f"--with {release[:8]}" in page
    agreed = say("partner", "approve", request[:8], "--with", release, "--yes", "--wait", "120")
    assert "email o@x.example" in agreed
    assert "front-door: sent" in agreed

    say("partner", "clips")
    say("owner", "clips")
    card = house.root / "requester" / "requester.card.yaml"
    share = ["share", "1", "--to", card, "--url", house.receiver_url, "--allow-loopback-http"]
    said = say("owner", *share, "--yes", "--wait", "120")
    release = signed_as(said)
    inbox(
        say, lambda plain: release in [one["release"] for one in plain["releases"]], role="partner"
    )
    agreed = say("partner", "share", "--with", release, "--yes", "--wait", "120")
    assert "Springfield Police Department, who has not asked" in agreed
    assert "front-door: sent" in agreed
