"""A million forged approvals, with flipped bits and spliced parts; none may be accepted.

::

    python -m tests.soak.flips            FLIPS=10000 shortens it

Two ways, both to the end of :func:`agent.consent.decisions.approval.check_approval`:

- **verified**: a changed JWS in a letter that is open already, with the right keys;
- **letters**: the whole way of a letter. Either a changed JWS is sealed to the device, opened
  and judged, or a sealed letter is changed, which then must not even open.

What comes out as one of the originals again is no forgery, and drawn anew. So that a
verifier which refuses everything does not pass, each process first sees every original
accepted. The draws are the same each time (``FLIPS_SEED`` chooses others).
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from agent.consent import letters
from agent.consent.cards import decode_base64url, encode_base64url
from agent.consent.decisions.approval import check_approval
from agent.consent.letters import Letter
from agent.errors import Refused
from tests.consent import world
from tests.consent.world import CLIP, CLIP_2, CLIP_KEYS, FakeDevice

TOTAL = 1_000_000
LETTERS_SHARE = 10  # one in so many goes the whole way of a letter
_BATCH = 5_000
_SIGNATURE_BYTES = 64
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

Change = Callable[[random.Random, list[str]], str]


@dataclass
class Count:
    """The results of a number of forgeries; ``accepted`` are those to examine."""

    verified: int = 0
    letters: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)

    def add(self, other: Count) -> None:
        """Count another's with one's own."""
        self.verified += other.verified
        self.letters += other.letters
        self.rules += other.rules
        self.accepted += other.accepted


def originals() -> list[str]:
    """Approvals that owners have signed: of one clip or two, by either, under several ids."""
    both = (world.approved(CLIP), world.approved(CLIP_2))
    other = world.OTHER_OWNER
    return [
        world.OWNER.sign(world.approval()),
        world.OWNER.sign(world.approval(jti="decision-0000-0002", clips=both)),
        world.OWNER.sign(world.approval(jti="decision-0000-0003", exp=world.NOW + 60)),
        other.sign(world.approval(iss=other.public.fingerprint)),
        other.sign(
            world.approval(iss=other.public.fingerprint, jti="decision-0000-0004", clips=both)
        ),
    ]


def lent() -> list[str]:
    """Other signed texts to splice with: other statements, and a stranger's approval."""
    stranger = world.STRANGER
    return [
        world.REQUEST_JWS,
        world.OWNER.sign(world.decline()),
        world.OWNER.sign(world.command()),
        stranger.sign(world.approval(iss=stranger.public.fingerprint)),
        world.OWNER.sign(world.approval(aud=world.OTHER_DEVICE.public.fingerprint)),
        world.OWNER.sign(world.approval(exp=world.NOW)),
    ]


# Changes of a text. Each draws one of the originals and gives something like it.


def _flip(random: random.Random, texts: list[str]) -> str:
    """Some bits of the text."""
    data = bytearray(random.choice(texts).encode())
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return data.decode("latin-1")


def _flip_inside(random: random.Random, texts: list[str]) -> str:
    """Some bits of header, payload or signature, under their encoding."""
    parts = [bytearray(decode_base64url(part)) for part in random.choice(texts).split(".")]
    part = random.choice(parts)
    for _ in range(random.choice((1, 1, 2))):
        part[random.randrange(len(part))] ^= 1 << random.randrange(8)
    return ".".join(encode_base64url(bytes(part)) for part in parts)


def _exchange(random: random.Random, texts: list[str]) -> str:
    """Header, payload and signature of several statements."""
    some = [random.choice([*texts, *_LENT]).split(".")[number] for number in range(3)]
    return ".".join(some)


def _splice(random: random.Random, texts: list[str]) -> str:
    """The beginning of one, the end of another."""
    first, second = random.choice(texts), random.choice([*texts, *_LENT])
    cut = random.randrange(1, min(len(first), len(second)))
    return first[:cut] + second[cut if random.random() < 0.5 else cut - len(first) :]


def _splice_inside(random: random.Random, texts: list[str]) -> str:
    """The beginning of one payload, the end of another, at a place where both have a comma."""
    (top, one, signature), (_, two, _) = (random.choice(texts).split(".") for _ in range(2))
    heads, tails = (decode_base64url(part).split(b",") for part in (one, two))
    cut = random.randrange(1, min(len(heads), len(tails)))
    spliced = encode_base64url(b",".join(heads[:cut] + tails[cut:]))
    return f"{top}.{spliced}.{signature}"


