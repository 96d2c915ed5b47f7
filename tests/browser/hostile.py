"""A household in which every text that others write is an attack on the pages that show it.

>>> with HostileHome.at(tmp_path) as home:
...     home.folder, home.broker

The camera, its letters and the requester are all hostile. The owner's keys are real.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.config import Broker
from agent.consent import signing
from agent.consent.cards import format_card
from agent.consent.statements import (
    HeldRelease,
    HouseholdOwner,
    LegalOrder,
    Notice,
    PartHealth,
    RequesterRecord,
)
from agent.keyfile import Keys
from agent.mqtt import topics
from agent.owner.home import keys as owner_keys
from agent.owner.home.folder import OwnerFolder, Settings
from tests.e2e.household import PASSPHRASE
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera, make_request
from tests.peers.mosquitto import Mosquitto
from tests.support.quick_keys import quick_passphrases

# Breaks out of text, of an attribute in either quote, of a script, and of a template.
ATTACK: Final = "'\"></script><i data-hit onclick=x()>{{7*7}}${7*7}%(x)s{x}</i><script>x()//"
FOUND: Final = "document.querySelectorAll('[data-hit], main script:not([src])').length"


class HostileCamera(FakeCamera):
    """A camera that was taken over."""

    def status(self, **changes: Any) -> bytes:
        health = PartHealth(state=ATTACK, detail=ATTACK, at=int(time.time()), version=ATTACK)
        mine = HouseholdOwner(fingerprint=self.owner.fingerprint, name=ATTACK)
        other = HouseholdOwner(fingerprint=Keys.generate().fingerprint, name=ATTACK)
        hostile: dict[str, Any] = {
            "camera": health,
            "gateway": health,
            "owners": (mine, other),
            "held": (HeldRelease(release="0123456789abcdef", why=ATTACK),),
            "muted": (Keys.generate().fingerprint,),
            "warnings": (ATTACK, ATTACK),
        }
        return super().status(**{**hostile, **changes})


@dataclass(frozen=True)
class HostileHome:
    """An owner's folder, and the camera at the broker."""

    folder: OwnerFolder
    camera: HostileCamera
    requests: tuple[str, ...]  # their digests

    @classmethod
    @contextmanager
    def at(cls, root: Path, clip: bytes) -> Iterator[HostileHome]:
        """The camera answers until the block ends; its clips hold ``clip``."""
        with quick_passphrases():
            made = owner_keys.make("Olive", PASSPHRASE, now=time.time())
        with Mosquitto(root / "mosquitto") as mosquitto:
            broker = Broker(host=mosquitto.host, port=mosquitto.port)
            folder = OwnerFolder.create(root / "owner", made, Settings(mqtt=broker))
            camera = HostileCamera("front-door", made.card)
            (root / "card.yaml").write_text(format_card(camera.card))
            folder.enrol(root / "card.yaml")
            home = OwnerAtHome(folder, broker, camera)
            digests = tuple(_leave_letters(home, clip))
            with camera.serve(broker, answers=[("SENDING", ATTACK[:150])]):
                yield cls(folder, camera, digests)


def _leave_letters(home: OwnerAtHome, clip: bytes) -> Iterator[str]:
    camera, author, now = home.camera, Keys.generate(), int(time.time())
    words: dict[str, Any] = dict.fromkeys(("reference", "incident", "title", "contact"), ATTACK)
    words |= {"text": f"{ATTACK}\n{ATTACK}", "iat": now, "exp": now + 86_400}
    order = LegalOrder(court=ATTACK, docket=ATTACK, document_sha256="0" * 64)
    record = RequesterRecord(
        name=ATTACK, first_seen=now - 86_400, requests=3, refused=1, withdrawn=0
    )
    for more in ({}, {"kind": "legal-order", "order": order}):
        request = make_request(author, **words, **more)
        offers = [camera.record(clip, started_at=now - 600, duration_seconds=6.0)]
        letter = camera.report(request, offers, record=record)
        name = signing.digest(request)[:16]
        home.retain([(topics.inbox(camera.name, name), letter)])
        yield signing.digest(request)
    notice = Notice(
        kind="alert", at=now, until=now + 3600, who=ATTACK, title=ATTACK, text=ATTACK, subject=""
    )
    muted = msgspec.structs.replace(notice, kind="muted-order")
    home.retain([(topics.notices(camera.name), camera.notices(notice, muted))])
    outcome = camera.outcome("0123456789abcdef", "FAILED", ATTACK[:150])
    home.retain([(topics.release(camera.name, "0123456789abcdef"), outcome)])
