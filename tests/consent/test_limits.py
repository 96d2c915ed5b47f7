"""Each limit at its edge: the last value that is allowed, and the first that is not.

Found by changing the code (``make mutate``): these are the places where one step to the
side was seen by no other test.
"""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Any

import msgspec
import pytest

from agent.consent import cards, decoding, letters, signing
from agent.consent.cards import OwnerCard
from agent.consent.letters import MAX_LETTER_BYTES, Letter
from agent.consent.policy import area, upload
from agent.consent.policy import requests as policy
from agent.consent.statements import Request
from agent.consent.transparency import checkpoint
from agent.consent.transparency import proof as logproof
from agent.consent.transparency.checkpoint import Note
from agent.consent.transparency.merkle import MAX_HASHES, MAX_SIZE
from agent.consent.transparency.proof import MAX_BYTES, MAX_WITNESSES, LogPolicy
from agent.consent.transparency.view import LogView
from agent.errors import (
    ConfigError,
    MalformedStatement,
    NotPublic,
    RequestRefused,
    StorageFault,
    UnreadableLetter,
)
from tests.consent import world
from tests.consent.logs import NAME, FakeLog, FakeWitness, entry
from tests.consent.world import polygon

LOG = FakeLog(9)
SIGNATURE_LINE = "— log.example AAAAAAA=\n"


def rule(call: Any, *arguments: Any, **named: Any) -> str:
    """The rule by which ``call`` refuses its arguments."""
    with pytest.raises((MalformedStatement, NotPublic, RequestRefused, UnreadableLetter)) as caught:
        call(*arguments, **named)
    return str(caught.value.rule)


# Letters and statements


def letter_of(plain_bytes: int) -> Letter:
    """A letter whose JSON is so long."""
    keys = {f"20240124-171500-{n:06x}": world.CLIP_KEYS[world.CLIP] for n in range(1_200)}
    short = len(decoding.encode(Letter(jws="", keys=keys)))
    return Letter(jws="x" * (plain_bytes - short), keys=keys)


def test_the_longest_letter_that_is_sealed_can_be_opened() -> None:
    longest = MAX_LETTER_BYTES - 16_384
    sealed = letters.seal(letter_of(longest), [world.DEVICE_RECIPIENT])
    assert letters.open_letter(sealed, world.DEVICE_IDENTITY) == letter_of(longest)
    assert rule(letters.seal, letter_of(longest + 1), [world.DEVICE_RECIPIENT]) == "too-large"


def test_the_longest_letter_that_is_opened() -> None:
    for size, why in ((MAX_LETTER_BYTES, "not-sealed-to-us"), (MAX_LETTER_BYTES + 1, "too-large")):
        assert rule(letters.open_letter, bytes(size), world.DEVICE_IDENTITY) == why


def test_the_longest_jws_that_is_parsed() -> None:
    longest = 16_384 * 4 // 3 + 512  # a statement in base64, and its header
    for size, why in ((longest, "not-jws"), (longest + 1, "too-large")):
        assert rule(signing.verify, b"!" * size, Request, world.REQUESTERS) == why


# Cards and uploads


def test_a_card_that_cannot_be_read_names_its_file() -> None:
    with pytest.raises(ConfigError, match=r"people\.yaml"):
        cards.parse_requesters("requesters: 7", "people.yaml")


def test_an_invalid_recovery_recipient() -> None:
    text = f"""
        name: Ada
        sign: {world.OWNER.public.text}
        seal: {world.OWNER_RECIPIENT}
        role: owner
        recovery: age1{"q" * 58}
    """
    with pytest.raises(ConfigError, match="recovery: is not an age recipient"):
        cards.parse_card(text, OwnerCard, "owner.card.yaml")


def test_base64url_omits_only_padding() -> None:
    assert cards.encode_base64url(b"\x00\x00\x17") == "AAAX"


def test_a_card_keeps_field_order_and_non_ascii_letters() -> None:
    text = cards.format_card(world.card(name="Jämtland"))
    assert text.startswith("name: Jämtland\nsign: ")


