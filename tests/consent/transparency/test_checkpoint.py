"""Notes and checkpoints: published ones verify, and forged ones do not."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tlog_scales.signing import PlainEd25519Signer, Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from agent.consent.transparency import checkpoint
from agent.consent.transparency.checkpoint import LOG_KEY, WITNESS_KEY, Note, Signature, VerifierKey
from agent.consent.transparency.merkle import MAX_SIZE
from agent.consent.transparency.proof import LogPolicy
from agent.errors import NotPublic, Refused
from agent.requester.demo_log.log import NoteKey
from tests.consent import logs
from tests.consent.logs import FakeLog, FakeWitness, private_key

NOTES = logs.vectors("notes")
REAL = logs.vectors("witnessed-checkpoint")
KEYS = {name: VerifierKey.from_text(text) for name, text in NOTES["keys"].items()}
WITNESSES = tuple(map(FakeWitness, ("one.example/w", "two.example/w", "three.example/w")))
LOG = FakeLog(5, witnesses=WITNESSES)
BODY = checkpoint.format_body(LOG.key.name, 5, bytes(32))


def verify(text: str, *, needed: int = 0, log: FakeLog = LOG) -> checkpoint.Checkpoint:
    return log.policy(needed).verify(text)


def refused(text: str, rule: str, *, needed: int = 0) -> NotPublic:
    with pytest.raises(NotPublic) as caught:
        verify(text, needed=needed)
    assert caught.value.rule == rule
    return caught.value


@pytest.mark.parametrize("vector", NOTES["notes"])
def test_a_published_note_verifies_and_is_reproduced(vector: dict[str, object]) -> None:
    text, signers = vector["note"], vector["signers"]
    assert isinstance(text, str) and isinstance(signers, list)
    note = Note.from_text(text)
    assert [one.name for one in note.signatures] == signers
    for one in note.signatures:
        assert KEYS[one.name].id == one.id
        assert KEYS[one.name].verifies(note.text, one.signature)
        assert not KEYS[one.name].verifies(note.text + " ", one.signature)
    assert note.full == text


def test_a_published_private_key_reproduces_its_signature() -> None:
    key = NoteKey.from_text(NOTES["private"]["text"])
    assert key.public == KEYS["PeterNeumann"]
    published = NOTES["notes"][1]["note"]
    assert key.sign(Note.from_text(published).text).full == published


@pytest.mark.parametrize("text", NOTES["keys"].values())
def test_a_published_key_is_reproduced(text: str) -> None:
    key, theirs = VerifierKey.from_text(text), Vkey.from_string(text)
    assert key.text == text
    assert (key.name, int.from_bytes(key.id, "big"), key.kind, key.raw) == (
        theirs.name,
        theirs.key_id,
        theirs.sig_type,
        theirs.pubkey,
    )


@pytest.mark.traced  # each row is another refusal
@pytest.mark.parametrize(("text", "why"), NOTES["bad_keys"].items())
def test_an_invalid_key_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        VerifierKey.from_text(text)


def test_a_truncated_or_misprinted_key_is_refused() -> None:
    whole = NOTES["keys"]["PeterNeumann"]
    misprints = {whole[:i] + chr(ord(whole[i]) + 1) + whole[i + 1 :] for i in range(len(whole))}
    parts = {whole[i:j] for i in range(len(whole)) for j in range(i + 1, len(whole) + 1)}
    for text in (misprints | parts) - {whole}:
        with pytest.raises(ValueError, match=r"is not|of type|miscopied"):
            VerifierKey.from_text(text)


def test_a_key_of_small_order_would_verify_any_text_and_is_refused() -> None:
    with pytest.raises(ValueError, match="small order"):
        VerifierKey.from_text(VerifierKey("log.example", LOG_KEY, bytes(32)).text)


def test_a_real_checkpoint_with_real_cosignatures_verifies() -> None:
    policy = LogPolicy.pin(REAL["log"], REAL["witnesses"], 4)
    seen = policy.verify(REAL["note"])
    assert (seen.origin, seen.size) == (policy.key.name, REAL["size"])
    assert seen.note.count("\n— ") == 5, "the line of another type is not kept"
    assert policy.verify(seen.note) == seen


@pytest.mark.parametrize("name", ["log", 0, 1, 2, 3])
def test_a_real_checkpoint_of_another_size_is_refused(name: str | int) -> None:
    text = REAL["note"].replace(str(REAL["size"]), str(REAL["size"] + 1))
    witnesses = [] if isinstance(name, str) else [REAL["witnesses"][name]]
    with pytest.raises(NotPublic) as caught:
        LogPolicy.pin(REAL["log"], witnesses).verify(text)
    assert caught.value.rule == "bad-log-signature"


def test_signatures_verify_across_implementations() -> None:
    theirs = TheirCheckpoint.from_text(LOG.note(5))
    for key in (LOG.key, *(witness.key for witness in WITNESSES)):
        theirs.verify(Vkey.from_string(key.text))
    signer = PlainEd25519Signer(logs.NAME, private_key(logs.NAME))
    signed = TheirCheckpoint.make_signed(logs.NAME, 5, bytes(32), [signer]).serialize()
    assert verify(signed).root == bytes(32)


def test_any_sufficient_set_of_witnesses_is_enough() -> None:
    log_line, *lines = LOG.note(5).split("\n\n")[1].splitlines(keepends=True)
    body = LOG.note(5).split("\n\n")[0] + "\n\n"
    for left_out in lines:
        some = [line for line in lines if line != left_out]
        assert verify(body + some[0] + log_line + some[1], needed=2).size == 5
        refused(body + log_line + "".join(some), "witness-missing", needed=3)
        refused(body + "".join(lines), "unknown-log")


def test_a_witness_does_not_count_twice() -> None:
    body = checkpoint.format_body(logs.NAME, 5, bytes(32))
    line = WITNESSES[0].line(body)
    refused(LOG.sign(body) + line + line, "note-malformed", needed=2)
    refused(LOG.sign(body) + line + WITNESSES[0].line(body, 7), "note-malformed", needed=2)


def test_a_log_that_signs_twice_is_refused() -> None:
    line = LOG.sign(BODY).split("\n\n")[1]
    refused(LOG.sign(BODY) + line, "note-malformed")


def test_a_bad_line_of_a_known_key_spoils_the_note() -> None:
    other = WITNESSES[0].line(BODY.replace("\n5\n", "\n6\n"))
    refused(LOG.sign(BODY) + other, "bad-witness-signature")
    lines = LOG.sign(BODY.replace("\n5\n", "\n6\n")).split("\n\n")[1]
    refused(f"{BODY}\n{lines}{WITNESSES[0].line(BODY)}", "bad-log-signature")


def test_lines_of_unknown_keys_are_ignored() -> None:
    stranger, key = FakeWitness("stranger.example"), LOG.key
    strange = stranger.line(BODY) * 2 + stranger.line("another text\n")
    same_name = Signature(key.name, b"\0\0\0\0", b"of another type").line * 2
    same_id = Signature("another.example", key.id, bytes(64)).line
    assert verify(LOG.sign(BODY) + strange + same_name + same_id).note == LOG.sign(BODY)


def test_a_cosignature_and_a_log_signature_are_not_interchangeable() -> None:
    key = private_key(logs.NAME)
    made = key.sign(checkpoint.cosigned(BODY.encode(), 7))
    for signature in (made, (7).to_bytes(8, "big") + made):
        refused(
            Note(BODY, (Signature(LOG.key.name, LOG.key.id, signature),)).full, "bad-log-signature"
        )
    witness = WITNESSES[0]
    plain = private_key(witness.key.name).sign(BODY.encode())
    for signature in (plain, bytes(8) + plain, b"", bytes(8)):
        line = Signature(witness.key.name, witness.key.id, signature or b"\0").line
        refused(LOG.sign(BODY) + line, "bad-witness-signature")


def test_a_cosignature_binds_its_time_and_times_are_bounded() -> None:
    witness = WITNESSES[0]
    line = witness.line(BODY, 7)
    data = bytearray(base64.b64decode(line.split(" ")[2]))
    data[11] ^= 1
    moved = Signature(witness.key.name, witness.key.id, bytes(data[4:])).line
    refused(LOG.sign(BODY) + moved, "bad-witness-signature")
    assert verify(LOG.sign(BODY) + witness.line(BODY, 2**63 - 1), needed=1).size == 5
    refused(LOG.sign(BODY) + witness.line(BODY, 2**63), "bad-witness-signature")


def test_a_checkpoint_of_another_log_with_the_same_key_is_refused() -> None:
    refused(LOG.sign(checkpoint.format_body("other.example", 5, bytes(32))), "unknown-log")


def test_a_checkpoint_signed_by_another_key_of_the_same_name_is_refused() -> None:
    other = FakeLog(5, key=Ed25519PrivateKey.generate())
    refused(other.note(5), "unknown-log")


def test_an_origin_may_differ_from_the_name_of_the_key() -> None:
    policy = LogPolicy.pin(LOG.key.text, origin="go.sum database tree")
    body = checkpoint.format_body("go.sum database tree", 5, bytes(32))
    assert policy.verify(LOG.sign(body)).origin == "go.sum database tree"


def test_further_lines_are_signed_and_otherwise_ignored() -> None:
    assert verify(LOG.sign(BODY + "Timestamp: 1679349379012118479\n")).size == 5
    note = LOG.sign(BODY + "one\n").replace("\none\n", "\ntwo\n")
    refused(note, "bad-log-signature")


ROOT = checkpoint.encode_base64(bytes(32))


@pytest.mark.traced  # each row is another refusal
@pytest.mark.parametrize(
    "body",
    [
        f"{logs.NAME}\n5\n",
        f"{logs.NAME}\n05\n{ROOT}\n",
        f"{logs.NAME}\n+5\n{ROOT}\n",
        f"{logs.NAME}\n5 \n{ROOT}\n",
        f"{logs.NAME}\n\u0665\n{ROOT}\n",
        f"{logs.NAME}\n{MAX_SIZE + 1}\n{ROOT}\n",
        f"{logs.NAME}\n-1\n{ROOT}\n",
        f"{logs.NAME}\n0\n{ROOT}\n",
        f"{logs.NAME}\n5\n{ROOT[:-1]}\n",
        f"{logs.NAME}\n5\n{ROOT[:-2]}B=\n",
        f"{logs.NAME}\n5\n{ROOT[:-4]}\n",
        f"{logs.NAME}\n5\n {ROOT}\n",
        f"{logs.NAME}\n5\n{ROOT}\n\nextension\n",
        f"\n{logs.NAME}\n5\n{ROOT}\n",
        f"{logs.NAME}\n5\n{ROOT}\nturned \u202e around\n",
        f"{logs.NAME}\r\n5\r\n{ROOT}\r\n",
        f"{logs.NAME}\n5\n{ROOT}\n{'long ' * 200}\n",
    ],
)
def test_a_signed_text_that_is_not_a_checkpoint_is_refused(body: str) -> None:
    refused(LOG.sign(body), "note-malformed")


SIGNED = LOG.sign(BODY)
LINE = SIGNED.split("\n\n")[1]


@pytest.mark.traced  # each row is another refusal
@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        BODY,
        BODY + "\n",
        SIGNED[:-1],
        SIGNED + "\n",
        SIGNED + "Unexpected line.\n",
        SIGNED.replace("— ", "- "),
        SIGNED.replace("— ", "—"),
        SIGNED.replace(LINE, LINE.replace(" log", "  log")),
        SIGNED.replace(LINE, LINE[:-1] + " \n"),
        SIGNED.replace(LINE, "— log+example AAAAAAA=\n" + LINE),
        SIGNED.replace(LINE, "— a\u00a0b AAAAAAA=\n" + LINE),
        SIGNED.replace(LINE, "— short AAAAAA==\n" + LINE),
        SIGNED.replace(LINE, "— loose AAAAAAB=\n" + LINE),
        SIGNED.replace(LINE, "— \n" + LINE),
        SIGNED.replace("=\n\n", "=\n"),
        "\x01" + SIGNED,
        SIGNED + "\x00",
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    refused(note, "note-malformed")


PIECES = st.lists(st.sampled_from([*"— \n=A5+", logs.NAME, ROOT, LINE, BODY]), max_size=8)


@given(PIECES.map("".join))
@example(SIGNED)
def test_a_note_has_one_form(text: str) -> None:
    try:
        note = Note.from_text(text)
    except NotPublic:
        return
    assert note.full == text


@settings(max_examples=300)
@given(at=st.integers(0, 10_000), char=st.characters(max_codepoint=0x2FFF))
def test_a_changed_character_never_changes_the_checkpoint(at: int, char: str) -> None:
    text, said = LOG.note(5), verify(LOG.note(5), needed=2)
    at %= len(text)
    try:
        seen = verify(text[:at] + char + text[at + 1 :], needed=2)
    except NotPublic:
        return
    assert (seen.origin, seen.size, seen.root) == (said.origin, said.size, said.root)


@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))))
def test_any_bytes_are_refused_by_name(text: str) -> None:
    with pytest.raises(Refused):
        verify(text)
    with pytest.raises(ValueError, match="is "):
        VerifierKey.from_text(text)


def test_a_key_names_its_purpose() -> None:
    assert (LOG.key.kind, WITNESSES[0].key.kind) == (LOG_KEY, WITNESS_KEY)
    assert VerifierKey.from_text(WITNESSES[0].key.text) == WITNESSES[0].key
