"""A clip that comes in pieces: lost, doubled, reordered, swapped, or all right."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent.statements import ClipOffer
from agent.errors import ClipDamaged, NetworkFault, StorageFault
from agent.keyfile import Keys
from agent.mqtt.topics import CHUNK_BYTES
from agent.owner.visit import clip_transfer
from agent.vault.clips.seal import ClipKey
from tests.owner.camera import FakeCamera, chunks_of

PLAIN = random.Random(1).randbytes(3 * CHUNK_BYTES)


@pytest.fixture
def offer(camera: FakeCamera) -> ClipOffer:
    return camera.record(PLAIN)


def assemble(offer: ClipOffer, chunks: list[tuple[int, bytes]]) -> io.BytesIO:
    file = io.BytesIO()
    clip_transfer.assemble(offer, chunks, file)
    return file


def receive(offer: ClipOffer, sealed: bytes, keys: Keys) -> bytes:
    plain = io.BytesIO()
    clip_transfer.receive(
        offer, chunks_of(sealed), ClipKey(keys.identity, None), plain, None, progress=None
    )
    return plain.getvalue()


@settings(max_examples=25)
@given(data=st.data())
def test_doubled_and_reordered_chunks_do_no_harm(data: st.DataObject) -> None:
    plain = PLAIN[: data.draw(st.integers(0, len(PLAIN)))]
    chunks = chunks_of(plain)
    order = data.draw(st.permutations(chunks + chunks))
    file = assemble(_offer_of(plain), order)
    assert file.getvalue() == plain


def _offer_of(sealed: bytes) -> ClipOffer:
    return ClipOffer(
        id="20240124-183015-3f9a2c",
        sha256=hashlib.sha256(sealed).hexdigest(),
        started_at=0,
        duration_seconds=1,
        bytes=len(sealed),
        truncated=False,
        clock_synced=True,
        sealed_key="",
    )


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_a_file_that_ends_at_a_chunk_has_an_empty_last_one(size: int) -> None:
    sealed = PLAIN[:size]
    assert len(chunks_of(sealed)[-1][1]) < CHUNK_BYTES
    assert assemble(_offer_of(sealed), chunks_of(sealed)).getvalue() == sealed


def test_a_lost_chunk_is_named(camera: FakeCamera, offer: ClipOffer) -> None:
    chunks = chunks_of(camera.clips[offer.id])
    del chunks[1]
    with pytest.raises(NetworkFault, match="1 of 4 parts are missing, the first is 2"):
        assemble(offer, chunks)


def test_a_changed_byte_is_not_the_clip_that_was_offered(
    camera: FakeCamera, offer: ClipOffer
) -> None:
    sealed = bytearray(camera.clips[offer.id])
    sealed[len(sealed) // 2] ^= 1
    with pytest.raises(ClipDamaged, match="not the clip"):
        assemble(offer, chunks_of(bytes(sealed)))


@pytest.mark.parametrize(
    ("number", "chunk"),
    [(0, b"short"), (9, b""), (-1, b""), (3, bytes(CHUNK_BYTES)), (10**12, b"x")],
)
def test_a_chunk_that_the_offered_file_cannot_have(
    offer: ClipOffer, number: int, chunk: bytes
) -> None:
    with pytest.raises(ClipDamaged, match="does not fit"):
        assemble(offer, [(number, chunk)])


def test_a_fetched_clip_opens(camera: FakeCamera, offer: ClipOffer, keys: Keys) -> None:
    assert receive(offer, camera.clips[offer.id], keys) == PLAIN


def test_a_clip_cut_off_by_a_power_loss_gives_its_whole_chunks(
    camera: FakeCamera, offer: ClipOffer, keys: Keys
) -> None:
    cut_off = camera.clips[offer.id][:-70_000]
    digest = hashlib.sha256(cut_off).hexdigest()
    offer = msgspec.structs.replace(offer, bytes=len(cut_off), sha256=digest, truncated=True)
    plain = receive(offer, cut_off, keys)
    assert PLAIN.startswith(plain)
    assert len(plain) >= len(PLAIN) - 2 * 65_536 - 70_000
    with pytest.raises(ClipDamaged):
        receive(msgspec.structs.replace(offer, truncated=False), cut_off, keys)


def test_a_file_gets_its_name_only_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    with pytest.raises(NetworkFault), clip_transfer.new_file(target) as file:
        file.write(b"half")
        raise NetworkFault("gone")
    assert list(tmp_path.iterdir()) == []
    with clip_transfer.new_file(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"precious")
    with pytest.raises(StorageFault, match="not overwritten"), clip_transfer.new_file(target):
        pass
    with (
        pytest.raises(StorageFault, match="cannot be written"),
        clip_transfer.new_file(tmp_path / "nowhere" / "clip.mp4"),
    ):
        pass


def test_a_clip_said_to_be_endless_needs_no_memory() -> None:
    endless = msgspec.structs.replace(_offer_of(b""), bytes=2**53)
    with pytest.raises(NetworkFault, match="the first is 2"):
        assemble(endless, [(0, bytes(CHUNK_BYTES))])
