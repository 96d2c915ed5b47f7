"""Passkeys that open the keys, and every way in which one opens nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.consent.cards import encode_base64url, format_card
from agent.errors import ClipAgentError, KeyFileError, Refused
from agent.keyfile import Keys
from agent.owner.home.folder import OwnerFolder
from agent.owner.passkeys.challenges import LIFE_SECONDS, MOST_ASKED, Asker
from agent.owner.passkeys.passkeys import Passkeys
from agent.owner.passkeys.record import Passkey, WrappedKeys
from agent.owner.passkeys.store import MOST_PASSKEYS
from tests.owner.passkeys.conftest import ORIGIN, asker, enrol
from tests.support.authenticator import (
    COPIED,
    MAY_BE_COPIED,
    PRESENT,
    VERIFIED,
    Algorithm,
    SoftAuthenticator,
)
from tests.support.clock import SimulatedClock

PLAN, OTHER_PLAN = "a" * 64, "b" * 64
HTTPS = "https://home.example"


def refused(call: Any, *arguments: Any) -> str:
    """The rule by which a call is refused."""
    with pytest.raises(Refused) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return caught.value.rule


def same(opened: Keys, keys: Keys) -> bool:
    return (opened.fingerprint, opened.identity) == (keys.fingerprint, keys.identity)


# What works


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("origin", [ORIGIN, HTTPS, f"{HTTPS}:8443"])
def test_an_enrolled_passkey_unlocks_and_approves_time_and_again(
    passkeys: Passkeys, keys: Keys, origin: str, counts: bool, algorithm: Algorithm
) -> None:
    phone = SoftAuthenticator(origin, counts=counts, algorithm=algorithm)
    enrol(passkeys, phone, keys)
    at = asker(origin=origin)
    for _ in range(2):
        assert same(passkeys.unlock(at, phone.get(passkeys.begin_unlock(at))), keys)
        options = passkeys.begin_approval(at, PLAN)
        assert same(passkeys.approve(at, PLAN, phone.get(options)), keys)


def test_an_authenticator_without_verification_of_the_user_is_not_asked(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    made = passkeys.begin_enrolment(asker(), "another")
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["excludeCredentials"] == [{"type": "public-key", "id": enrolled.credential}]
    asked = passkeys.begin_unlock(asker())
    assert (asked["userVerification"], asked["rpId"]) == ("required", "localhost")


def test_each_passkey_is_asked_for_a_secret_of_its_own(
    passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys
) -> None:
    enrol(passkeys, phone, keys)
    enrol(passkeys, SoftAuthenticator(ORIGIN), keys, "key ring")
    asked = passkeys.begin_unlock(asker())["extensions"]["prf"]["evalByCredential"]
    assert len({one["first"] for one in asked.values()}) == 2


def test_the_list_tells_name_place_and_times(
    passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys, clock: SimulatedClock
) -> None:
    phone.flags |= MAY_BE_COPIED
    enrol(passkeys, phone, keys, "  Ann's\n phone ")
    made_at = int(clock.now())
    clock.advance(100)
    phone.flags |= COPIED
    passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))
    (known,) = passkeys.enrolled().passkeys
    assert (known.name, known.rp_id) == ("Ann's phone", "localhost")
    assert (known.made_at, known.used_at) == (made_at, made_at + 100)
    assert (known.backup_eligible, known.backed_up, known.sign_count) == (True, True, 2)


def test_files_are_private_and_hold_no_key_in_the_clear(
    home: OwnerFolder, enrolled: Passkey, keys: Keys
) -> None:
    path = home.path / "passkeys" / f"{enrolled.id}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text()
    assert keys.identity not in text
    assert keys.signing.to_text() not in text


# An answer is for one thing


def test_an_answer_for_one_decision_approves_no_other(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    answer = phone.get(passkeys.begin_approval(asker(), PLAN))
    passkeys.begin_approval(asker(), OTHER_PLAN)
    assert refused(passkeys.approve, asker(), OTHER_PLAN, answer) == "passkey-refused"
    assert refused(passkeys.approve, asker(), "c" * 64, answer) == "no-challenge"


def test_an_answer_opens_once(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    answer = phone.get(passkeys.begin_approval(asker(), PLAN))
    passkeys.approve(asker(), PLAN, answer)
    assert refused(passkeys.approve, asker(), PLAN, answer) == "no-challenge"
    passkeys.begin_approval(asker(), PLAN)
    assert refused(passkeys.approve, asker(), PLAN, answer) == "passkey-refused"


def test_an_answer_to_the_unlock_page_approves_nothing(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    answer = phone.get(passkeys.begin_unlock(asker()))
    passkeys.begin_approval(asker(), "")
    assert refused(passkeys.approve, asker(), "", answer) == "passkey-refused"


def test_an_answer_of_one_session_opens_nothing_in_another(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    answer = phone.get(passkeys.begin_approval(asker(), PLAN))
    thief = asker("session-2")
    assert refused(passkeys.approve, thief, PLAN, answer) == "no-challenge"
    passkeys.begin_approval(thief, PLAN)
    assert refused(passkeys.approve, thief, PLAN, answer) == "passkey-refused"


def test_an_answer_is_of_use_for_five_minutes(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey, clock: SimulatedClock
) -> None:
    answer = phone.get(passkeys.begin_unlock(asker()))
    clock.advance(LIFE_SECONDS - 1)
    passkeys.unlock(asker(), answer)
    answer = phone.get(passkeys.begin_unlock(asker()))
    clock.advance(LIFE_SECONDS)
    assert refused(passkeys.unlock, asker(), answer) == "no-challenge"


def test_a_refused_answer_spends_its_challenge(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    options = passkeys.begin_unlock(asker())
    assert refused(passkeys.unlock, asker(), phone.get(options, origin=HTTPS)) == "passkey-refused"
    assert refused(passkeys.unlock, asker(), phone.get(options)) == "no-challenge"


def test_a_session_that_asks_without_end_is_stopped_and_no_other(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey, clock: SimulatedClock
) -> None:
    clock.advance(LIFE_SECONDS)
    for _ in range(MOST_ASKED):
        passkeys.begin_unlock(asker())
    assert refused(passkeys.begin_approval, asker(), PLAN) == "too-many-tries"
    passkeys.begin_unlock(asker("session-2"))
    clock.advance(LIFE_SECONDS)
    passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))


# Lies of a browser or an authenticator


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        ({"origin": "http://localhost:9999"}, "passkey-refused"),
        ({"origin": "http://127.0.0.1:8765"}, "passkey-refused"),
        ({"origin": HTTPS}, "passkey-refused"),
        ({"rp_id": "home.example"}, "passkey-refused"),
        ({"rp_id": "example"}, "passkey-refused"),
        ({"flags": PRESENT}, "passkey-refused"),
        ({"flags": VERIFIED}, "passkey-refused"),
        ({"flags": PRESENT | VERIFIED | COPIED}, "passkey-refused"),
        ({"flags": PRESENT | VERIFIED | MAY_BE_COPIED}, "backup-changed"),
        ({"type": "webauthn.create"}, "passkey-refused"),
        ({"challenge": encode_base64url(bytes(32))}, "passkey-refused"),
        ({"client_data": {"crossOrigin": True}}, "embedded"),
        ({"client_data": {"topOrigin": "https://thief.example"}}, "embedded"),
        ({"client_data": {"origin": {"not": "a text"}}}, "passkey-refused"),
        ({"client_data": {"challenge": 7}}, "passkey-refused"),
        ({"user": b"somebody else"}, "other-owner"),
        ({"count": 1}, "passkey-copied"),
        ({"count": 0}, "passkey-copied"),
        ({"secret": b""}, "no-secret"),
        ({"secret": bytes(31)}, "no-secret"),
        ({"secret": bytes(64)}, "no-secret"),
    ],
    ids=str,
)
@pytest.mark.parametrize("purpose", ["unlock", "approve"])
def test_a_lie_in_an_answer_opens_nothing(
    passkeys: Passkeys,
    phone: SoftAuthenticator,
    enrolled: Passkey,
    lie: dict[str, Any],
    rule: str,
    purpose: str,
) -> None:
    if purpose == "unlock":
        answer = phone.get(passkeys.begin_unlock(asker()), **lie)
        assert refused(passkeys.unlock, asker(), answer) == rule
    else:
        answer = phone.get(passkeys.begin_approval(asker(), PLAN), **lie)
        assert refused(passkeys.approve, asker(), PLAN, answer) == rule
    (known,) = passkeys.enrolled().passkeys
    assert known == enrolled, "a refused answer changes nothing"


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": HTTPS},
        {"rp_id": "home.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"type": "webauthn.get"},
        {"challenge": encode_base64url(bytes(32))},
        {"client_data": {"crossOrigin": True}},
        {"id": b"another id"},
    ],
    ids=str,
)
def test_a_lie_in_a_registration_enrols_nothing(
    passkeys: Passkeys, phone: SoftAuthenticator, lie: dict[str, Any]
) -> None:
    answer = phone.create(passkeys.begin_enrolment(asker(), "phone"), **lie)
    assert refused(passkeys.confirm_enrolment, asker(), answer) in ("passkey-refused", "embedded")
    assert not passkeys.enrolled().passkeys


def test_a_copied_authenticator_is_noticed_by_its_counter(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    (made,) = phone.credentials.values()
    before = made.count
    passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))
    passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))
    made.count = before  # the clone was used less often
    answer = phone.get(passkeys.begin_unlock(asker()))
    with pytest.raises(Refused, match="may have a copy") as caught:
        passkeys.unlock(asker(), answer)
    assert "remove this passkey" in caught.value.advice


def test_another_credentials_secret_opens_nothing(
    passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys, enrolled: Passkey
) -> None:
    other = SoftAuthenticator(ORIGIN)
    enrol(passkeys, other, keys, "other")
    options = passkeys.begin_unlock(asker())
    (theirs,) = other.credentials.values()
    secret = json.loads(other.assertion(options, theirs))["secret"]
    answer = json.loads(phone.get(options)) | {"secret": secret}
    with pytest.raises(KeyFileError, match="another secret"):
        passkeys.unlock(asker(), json.dumps(answer).encode())


def test_the_signature_of_another_credential_does_not_count(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    options = passkeys.begin_unlock(asker())
    mine = json.loads(phone.get(options))
    stranger = SoftAuthenticator(ORIGIN)
    stranger.create(passkeys.begin_enrolment(asker(), "x"))
    (made,) = stranger.credentials.values()
    theirs = json.loads(stranger.assertion(options, made))
    answer = theirs | {"id": mine["id"], "secret": mine["secret"], "user": mine["user"]}
    assert refused(passkeys.unlock, asker(), json.dumps(answer).encode()) == "passkey-refused"
    assert refused(passkeys.unlock, asker(), json.dumps(theirs).encode()) == "no-challenge"
    passkeys.begin_unlock(asker())
    assert refused(passkeys.unlock, asker(), json.dumps(theirs).encode()) == "unknown-passkey"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damaged_answer_opens_or_crashes(
    passkeys: Passkeys,
    phone: SoftAuthenticator,
    keys: Keys,
    clock: SimulatedClock,
    data: st.DataObject,
) -> None:
    if not passkeys.enrolled().passkeys:
        enrol(passkeys, phone, keys)
    clock.advance(LIFE_SECONDS)
    answer = json.loads(phone.get(passkeys.begin_unlock(asker())))
    field = data.draw(st.sampled_from(sorted(answer)))
    if field == "user":  # the account is optional
        answer[field] = data.draw(st.text() | st.integers() | st.just("AAAA"))
    else:
        answer[field] = data.draw(
            st.text() | st.none() | st.binary(max_size=300).map(encode_base64url)
        )
    if answer["user"] == "":
        return
    with pytest.raises(ClipAgentError):
        passkeys.unlock(asker(), json.dumps(answer).encode())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attestation=st.binary(max_size=300))
def test_no_damaged_registration_enrols_or_crashes(
    passkeys: Passkeys, phone: SoftAuthenticator, clock: SimulatedClock, attestation: bytes
) -> None:
    clock.advance(LIFE_SECONDS)
    answer = json.loads(phone.create(passkeys.begin_enrolment(asker(), "phone")))
    answer["attestation"] = encode_base64url(attestation)
    assert refused(passkeys.confirm_enrolment, asker(), json.dumps(answer).encode())


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b"{}", b"\xff", b"{" * 100_000])
def test_an_answer_of_another_form_is_refused(
    passkeys: Passkeys, enrolled: Passkey, answer: bytes
) -> None:
    passkeys.begin_unlock(asker())
    assert refused(passkeys.unlock, asker(), answer) == "passkey-refused"


# Enrolling


def test_one_credential_is_enrolled_once(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    (made,) = phone.credentials.values()
    answer = phone.registration(passkeys.begin_enrolment(asker(), "again"), made)
    assert refused(passkeys.confirm_enrolment, asker(), answer) == "passkey-refused"


def test_another_credential_cannot_confirm_an_enrolment(
    passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey, keys: Keys
) -> None:
    (old,) = phone.credentials.values()
    other = SoftAuthenticator(ORIGIN)
    created = other.create(passkeys.begin_enrolment(asker(), "other"))
    answer = phone.assertion(passkeys.confirm_enrolment(asker(), created), old)
    assert refused(passkeys.finish_enrolment, asker(), answer, keys) == "passkey-refused"
    assert passkeys.enrolled().passkeys == (enrolled,)


def test_a_browser_without_prf_enrols_nothing_and_is_told(
    passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys
) -> None:
    created = phone.create(passkeys.begin_enrolment(asker(), "old browser"))
    answer = phone.get(passkeys.confirm_enrolment(asker(), created), secret=b"")
    with pytest.raises(Refused, match="PRF") as caught:
        passkeys.finish_enrolment(asker(), answer, keys)
    assert "another browser" in caught.value.advice
    assert not passkeys.enrolled().passkeys


def test_other_keys_than_those_of_the_card_are_not_wrapped(
    passkeys: Passkeys, phone: SoftAuthenticator
) -> None:
    created = phone.create(passkeys.begin_enrolment(asker(), "phone"))
    answer = phone.get(passkeys.confirm_enrolment(asker(), created))
    with pytest.raises(KeyFileError, match="other keys"):
        passkeys.finish_enrolment(asker(), answer, Keys.generate())
    assert not passkeys.enrolled().passkeys


def test_there_is_an_end_to_passkeys(passkeys: Passkeys, keys: Keys, clock: SimulatedClock) -> None:
    for number in range(MOST_PASSKEYS):
        clock.advance(LIFE_SECONDS)
        enrol(passkeys, SoftAuthenticator(ORIGIN), keys, f"key {number}")
    assert refused(passkeys.begin_enrolment, asker(), "one more") == "too-many-passkeys"
    names = [one.name for one in passkeys.enrolled().passkeys]
    assert names == [f"key {number}" for number in range(MOST_PASSKEYS)]


def test_a_passkey_is_asked_at_its_own_address_alone(passkeys: Passkeys, enrolled: Passkey) -> None:
    at = asker(origin=HTTPS)
    assert refused(passkeys.begin_unlock, at) == "no-passkey"
    assert refused(passkeys.begin_approval, at, PLAN) == "no-passkey"


# Removed, changed and copied files


def test_a_removed_passkey_opens_nothing_also_where_it_was_asked_before(
    home: OwnerFolder, passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    answer = phone.get(passkeys.begin_unlock(asker()))
    draft = home.path / "passkeys" / f"{enrolled.id}.json.new"
    draft.write_bytes(b"what a power cut left")
    passkeys.remove(enrolled.id)
    assert refused(passkeys.unlock, asker(), answer) == "unknown-passkey"
    assert not list((home.path / "passkeys").iterdir())
    assert refused(passkeys.begin_unlock, asker()) == "no-passkey"
    assert refused(passkeys.remove, enrolled.id) == "no-such-passkey"


@pytest.mark.parametrize("name", ["", "..", "../computer", "*", "0" * 16, "0" * 15 + "?"])
def test_nothing_but_a_passkey_is_removed(
    home: OwnerFolder, passkeys: Passkeys, enrolled: Passkey, name: str
) -> None:
    home.computer()
    assert refused(passkeys.remove, name) == "no-such-passkey"
    assert (home.path / "computer.json").exists()
    assert passkeys.enrolled().passkeys == (enrolled,)


def test_a_new_passphrase_leaves_the_passkeys_as_they_are(
    home: OwnerFolder, passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey, keys: Keys
) -> None:
    from agent import keyfile

    keyfile.change_passphrase(home.key_path, keys, "owner", "another passphrase", now=0)
    assert same(passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker()))), keys)


def test_keys_of_another_card_are_not_opened(
    home: OwnerFolder, passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    other = Keys.generate()
    card = msgspec.structs.replace(home.card(), sign=other.signing.public.text)
    home.card_path.write_text(format_card(card))
    with pytest.raises(KeyFileError, match="other keys"):
        passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))


def changed(path: Path, **changes: Any) -> None:
    record = msgspec.json.decode(path.read_bytes(), type=WrappedKeys)
    passkey = {name: one for name, one in changes.items() if name in Passkey.__struct_fields__}
    rest = {name: one for name, one in changes.items() if name not in passkey}
    facts = msgspec.structs.replace(record.passkey, **passkey)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(record, passkey=facts, **rest)))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another name"},
        {"sign_count": 0},
        {"made_at": 1},
        {"used_at": 1},
        {"backed_up": True},
        {"salt": encode_base64url(bytes(32))},
        {"nonce": encode_base64url(bytes(12))},
        {"wrapped": encode_base64url(bytes(300))},
    ],
    ids=str,
)
def test_a_changed_file_opens_nothing(
    home: OwnerFolder,
    passkeys: Passkeys,
    phone: SoftAuthenticator,
    enrolled: Passkey,
    change: dict[str, Any],
) -> None:
    changed(home.path / "passkeys" / f"{enrolled.id}.json", **change)
    with pytest.raises(KeyFileError, match="its file was changed"):
        passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))


@pytest.mark.parametrize(
    "change", [{"owner": "A" * 43}, {"backup_eligible": True}, {"rp_id": "home.example"}], ids=str
)
def test_a_file_of_another_owner_or_site_opens_nothing(
    home: OwnerFolder,
    passkeys: Passkeys,
    phone: SoftAuthenticator,
    enrolled: Passkey,
    change: dict[str, Any],
) -> None:
    answer = phone.get(passkeys.begin_unlock(asker()))
    changed(home.path / "passkeys" / f"{enrolled.id}.json", **change)
    with pytest.raises(ClipAgentError):
        passkeys.unlock(asker(), answer)


def test_a_file_with_a_thiefs_public_key_opens_nothing(
    home: OwnerFolder, passkeys: Passkeys, phone: SoftAuthenticator, enrolled: Passkey
) -> None:
    thief = SoftAuthenticator(ORIGIN)
    thief.create(passkeys.begin_enrolment(asker(), "thief"))
    (theirs,) = thief.credentials.values()
    (mine,) = phone.credentials.values()
    public = encode_base64url(theirs.public)
    changed(home.path / "passkeys" / f"{enrolled.id}.json", public_key=public)
    theirs.id, theirs.user = mine.id, mine.user
    theirs.count = mine.count
    answer = thief.assertion(passkeys.begin_unlock(asker()), theirs)
    with pytest.raises(KeyFileError, match="another secret"):
        passkeys.unlock(asker(), answer)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-3],
        lambda text: "",
        lambda text: text.replace('"version":1', '"version":2'),
        lambda text: text.replace('"version":1,', ""),
        lambda text: text.replace('{"passkey"', '{"more":1,"passkey"'),
        lambda text: text.replace('"nonce":"', '"nonce":"!'),
        lambda text: text + " " * 20_000,
    ],
)
def test_a_damaged_file_costs_only_itself_and_can_be_removed(
    home: OwnerFolder, passkeys: Passkeys, phone: SoftAuthenticator, keys: Keys, damage: Any
) -> None:
    broken = enrol(passkeys, SoftAuthenticator(ORIGIN), keys, "broken")
    enrol(passkeys, phone, keys)
    path = home.path / "passkeys" / f"{broken.id}.json"
    path.write_text(damage(path.read_text()))
    known = passkeys.enrolled()
    assert ([one.name for one in known.passkeys], known.damaged) == (["phone"], (broken.id,))
    passkeys.unlock(asker(), phone.get(passkeys.begin_unlock(asker())))
    passkeys.remove(broken.id)
    assert passkeys.enrolled().damaged == ()


def test_a_file_under_another_name_is_no_passkey(
    home: OwnerFolder, passkeys: Passkeys, enrolled: Passkey
) -> None:
    folder = home.path / "passkeys"
    (folder / f"{enrolled.id}.json").rename(folder / f"{'0' * 16}.json")
    assert passkeys.enrolled().damaged == ("0" * 16,)


def test_a_file_that_is_removed_while_the_list_is_made_is_not_in_it(
    home: OwnerFolder, passkeys: Passkeys, enrolled: Passkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.glob

    def glob(path: Path, pattern: str) -> list[Path]:
        found = [*listed(path, pattern)]
        for one in found:
            one.unlink()
        return found

    monkeypatch.setattr(Path, "glob", glob)
    known = passkeys.enrolled()
    assert (known.passkeys, known.damaged) == ((), ())


def test_what_cannot_be_read_is_listed_as_damaged(
    home: OwnerFolder, passkeys: Passkeys, enrolled: Passkey
) -> None:
    (home.path / "passkeys" / f"{'0' * 16}.json").mkdir()
    known = passkeys.enrolled()
    assert (known.passkeys, known.damaged) == ((enrolled,), ("0" * 16,))


def test_an_asker_hides_its_session() -> None:
    assert "secret" not in repr(Asker(asker().party, "secret"))
