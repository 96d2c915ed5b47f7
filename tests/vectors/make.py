"""Write the vectors: statements and letters, good and hostile, one a file.

::

    python -m tests.vectors.make

:mod:`tests.vectors.vector` describes a vector, :mod:`tests.vectors.families` lists the attacks. All
files come out the same each time, except letters sealed by age, which never do: an existing one is
kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agent.consent import letters
from agent.consent.cards import format_card
from agent.consent.statements import Alert, Receipt, Redaction, Withdrawal
from tests.consent import logs, world
from tests.consent.logs import FakeLog
from tests.consent.world import CLIP, CLIP_2, NOW
from tests.vectors import families, vector
from tests.vectors.attacks import posts, proofs, receipts, shares
from tests.vectors.attacks.proofs import WITNESSES
from tests.vectors.vector import Named, Vector

FOLDER = Path(__file__).parent


def vectors() -> Iterator[Named]:
    """All vectors by file name, without ``.json``."""
    for name, made in good():
        yield f"good/{name}", made
    names: set[str] = set()
    for family in families.FAMILIES:
        for name, made in family():
            assert name not in names, f"two attacks are called {name}"
            names.add(name)
            yield f"hostile/{name}", made


def shared() -> Vector:
    """``world.json``: who is who, and what the device holds."""
    held = world.FakeDevice().held
    return {
        "about": "Test keys and papers that the vectors share. They guard nothing.",
        "now": NOW,
        "owners": [key.text for key in world.OWNERS.values()],
        "requesters": [key.text for key in world.REQUESTERS.values()],
        "device": world.DEVICE.public.text,
        "device_identity": world.DEVICE_IDENTITY,
        "requester_card": msgspec.to_builtins(world.CARD),
        "place": msgspec.to_builtins(world.PLACE),
        "policy": msgspec.to_builtins(world.RULES),
        "max_clip_age_seconds": world.MAX_CLIP_AGE,
        "log_key": FakeLog().key.text,
        "witness_keys": [witness.key.text for witness in WITNESSES],
        "request": {
            "digest": held.digest,
            "is_open": held.is_open,
            "expires_at": held.expires_at,
            "upload_url": held.upload_url,
            "matches": held.matches,
        },
    }


def good() -> Iterator[Named]:
    """Vectors that must be accepted."""
    yield "request", vector.statement("a voluntary request", world.REQUEST_JWS)
    order = world.request(kind="legal-order", order=world.ORDER, jti="request-0000-0002")
    yield "legal-order", vector.statement("a legal order", world.REQUESTER.sign(order))
    yield (
        "decline",
        vector.statement("a decline", world.OWNER.sign(world.decline()), "clip-decline+jwt"),
    )
    yield (
        "command",
        vector.statement("a command", world.OWNER.sign(world.command()), "clip-command+jwt"),
    )
    emoji = world.request(text="A grey van \U0001f690", jti="request-0000-0003")
    about = "a character that JSON writes as two halves"
    yield "surrogate-pair", vector.statement(about, world.REQUESTER.sign(emoji))
    withdrawn = world.REQUESTER.sign(posts.withdrawal())
    yield "withdrawal", vector.statement("a withdrawal", withdrawn, Withdrawal.TYP)
    shown = world.REQUESTER.sign(posts.alert())
    yield (
        "alert",
        {"about": "an alert", "check": "alert", "typ": Alert.TYP, "input": shown},
    )
    for name, said in (("receipt", receipts.receipt()), ("rejection", receipts.rejection())):
        jws = world.REQUESTER.sign(said)
        yield name, vector.statement(f"a {name} for a bundle", jws, Receipt.TYP)
    yield "request-admitted", vector.policy("a request that the default policy admits")
    clockwise = world.polygon(*reversed(world.square(0.5).coordinates[0][:-1]))
    turned = world.request(area=clockwise)
    yield "area-clockwise", vector.policy("an area whose ring turns the other way", turned)
    yield "card", vector.written("a requester's card", "card", format_card(world.CARD))
    yield "log-key", vector.written("a log's key", "log-key", FakeLog().key.text)
    log = proofs.log()
    yield "proof", vector.proof("a proof", logs.entry(3), log.proof(3).decode())
    known = {"entry": logs.entry(1).decode(), "proof": log.proof(1, size=3).decode()}
    grown = log.link(3, proofs.SIZE).decode()
    yield "link", vector.link("a link", grown, context={"log": {"seen": [known]}})
    yield "approval", vector.approval("an approval of one clip", world.letter())
    both = world.approval(clips=(world.approved(CLIP), world.approved(CLIP_2)))
    yield "approval-of-two", vector.approval("an approval of two clips", world.letter(both))
    still = Redaction.still(x=0.75, y=0, width=0.25, height=1)
    redacted = world.approval(clips=(world.approved(redact=(world.WALKER, still)),))
    about = "an approval of a clip with a box that moves and one that does not"
    yield "approval-redacted", vector.approval(about, world.letter(redacted))
    other = world.approval(iss=world.OTHER_OWNER.public.fingerprint)
    letter = world.letter(other, signer=world.OTHER_OWNER)
    yield "approval-by-other-owner", vector.approval("another enrolled owner approves", letter)
    yield "share", vector.approval("a share of one clip", shares.letter(), "share")
    sealed = letters.seal(world.letter(), [world.DEVICE_RECIPIENT])
    yield "letter", vector.letter("an approval's letter", sealed)


def text_of(made: Vector) -> str:
    """A vector as the text of its file."""
    return json.dumps(made, indent=2) + "\n"


def main() -> None:
    """Write every vector, keeping sealed letters that exist; remove what is not made here."""
    (FOLDER / "world.json").write_text(text_of(shared()))
    files = {FOLDER / f"{name}.json": made for name, made in vectors()}
    for path in {*FOLDER.glob("good/*.json"), *FOLDER.glob("hostile/*.json")} - files.keys():
        path.unlink()
    for path, made in files.items():
        path.parent.mkdir(exist_ok=True)
        if made["check"] != "letter" or not path.exists():
            path.write_text(text_of(made))


if __name__ == "__main__":
    main()
