"""Letters that the device cannot open, or with unexpected content."""

from __future__ import annotations

from collections.abc import Iterator

import pyrage

from agent.consent.letters import seal
from tests.consent import world
from tests.consent.world import CLIP, CLIP_KEYS
from tests.vectors import vector
from tests.vectors.vector import Named


def letters() -> Iterator[Named]:
    """Sealed by anybody: whoever has the device's card can write to it."""
    device = pyrage.x25519.Recipient.from_str(world.DEVICE_RECIPIENT)
    whole = seal(world.letter(), [world.DEVICE_RECIPIENT])
    key = CLIP_KEYS[CLIP]
    for name, about, sealed in (
        ("flipped", "one bit is flipped", bytes([*whole[:-1], whole[-1] ^ 1])),
        ("cut", "the last byte is missing", whole[:-1]),
        ("longer", "a byte too many", whole + b"\0"),
        ("twice-over", "two letters in one", whole + whole),
        ("header-alone", "the header alone", whole[: whole.index(b"\n---") + 48]),
        ("foreign", "to somebody else", seal(world.letter(), [world.OWNER_RECIPIENT])),
        ("passphrase", "sealed with a passphrase", pyrage.passphrase.encrypt(b"{}", "secret")),
        ("open", "not sealed at all", b'{"jws":"","keys":{}}'),
        ("empty", "nothing", b""),
        ("version", "another version of age", whole.replace(b"/v1", b"/v2", 1)),
    ):
        yield f"letter-{name}", vector.letter(about, sealed, rule="not-sealed-to-us")
    deep = b'{"jws":"","keys":' + b"[" * 20_000
    named = b'{"jws":"","keys":{"%b":"%b"}}'
    lower, wide = key.lower().encode(), "\uff12\uff10240124-171500-3f9a2c".encode()
    for name, about, plain, rule in (
        ("junk", "sealed junk", b"junk", "not-json"),
        ("nothing", "a letter of nothing", b"", "not-json"),
        ("bom", "a byte order mark", b'\xef\xbb\xbf{"jws":"","keys":{}}', "not-json"),
        ("binary", "a letter in a letter", whole, "not-utf-8"),
        ("nested", "nested too deeply", deep, "not-json"),
        ("nan", "no number", b'{"jws":"","keys":{},"n":NaN}', "not-finite"),
        ("surplus", "a field more", b'{"jws":"","keys":{},"also":1}', "wrong-shape"),
        ("no-keys", "a field less", b'{"jws":""}', "wrong-shape"),
        ("list", "a list of letters", b'[{"jws":"","keys":{}}]', "wrong-shape"),
        ("jws-number", "a number to verify", b'{"jws":1,"keys":{}}', "wrong-shape"),
        ("path", "a clip id that is a path", named % (b"../x", key.encode()), "wrong-shape"),
        ("id-wide", "a clip id in wide digits", named % (wide, key.encode()), "wrong-shape"),
        ("key-lower", "a key in small letters", named % (CLIP.encode(), lower), "wrong-shape"),
        ("key-short", "half a key", named % (CLIP.encode(), key[:40].encode()), "wrong-shape"),
        ("key-nul", "a NUL in a key", named % (CLIP.encode(), b"\\u0000"), "control-character"),
        ("twice", "keys given twice", b'{"jws":"","keys":{},"keys":{}}', "duplicate-key"),
        (
            "key-twice",
            "a clip's key given twice",
            b'{"jws":"","keys":{"%b":"","%b":""}}' % (CLIP.encode(), CLIP.encode()),
            "duplicate-key",
        ),
    ):
        yield f"letter-{name}", vector.letter(about, pyrage.encrypt(plain, [device]), rule=rule)
