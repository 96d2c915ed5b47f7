"""A clip taken out by hand: what a release would send, a page of facts, a line in the ledger."""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path

import pytest

from agent.consent import signing
from agent.consent.statements import Command, NoteExport, Redaction
from agent.errors import NetworkFault, Refused, StorageFault
from agent.owner.portal import export
from agent.owner.terminal import commands
from tests.owner.at_home import OwnerAtHome
from tests.owner.camera import FakeCamera
from tests.support import footage

CLIP = footage.record(4)
PORTAL = "Springfield PD, Axon"
EDITS = ("--trim", "1=1-3", "--redact", "1=0.5,0,0.5,1")


@pytest.fixture
def name(owner: OwnerAtHome, camera: FakeCamera, request_jws: str) -> str:
    """A request with one clip."""
    camera.command_answer = ("DONE", "")
    name = owner.post(request_jws, offers=[camera.record(CLIP, duration_seconds=4.0)])
    owner.run("inbox")
    return name


def noted(camera: FakeCamera) -> list[NoteExport]:
    """Notes that the owner signed for the ledger."""
    key = camera.owner.key
    found = []
    for letter in camera.decisions:
        if signing.claimed_typ(letter.jws) == Command.TYP:
            said = signing.verify(letter.jws, Command, {key.fingerprint: key}).command
            found += [said] if isinstance(said, NoteExport) else []
    return found


def run(owner: OwnerAtHome, name: str, target: Path, *options: str, portal: str = PORTAL) -> int:
    into = ("--for-portal", portal, "--output", str(target))
    return owner.run("save", "1", "--request", name, *into, *options)


def test_the_file_is_to_the_byte_what_a_release_would_send_and_the_ledger_names_it(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    target = tmp_path / "party.mp4"
    with camera.serve(owner.broker):
        assert run(owner, name, target, *EDITS) == 0
    sent = footage.prepared(CLIP, (1, 3), Redaction.still(0.5, 0, 0.5, 1))
    assert target.read_bytes() == sent
    (note,) = noted(camera)
    assert note.file_sha256 == hashlib.sha256(sent).hexdigest()
    assert (note.bytes, note.portal) == (len(sent), PORTAL)
    assert note.request is not None
    assert note.request.startswith(name)
    assert note.clip.trim is not None
    assert len(note.clip.redact) == 1


def test_the_page_states_the_facts_and_nothing_of_the_owner(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    target = tmp_path / "party.mp4"
    with camera.serve(owner.broker):
        run(owner, name, target, *EDITS)
    page = target.with_suffix(".html").read_text()
    words = html.unescape(re.sub(r"<[^>]+>", " ", page))
    (note,) = noted(camera)
    for fact in (
        *("party.mp4", note.file_sha256, PORTAL, "20 pictures, H.264", f"{note.bytes:,} bytes"),
        *("seconds 1 to 3", "1 region is covered with grey", "sha256sum party.mp4"),
    ):
        assert fact in words
    assert owner.folder.card().name not in words.split()
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|@import|https?:", page)


def test_too_large_a_file_is_not_made_and_the_error_says_what_would_fit(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    size = len(footage.prepared(CLIP))
    with (
        camera.serve(owner.broker),
        pytest.raises(Refused, match=r"Trim it: about \d+ s fit") as no,
    ):
        run(owner, name, tmp_path / "a.mp4", "--max-bytes", str(size - 1))
    assert no.value.rule == "too-large"
    assert noted(camera) == []
    assert list(tmp_path.glob("a.*")) == []
    with camera.serve(owner.broker):
        assert run(owner, name, tmp_path / "a.mp4", "--max-bytes", str(size)) == 0


def test_a_camera_that_refuses_the_line_leaves_no_file(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    camera.command_answer = ("REFUSED", "clip-changed")
    with camera.serve(owner.broker), pytest.raises(Refused, match="clip-changed"):
        run(owner, name, tmp_path / "a.mp4")
    assert list(tmp_path.glob("a.*")) == []


def test_a_camera_that_does_not_answer_leaves_no_file(
    owner: OwnerAtHome,
    camera: FakeCamera,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "_ANSWER_SECONDS", 0.0)
    with camera.serve(owner.broker), pytest.raises(NetworkFault, match="no file was written"):
        run(owner, name, tmp_path / "a.mp4")
    assert list(tmp_path.glob("a.*")) == []


@pytest.mark.parametrize("taken", ["a.mp4", "a.html"])
def test_nothing_is_overwritten_nor_asked_of_the_camera(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path, taken: str
) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(StorageFault, match="not overwritten"):
        run(owner, name, tmp_path / "a.mp4")
    assert (tmp_path / taken).read_text() == "mine"
    assert not camera.decisions


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--sealed", "--for-portal", "x"), "sealed"),
        (("--trim", "1=1-2"), "as-recorded"),
        (("--max-bytes", "1MB"), "as-recorded"),
        (("--output", "page.html", "--for-portal", "x"), "wrong-name"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    owner: OwnerAtHome, camera: FakeCamera, name: str, options: tuple[str, ...], rule: str
) -> None:
    with pytest.raises(Refused) as refused:
        owner.run("save", "1", "--request", name, *options)
    assert refused.value.rule == rule
    assert not camera.decisions


@pytest.mark.parametrize(
    ("portal", "rule"),
    [("x\u202eevil", "control-character"), ("", "wrong-portal"), ("x" * 500, "wrong-portal")],
)
def test_a_name_that_a_ledger_cannot_show_is_refused(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path, portal: str, rule: str
) -> None:
    with camera.serve(owner.broker), pytest.raises(Refused) as refused:
        run(owner, name, tmp_path / "a.mp4", portal=portal)
    assert refused.value.rule == rule
    assert noted(camera) == []


def test_names_are_only_text_on_the_page(
    owner: OwnerAtHome, camera: FakeCamera, name: str, tmp_path: Path
) -> None:
    portal = "<script>alert(1)</script> & $file"
    target = tmp_path / "<b>&.mp4"
    with camera.serve(owner.broker):
        run(owner, name, target, portal=portal)
    page = target.with_suffix(".html").read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert html.escape(portal) in page


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("20kB", 20_000), ("250MB", 250_000_000), ("2 GB", 2_000_000_000)]
)
def test_sizes_are_typed_as_websites_state_them(text: str, size: int) -> None:
    assert commands._bytes(text) == size


@pytest.mark.parametrize("text", ["0", "-1", "1.5MB", "MB", "1TB", "9" * 16])
def test_what_is_no_size_is_wrong_usage(owner: OwnerAtHome, name: str, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        owner.run("save", "1", "--for-portal", "x", f"--max-bytes={text}")
    assert ended.value.code == 2