def _resign(random: random.Random, texts: list[str]) -> str:
    """A signature that only mathematics could tell: S moved, R mirrored, or any bytes."""
    top, body, signature = random.choice(texts).split(".")
    raw = decode_base64url(signature)
    scalar = int.from_bytes(raw[32:], "little")
    match random.randrange(4):
        case 0:
            moved = (scalar + random.randrange(1, 8) * _GROUP_ORDER) % 2**256
            raw = raw[:32] + moved.to_bytes(32, "little")
        case 1:
            moved = random.randrange(_GROUP_ORDER)
            raw = raw[:32] + moved.to_bytes(32, "little")
        case 2:
            raw = raw[:31] + bytes([raw[31] ^ 0x80]) + raw[32:]
        case _:
            raw = random.randbytes(_SIGNATURE_BYTES)
    return f"{top}.{body}.{encode_base64url(raw)}"


_LENT = lent()
_CHANGES: tuple[Change, ...] = (_flip, _flip_inside, _exchange, _splice, _splice_inside, _resign)


class Verifier:
    """A device that is shown forgeries. Its clock stands still."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._originals = originals()
        self._device = FakeDevice()
        self._sealed = [
            letters.seal(self._letter(jws), [world.DEVICE_RECIPIENT]) for jws in self._originals
        ]
        self.count = Count()
        for number, sealed in enumerate(self._sealed):
            opened = letters.open_letter(sealed, world.DEVICE_IDENTITY)
            assert opened.jws == self._originals[number]
            check_approval(opened, self._device.context(), self._device)

    def forge(self, number: int) -> None:
        """Try ``number`` forgeries, every tenth by the whole way of a letter."""
        for turn in range(number):
            if turn % LETTERS_SHARE:
                self.count.verified += 1
                self._judge(self._letter(self._forged()))
            else:
                self.count.letters += 1
                self._open(self._flipped() if turn % (2 * LETTERS_SHARE) else self._resealed())

    def _letter(self, jws: str) -> Letter:
        """With the keys of the clips that it names, as a forger would send who had them."""
        try:
            payload = decode_base64url(jws.split(".")[1])
        except (ValueError, IndexError):
            payload = b""
        named = [clip for clip in (CLIP, CLIP_2) if clip.encode() in payload]
        return Letter(jws=jws, keys={clip: CLIP_KEYS[clip] for clip in named})

    def _forged(self) -> str:
        while True:
            text = self._random.choice(_CHANGES)(self._random, self._originals)
            if text not in self._originals:
                return text

    def _flipped(self) -> bytes:
        """A sealed letter with bits flipped, or the end of another."""
        sealed = bytearray(self._random.choice(self._sealed))
        if self._random.random() < 0.2:
            cut = self._random.randrange(len(sealed))
            sealed = sealed[:cut] + self._random.choice(self._sealed)[cut:]
        else:
            for _ in range(self._random.choice((1, 1, 4))):
                sealed[self._random.randrange(len(sealed))] ^= 1 << self._random.randrange(8)
        return self._flipped() if bytes(sealed) in self._sealed else bytes(sealed)

    def _resealed(self) -> bytes:
        return letters.seal(self._letter(self._forged()), [world.DEVICE_RECIPIENT])

    def _open(self, sealed: bytes) -> None:
        try:
            letter = letters.open_letter(sealed, world.DEVICE_IDENTITY)
        except Refused as refusal:
            self.count.rules[refusal.rule] += 1
            return
        self._judge(letter)

    def _judge(self, letter: Letter) -> None:
        try:
            check_approval(letter, self._device.context(), self._device)
        except Refused as refusal:
            self.count.rules[refusal.rule] += 1
        else:
            self.count.accepted.append(letter.jws)


def forge(seed: str, number: int) -> Count:
    """The results of ``number`` forgeries drawn from ``seed``."""
    verifier = Verifier(seed)
    verifier.forge(number)
    return verifier.count


def run(total: int, seed: str, processes: int) -> Count:
    """Try ``total`` forgeries in several processes."""
    whole = Count()
    batches = [min(_BATCH, total - begun) for begun in range(0, total, _BATCH)]
    with ProcessPoolExecutor(processes) as pool:
        seeds = [f"{seed}/{number}" for number in range(len(batches))]
        for count in pool.map(forge, seeds, batches):
            whole.add(count)
    return whole


def main() -> int:
    """Print the counts; 1 if a forgery was accepted."""
    total = int(os.environ.get("FLIPS", TOTAL))
    begun = time.monotonic()
    count = run(total, os.environ.get("FLIPS_SEED", "flips"), os.cpu_count() or 1)
    took = time.monotonic() - begun
    tried = count.verified + count.letters
    print(
        f"{tried:,} forged approvals in {took:.0f} s: {count.verified:,} against the verifier,"
        f" {count.letters:,} the whole way of a letter; accepted: {len(count.accepted)}"
    )
    for rule, times in count.rules.most_common():
        print(f"  {times:>9,}  {rule}")
    for forged in count.accepted[:10]:
        print(f"  ACCEPTED: {forged!r}")
    return 1 if count.accepted or tried != total else 0


if __name__ == "__main__":
    sys.exit(main())
