"""Attacks inside a payload that its author has signed."""

from __future__ import annotations

from collections.abc import Iterator

from agent.consent import decoding
from tests.consent import world
from tests.consent.world import HOUR, NOW
from tests.vectors import vector
from tests.vectors.attacks.headers import header
from tests.vectors.vector import Named

GOOD = decoding.encode(world.request())
_LEAP_SECOND = 1_483_228_800  # 2016-12-31T23:59:60Z and 2017-01-01T00:00:00Z are one number


def swap(name: str, about: str, rule: str, old: bytes, new: bytes) -> Named:
    """A request in which ``old`` is replaced, signed."""
    assert GOOD.count(old) == 1, old
    jws = world.sign_raw(header(), GOOD.replace(old, new))
    return name, vector.statement(about, jws, rule=rule)


def whole(name: str, about: str, rule: str, payload: bytes) -> Named:
    """Something else than a request, signed."""
    return name, vector.statement(about, world.sign_raw(header(), payload), rule=rule)


def texts() -> Iterator[Named]:
    """Bytes that are no JSON text, and characters that act."""
    yield whole("bom", "a byte order mark", "not-json", b"\xef\xbb\xbf" + GOOD)
    yield whole("utf-16", "in UTF-16", "not-utf-8", GOOD.decode().encode("utf-16"))
    yield whole("list", "a list of requests", "wrong-shape", b"[" + GOOD + b"]")
    yield whole("text", "a request in a string", "wrong-shape", b'"jti"')
    yield whole("nothing", "null", "wrong-shape", b"null")
    yield swap("not-utf-8", "a byte that is not UTF-8", "not-utf-8", b"Grey van,", b"Gr\xe9y,")
    yield swap("overlong", "an overlong NUL", "not-utf-8", b"Grey", b"\xc0\x80")
    yield swap(
        "utf-8-surrogate", "half a character in UTF-8", "not-utf-8", b"Grey", b"\xed\xa0\x80"
    )
    yield swap("trailing-comma", "JSON that only some read", "not-json", b"null}", b"null,}")
    yield swap("comment", "a comment", "not-json", b"null}", b"null/* */}")
    yield swap("single-quotes", "single quotes", "not-json", b'"title"', b"'title'")
    yield swap("second-value", "a second value behind", "not-json", b"null}", b"null}{}")
    yield swap("nested", "nested too deeply", "not-json", b"null}", b"[" * 8_000)
    nested = b"[" * 900 + b"]" * 900 + b"}"
    yield swap("nested-closed", "nested deeply, and closed", "wrong-shape", b"null}", nested)
    twice = b'"title":"x","title":'
    yield swap("key-twice", "the title given twice", "duplicate-key", b'"title":', twice)
    respelt = b'"\\u0074itle":"x","title":'
    yield swap("key-twice-respelt", "twice, spelt otherwise", "duplicate-key", b'"title":', respelt)
    inside = f'"window":{{"from":0,"to":1,"from":{NOW - 2 * HOUR},'.encode()
    window = f'"window":{{"from":{NOW - 2 * HOUR},'.encode()
    yield swap("key-twice-inside", "the window begins twice", "duplicate-key", window, inside)
    iss = b'{"iss":'
    other = b'{"iss":"' + world.OTHER_REQUESTER.public.fingerprint.encode() + b'","iss":'
    yield swap("issuer-twice", "two authors", "duplicate-key", iss, other)
    many = b"{" + b",".join(b'"%x":1' % n for n in range(1_500)) + b',"5db":1}'
    yield whole("keys-many", "1500 keys, the last one twice", "duplicate-key", many)

    acting = "control-character"
    yield swap("terminal", "clears the terminal", acting, b"Grey van", b"\\u001b[2J")
    yield swap("backwards", "reads backwards", acting, b"Grey", b"\\u202eyerG")
    yield swap("isolate", "another way to read backwards", acting, b"Grey", b"\\u2067yerG")
    yield swap("surrogate", "half a character", acting, b"Grey", b"\\ud800")
    turned = b"\\ude00\\ud83d"
    yield swap("surrogates-turned", "the halves in the wrong order", acting, b"Grey", turned)
    yield swap("surrogate-key", "half a character in a name", acting, b'"title"', b'"\\udc00"')
    yield swap("nul-in-text", "a NUL", acting, b"Grey", b"\\u0000")
    yield swap("line-separator", "a line break by another name", acting, b"Grey", b"\\u2028")
    yield swap("carriage-return", "overwrites its own line", acting, b"Grey", b"\\rfake")
    yield swap("fake-line", "a line break in a title", "wrong-shape", b"Grey", b"ok\\napproved")


