"""The intake: bundles good and bad, crashes at each step, and what the page says."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import files
from agent.config import Broker
from agent.consent import signing
from agent.consent.statements import Receipt
from agent.errors import StorageFault
from agent.keyfile import Keys
from agent.requester.bundle.verify import open_bundle
from agent.requester.cases import records
from agent.requester.cases.intake import Intake, _folder_name
from agent.requester.cases.keys_seen import KeysSeen
from agent.requester.folder import RequesterFolder, Settings
from tests.requester.release import AREA, CLIP, NOW, FakeRelease, replace
from tests.support import statements
from tests.support.clock import SimulatedClock

NAME = "0123456789abcdef"
DAY = time.strftime("%Y-%m-%d", time.gmtime(NOW))


@pytest.fixture
def intake(tmp_path: Path, keys: Keys, release: FakeRelease) -> Intake:
    settings = Settings(name="Springfield PD", broker=Broker(host="b.example"))
    home = RequesterFolder.create(tmp_path / "home", b"locked", settings)
    home.keep_posted(release.request)
    folder = tmp_path / "in"
    folder.mkdir()
    return Intake(folder, home=home, keys=keys, clock=SimulatedClock(NOW))


def arrive(intake: Intake, sealed: bytes, name: str = NAME) -> Path:
    path = intake.folder / f"{name}.age"
    path.write_bytes(sealed)
    return path


def left(intake: Intake) -> set[str]:
    """All files in the folder, without those inside of bags."""
    return {
        str(path.relative_to(intake.folder))
        for path in intake.folder.rglob("*")
        if path.is_file() and "data" not in path.parts and path.suffix in (".age", ".html", ".txt")
        if "manifest" not in path.name and not path.name.startswith("bag")
        if path.name != "index.html"
    }


def receipt(record: records.Record, keys: Keys) -> Receipt:
    return signing.verify(record.receipt, Receipt, {keys.fingerprint: keys.signing.public})


def test_an_accepted_bundle_is_filed_by_case_and_day_and_answered(
    intake: Intake, keys: Keys, release: FakeRelease
) -> None:
    sealed = release.bundle()
    record = intake.take(arrive(intake, sealed))
    place = intake.folder / "cases" / "2024-001234" / DAY / NAME
    assert record.place == str(place.relative_to(intake.folder))
    assert (place / "data" / f"{CLIP}.mp4").exists()
    assert place.with_suffix(".age").read_bytes() == sealed
    said, digest = receipt(record, keys), hashlib.sha256(sealed).hexdigest()
    assert (said.verdict, said.bundle) == ("accepted", digest)
    assert said.release == hashlib.sha256((place / "data/release.jws").read_bytes()).hexdigest()
    assert records.receipt_of(intake.folder, digest) == record.receipt
    assert left(intake) == {f"{record.place}.age"}
    assert not (intake.folder / ".intake").exists() or not any(
        (intake.folder / ".intake").iterdir()
    )


def test_a_share_is_filed_beside_the_cases(intake: Intake, release: FakeRelease) -> None:
    release.shared = True
    record = intake.take(arrive(intake, release.bundle()))
    assert record.place == f"shared/{DAY}/{NAME}"


def test_a_request_that_was_not_posted_from_here_is_rejected(
    intake: Intake, keys: Keys, release: FakeRelease
) -> None:
    release.request = release.make_request(keys)
    record = intake.take(arrive(intake, release.bundle()))
    assert (record.verdict, record.rule) == ("rejected", "request-not-posted")


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("noise", "not-sealed-to-us"),
        ("cut off", "not-sealed-to-us"),
        ("another clip", "clips-differ"),
        ("disclosed more", "disclosure"),
        ("empty", "not-sealed-to-us"),
    ],
)
def test_a_rejected_bundle_is_kept_aside_with_the_reason_and_answered(
    intake: Intake, keys: Keys, release: FakeRelease, how: str, rule: str
) -> None:
    if how == "another clip":
        release.change_approval = lambda said: replace(
            clips=(replace(sha256="b" * 64)(said.clips[0]),)
        )(said)
    if how == "disclosed more":
        release.change_release = lambda said: replace(disclosed=replace(name="X")(said.disclosed))(
            said
        )
    sealed = {"noise": b"noise" * 50, "empty": b""}.get(how) or release.bundle()
    sealed = b"" if how == "empty" else sealed[:-1] if how == "cut off" else sealed
    record = intake.take(arrive(intake, sealed))
    said = receipt(record, keys)
    assert (said.verdict, said.rule, said.release) == ("rejected", rule, None)
    place = f"rejected/{DAY}/{NAME}-{hashlib.sha256(sealed).hexdigest()[:16]}"
    assert left(intake) == {f"{place}.age", f"{place}.txt"}
    why = (intake.folder / f"{place}.txt").read_text()
    assert why.startswith(f"{rule}: ")
    assert not (intake.folder / "cases").exists()


def test_the_same_bundle_again_gets_the_same_receipt(intake: Intake, release: FakeRelease) -> None:
    sealed = release.bundle()
    first = intake.take(arrive(intake, sealed))
    again = intake.take(arrive(intake, sealed, "fedcba9876543210"))
    assert again == first
    assert left(intake) == {f"{first.place}.age"}


def test_another_bundle_of_the_same_release_gets_a_place_of_its_own(
    intake: Intake, release: FakeRelease
) -> None:
    first = intake.take(arrive(intake, release.bundle()))
    second = intake.take(arrive(intake, release.bundle()))  # another id of its own
    assert first.place != second.place and second.place.startswith(first.place)


def test_a_rejected_bundle_replaces_no_other_of_its_name(intake: Intake) -> None:
    """The sender chooses the name, and the first may be the only trace of what went wrong."""
    noises = [b"noise" * 50, b"other" * 50]
    places = [intake.take(arrive(intake, noise)).place for noise in noises]
    kept = [(intake.folder / f"{place}.age").read_bytes() for place in places]
    assert kept == noises


@pytest.mark.parametrize("step", ["rename", "replace", "sync_directory"])
@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("good", [True, False])
def test_a_full_disk_answers_nothing_and_the_next_try_goes_on(
    intake: Intake,
    release: FakeRelease,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: int,
    good: bool,
) -> None:
    path = arrive(intake, release.bundle() if good else b"noise" * 50)
    count, real = itertools.count(), getattr(files, step)

    def broken(*arguments: object, **more: object) -> object:
        if next(count) == after:
            raise StorageFault("no space left")
        return real(*arguments, **more)

    with monkeypatch.context() as patch, contextlib.suppress(StorageFault):
        patch.setattr(files, step, broken)
        intake.take(path)
    if path.exists():
        intake.take(path)
    (record,) = records.newest_first(intake.folder)
    assert record.verdict == ("accepted" if good else "rejected")
    assert [name for name in left(intake) if name.endswith(".age")] == [f"{record.place}.age"]
    assert not good or (intake.folder / record.place / "bagit.txt").exists()


def test_a_bundle_half_filed_before_a_crash_is_filed_once(
    intake: Intake, keys: Keys, release: FakeRelease
) -> None:
    path = arrive(intake, release.bundle())
    target = intake.folder / "cases" / "2024-001234" / DAY / NAME
    open_bundle(path, keys, target)  # and then the power went
    record = intake.take(path)
    assert intake.folder / record.place == target
    assert [one.name for one in target.parent.iterdir() if one.is_dir()] == [NAME]


def test_the_pages_list_cases_bundles_rejections_and_unknown_keys(
    intake: Intake, release: FakeRelease
) -> None:
    intake.take(arrive(intake, release.bundle()))
    intake.take(arrive(intake, b"noise" * 99, "f" * 16))
    index = (intake.folder / "index.html").read_text()
    assert '<a href="cases/2024-001234/index.html">2024-001234: ' in index
    assert "not-sealed-to-us" in index and ": 1 bundle, the last of" in index
    case = intake.folder / "cases" / "2024-001234"
    text = (case / "index.html").read_text()
    assert "<h1>2024-001234: " in text and "keys not known to you" in text
    source = f"{DAY}/{NAME}/data/{CLIP}.mp4"
    assert f'src="{source}"' in text and (case / source).exists()
    assert "10 pictures, H.264" in text
    intake.take(arrive(intake, release.bundle(), "e" * 16))
    assert "keys were seen before" in (case / "index.html").read_text()
    assert ": 2 bundles, the last of" in (intake.folder / "index.html").read_text()


def test_a_title_cannot_write_into_the_page(intake: Intake, keys: Keys) -> None:
    release = FakeRelease(keys)

    asked = statements.request(keys.fingerprint, area=AREA, reference="<script>1</script>")
    release.request = keys.signing.sign(asked)
    intake.home.keep_posted(release.request)
    record = intake.take(arrive(intake, release.bundle()))
    assert record.verdict == "accepted"
    assert record.place.split("/")[1].startswith("script-1-script-")
    pages = list(intake.folder.rglob("index.html"))
    assert len(pages) == 2 and not any("<script>" in page.read_text() for page in pages)


@given(st.text(max_size=130))
def test_a_reference_names_one_folder_and_never_leaves_it(reference: str) -> None:
    name = _folder_name(reference)
    assert name and "/" not in name and name not in (".", "..") and len(os.fsencode(name)) <= 80
    assert not name.startswith(".")


@given(st.lists(st.text(max_size=70), unique=True, max_size=6))
def test_no_two_references_share_a_folder(references: list[str]) -> None:
    assert len({_folder_name(one) for one in references}) == len(references)


def test_the_same_bundle_opened_twice_makes_no_key_known(
    tmp_path: Path, keys: Keys, release: FakeRelease
) -> None:
    book = KeysSeen(tmp_path / "keys-seen.json")
    path = tmp_path / "a.age"
    path.write_bytes(release.bundle())
    opened = open_bundle(path, keys, tmp_path / "a")
    for _ in range(2):
        assert not any(one.is_known for one in book.note(opened, at=NOW))
    path.write_bytes(release.bundle())
    other = open_bundle(path, keys, tmp_path / "b")
    seen = book.note(other, at=NOW + 9)
    assert [(one.role, one.since, one.bundles) for one in seen] == [
        ("device", NOW, 1),
        ("owner", NOW, 1),
    ]


def test_a_damaged_book_of_keys_is_named(tmp_path: Path, keys: Keys, release: FakeRelease) -> None:
    path = tmp_path / "keys-seen.json"
    path.write_text("[")
    (tmp_path / "a.age").write_bytes(release.bundle())
    opened = open_bundle(tmp_path / "a.age", keys, tmp_path / "a")
    with pytest.raises(StorageFault, match="keys-seen"):
        KeysSeen(path).note(opened, at=NOW)