def test_plain_http_is_refused_by_default() -> None:
    card = world.card(upload_hosts=("127.0.0.1:1080",))
    assert upload.problem("http://127.0.0.1:1080/", card)
    assert upload.form_problem("http://127.0.0.1:1080/")


def test_the_highest_port() -> None:
    card = world.card(upload_hosts=("a.example:65535", "a.example:65536"))
    assert not upload.problem("https://a.example:65535/", card)
    assert upload.problem("https://a.example:65536/", card)


# The policy


def judge(request: Request, **changes: Any) -> None:
    arguments: dict[str, Any] = {
        "rules": world.RULES,
        "place": world.PLACE,
        "requester": world.CARD,
        "history": world.NO_HISTORY,
        "now": float(world.NOW),
        "max_clip_age_seconds": world.MAX_CLIP_AGE,
    }
    policy.judge(policy.Case(request=request, **(arguments | changes)))


def test_the_smallest_and_the_largest_area() -> None:
    request = world.request()
    size = area.square_miles(request.area)
    for side in ("min_area_square_miles", "max_area_square_miles"):
        judge(request, rules=msgspec.structs.replace(world.RULES, **{side: size}))


def test_loopback_http_in_a_request_where_the_owner_allows_it() -> None:
    request = world.request(upload=world.upload("http://127.0.0.1:1080/files/"))
    judge(request, allow_loopback_http=True)
    assert rule(judge, request) == "upload-not-allowed"


@pytest.mark.parametrize(("digits", "reachable"), [(6, False), (7, True), (15, True), (16, False)])
def test_the_shortest_and_the_longest_telephone_number(digits: int, reachable: bool) -> None:
    request = world.request(contact="4135550100123456"[:digits])
    if reachable:
        judge(request)
    else:
        assert rule(judge, request) == "contact-missing"


@pytest.mark.parametrize("incident", ["protest", "peaceful protest", "protest downtown"])
def test_a_refused_incident_anywhere_in_the_text(incident: str) -> None:
    assert rule(judge, world.request(incident=incident)) == "incident-never"


# Areas


def test_an_area_may_reach_the_last_latitude() -> None:
    area.check(polygon((10.0, 84.9), (10.1, 84.9), (10.0, area.MAX_LATITUDE_DEGREES)))


def test_a_point_on_the_longer_line_of_an_edge_is_not_on_the_edge() -> None:
    """Longitude and latitude differ, so that a swapped pair is noticed."""
    box = polygon((42.5, 41.0), (42.8, 41.0), (42.8, 41.3), (42.5, 41.3))
    assert not area.contains(box, 41.0, 42.0)
    assert not area.contains(box, 41.0, 43.0)


def test_nearly_straight_corners_are_exact() -> None:
    """L. Kettner et al., "Classroom Examples of Robustness Problems" (2008), figure 2.

    Floating point gives the wrong sign for many such points, steps of a grid apart.
    """
    a, b = (17.3, 17.3), (24.0, 24.0)
    for i, j in product(range(24), repeat=2):
        c = (0.5 + i * 1e-9, 0.5 + j * 1e-9)
        for order in permutations(range(3)):
            corners = [(a, b, c)[number] for number in order]
            turn = (j > i) - (j < i)  # of a, b, c; every exchange of two turns it around
            swaps = sum(one > other for one, other in combinations(order, 2))
            assert area._turn(*map(area._on_grid, corners)) == (-1) ** swaps * turn


# The public log


def test_the_largest_log_size() -> None:
    assert checkpoint.decode_number(str(MAX_SIZE)) == MAX_SIZE
    with pytest.raises(ValueError, match="plain decimal"):
        checkpoint.decode_number(str(MAX_SIZE + 1))


def test_a_note_may_hold_empty_lines_but_not_be_empty() -> None:
    assert Note.from_text(f"one\n\ntwo\n\n{SIGNATURE_LINE}").text == "one\n\ntwo\n"
    assert rule(Note.from_text, f"\n\n{SIGNATURE_LINE}") == "note-malformed"