def numbers() -> Iterator[Named]:
    """Numbers that are none, or too much."""
    shape, json_ = "wrong-shape", "not-json"
    iat = f'"iat":{NOW - HOUR}'.encode()

    def time(name: str, about: str, rule: str, number: bytes) -> Named:
        return swap(name, about, rule, iat, b'"iat":' + number)

    yield swap("not-a-number", "NaN compares with nothing", "not-finite", b"null}", b"NaN}")
    yield swap("infinity", "what JSON does not have", "not-finite", b"null}", b"-Infinity}")
    yield swap("infinite", "too large for a number", "not-finite", b"null}", b"1e999}")
    yield time("text-for-number", "a time as text", shape, b'"1706117400"')
    yield time("before-1970", "a negative time", shape, b"-1")
    yield time("fraction", "a fraction of a second", shape, b"1.5")
    yield time("exponent", "a whole number with an exponent", shape, b"1706117e3")
    yield time("boolean", "true for one", shape, b"true")
    yield time("year-10000", "past the last year that calendars know", shape, b"253402300800")
    yield time("two-to-63", "more than 63 bits", shape, b"9223372036854775808")
    yield time("two-to-64", "once around 64 bits", shape, b"%d" % (2**64 + NOW - HOUR))
    yield time("digits-4000", "a number of 4000 digits", shape, b"9" * 4_000)
    yield time("digits-5000", "a number that Python will not read", json_, b"9" * 5_000)
    yield time("hexadecimal", "a number in hexadecimal", json_, b"0x65b1")
    yield time("leading-zero", "a number that some read as octal", json_, b"01706117400")
    yield time("plus-sign", "a sign that JSON does not have", json_, b"+1")
    yield time("arabic-digits", "digits of another script", json_, "\u0661".encode())
    reversed_ = f'"to":{NOW - 3 * HOUR}'.encode()
    end = f'"to":{NOW - HOUR}'.encode()
    yield swap("window-reversed", "ends before it begins", shape, end, reversed_)
    window = GOOD[GOOD.index(b'"window"') : GOOD.index(b"}", GOOD.index(b'"window"')) + 1]
    leap = b'"window":{"from":%d,"to":%d}' % (_LEAP_SECOND, _LEAP_SECOND)
    about = "from the leap second to the next: one number, no time"
    yield swap("window-leap-second", about, shape, window, leap)
    point = f"[[[{world.request().area.coordinates[0][0][0]!r},".encode()
    for name, about, rule, number in (
        ("longitude-nan", "a corner nowhere", "not-finite", b"NaN"),
        ("longitude-181", "a corner beyond the antimeridian", shape, b"180.0000001"),
        ("longitude-digits", "a longitude of 400 digits", shape, b"1" + b"0" * 400),
        ("longitude-text", "a longitude as text", shape, b'"-72.59"'),
    ):
        yield swap(name, about, rule, point, b"[[[" + number + b",")


def fields() -> Iterator[Named]:
    """Fields that nobody knows, that are missing, or that hold something else."""
    shape = "wrong-shape"
    yield swap("surplus", "a field that nobody knows", shape, b"null}", b'null,"all":1}')
    proto = b'null,"__proto__":{"kind":"alert"}}'
    yield swap("prototype", "a field that some languages act on", shape, b"null}", proto)
    yield swap("missing", "no kind", shape, b'"kind":"voluntary",', b"")
    yield swap("name-case", "a field in capitals", shape, b'"title"', b'"Title"')
    yield swap(
        "name-homoglyph", "a Cyrillic letter in a name", shape, b"title", "titl\u0435".encode()
    )
    yield swap("contact-null", "null for a text", shape, b'"tips@springfield.example"', b"null")
    yield swap("title-long", "a title of 121 characters", shape, b"Grey van", b"x" * 121)
    yield swap("text-long", "a text of 4001 characters", shape, b"Who saw", b"x" * 4_001)
    yield swap("order-missing", "a legal order without one", shape, b"voluntary", b"legal-order")
    order = b'{"court":"c","docket":"d","document_sha256":"' + b"0" * 64 + b'"}}'
    yield swap("order-hidden", "an order in a voluntary request", shape, b"null}", order)
    yield swap("kind-other", "a kind of its own", shape, b"voluntary", b"emergency")
    yield swap("protocol-other", "another way to upload", shape, b'"tus"', b'"ftp"')
    jti = world.request().jti.encode()
    for name, about, text in (
        ("path", "an id that is a path", "../../../../etc/passwd"),
        ("wildcard", "an id that is an MQTT wildcard", "#/+/#/+/#/+/#/+/#"),
        ("slash", "an id of two topic levels", "request-0000-00/01"),
        ("homoglyph", "a Cyrillic letter in an id", "r\u0435quest-0000-0001"),
        ("wide", "wide digits in an id", "request-0000-000\uff11"),
        ("line-feed", "an id that ends a line", "request-0000-0001\\n"),
        ("space", "an id with a space", "request-0000 0001"),
        ("percent", "an id in URL encoding", "request-%2e%2e%2f-0001"),
        ("short", "an id that could be guessed", "1"),
        ("long", "an id of 65 characters", "x" * 65),
    ):
        yield swap(f"jti-{name}", about, shape, jti, text.encode())
    yield swap("jti-nul", "a NUL in an id", "control-character", jti, jti + b"\\u0000")
    iss = world.REQUESTER.public.fingerprint
    looks_alike = iss[:-1] + "\u0410"
    yield swap("iss-homoglyph", "looks like us", shape, iss.encode(), looks_alike.encode())