def test_a_note_that_does_not_end_with_its_last_line() -> None:
    assert rule(Note.from_text, f"one\n\n{SIGNATURE_LINE[:-1]}x") == "note-malformed"


def test_the_longest_text_of_a_checkpoint() -> None:
    body = checkpoint.format_body(NAME, 9, bytes(32))
    longest = body + "x" * (1_024 - len(body) - 1) + "\n"
    assert LOG.policy().verify(LOG.sign(longest)).size == 9
    assert rule(LOG.policy().verify, LOG.sign("x" + longest)) == "note-malformed"


def test_the_most_witnesses() -> None:
    keys = [FakeWitness(f"{number}.example/w").key.text for number in range(MAX_WITNESSES + 1)]
    assert len(LogPolicy.pin(LOG.key.text, keys[:-1]).witnesses) == MAX_WITNESSES
    with pytest.raises(ConfigError, match="more than"):
        LogPolicy.pin(LOG.key.text, keys)


def test_the_longest_proof() -> None:
    note, bare = LOG.note(9), logproof.format_proof(3, LOG.path(3, 9), "")
    first, rest = bare.split("\n", 1)
    room = MAX_BYTES - len(f"{first}\nextra \n{rest}{note}".encode())
    known = {room % 4: note}
    for more in range(4):  # an extra line is base64, so the signed text takes up the slack
        text = LOG.note(9).split("\n\n")[0] + "\n" + "x" * more
        known.setdefault((room - len(LOG.sign(f"{text}\n")) + len(note)) % 4, LOG.sign(f"{text}\n"))
    chosen = known[0]
    extra = "A" * (MAX_BYTES - len(f"{first}\nextra \n{rest}{chosen}".encode()))
    whole = f"{first}\nextra {extra}\n{rest}{chosen}".encode()
    assert len(whole) == MAX_BYTES
    assert logproof.read_proof(whole, LOG.policy()).holds(entry(3))
    assert rule(logproof.read_proof, whole + b"x", LOG.policy()) == "proof-malformed"


def test_the_most_hashes() -> None:
    for count, why in ((MAX_HASHES, "not-included"), (MAX_HASHES + 1, "proof-malformed")):
        proof = logproof.format_proof(3, [bytes(32)] * count, LOG.note(9)).encode()
        _, outcome = LogView(LOG.policy()).check(entry(3), proof)
        assert isinstance(outcome, NotPublic) and outcome.rule == why


def test_a_proof_of_a_first_line_and_no_other() -> None:
    short = f"c2sp.org/tlog-proof@v1\n\n{LOG.note(9)}".encode()
    assert rule(logproof.read_proof, short, LOG.policy()) == "proof-malformed"


def test_a_link_with_an_invalid_hash() -> None:
    bad = f"old 3\nAAAA\n\n{LOG.note(9)}".encode()
    assert rule(logproof.read_link, bad, LOG.policy()) == "link-malformed"


def test_a_view_drops_the_troubles_of_the_previous_one() -> None:
    view = LogView(LOG.policy()).advance(b"no link")
    assert view.troubles
    refused, _ = view.check(entry(3), b"")
    assert refused.troubles == ()
    believed, _ = view.check(entry(3), LOG.proof(3))
    assert believed.troubles == ()


def test_a_fork_ends_the_search_and_refuses_the_post_that_showed_it() -> None:
    view, _ = LogView(LOG.policy()).check(entry(3), LOG.proof(3, 9))
    view = view.advance(LOG.link(4, 5))  # leads nowhere yet
    assert view.links
    other = LOG.forked(at=2)
    forked, outcome = view.check(other.entries[3], other.proof(3, 9))
    assert isinstance(outcome, NotPublic) and outcome.rule == "checkpoint-forked"
    assert (forked.troubles, forked.links) == ((), ())


def test_a_damaged_view_comes_with_advice() -> None:
    with pytest.raises(StorageFault) as caught:
        LogView.from_text("{}", LOG.policy())
    assert caught.value.advice
