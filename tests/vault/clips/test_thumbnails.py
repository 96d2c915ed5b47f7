"""Thumbnails: sealed with their clip's key, and packed into a few messages."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ClipDamaged
from agent.vault.clips import seal, sidecar, thumbnails
from tests.support import pictures
from tests.vault.support import OWNER, Vault

MOST = 4_000


def recorded(vault: Vault, thumbnail: bytes | None) -> tuple[str, seal.Recorded]:
    """A finished clip, and what its key says of its recording."""
    draft = vault.begin()
    draft.write(b"pictures")
    clip = draft.finish(duration_seconds=1.0, thumbnail=thumbnail)
    key = seal.open_key(clip.sealed_key, str(OWNER), clip_id=clip.id)
    assert key.recorded is not None
    return clip.id, key.recorded


def test_the_clips_key_names_the_digest_of_its_thumbnail(vault: Vault) -> None:
    picture = pictures.jpeg()
    clip, said = recorded(vault, picture)
    assert said.thumbnail == hashlib.sha256(picture).hexdigest()
    sealed = thumbnails.read(vault.store, clip)
    assert seal.open_bytes(sealed, str(OWNER)) == picture


@pytest.mark.parametrize("picture", [None, b"", bytes(sidecar.MAX_THUMBNAIL_BYTES + 1)])
def test_a_clip_without_a_thumbnail_names_none(vault: Vault, picture: bytes | None) -> None:
    clip, said = recorded(vault, picture)
    assert said.thumbnail is None
    assert thumbnails.read(vault.store, clip) == b""


def test_a_thumbnail_that_no_camera_of_ours_wrote_counts_as_none(vault: Vault) -> None:
    clip, _ = recorded(vault, pictures.jpeg())
    path = vault.store.path(clip).with_name(f"{clip[9:]}.json")
    path.write_text(re.sub('(?<="sealed_thumbnail": ")[^"]+', "A", path.read_text()))
    assert thumbnails.read(vault.store, clip) == b""
    path.unlink()
    assert thumbnails.read(vault.store, clip) == b""


@given(st.lists(st.binary(max_size=MOST + 10), max_size=40))
def test_what_was_packed_comes_out_again_in_messages_of_bounded_size(sealed: list[bytes]) -> None:
    messages = list(thumbnails.messages(sealed, most_bytes=MOST))
    assert all(0 < len(message) <= MOST for message in messages)
    found = [entry for message in messages for entry in thumbnails.entries(message)]
    fitting = [one if len(one) + 6 <= MOST else b"" for one in sealed]
    assert found == list(enumerate(fitting))


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.data())
def test_a_message_that_is_cut_off_is_refused(sealed: list[bytes], data: st.DataObject) -> None:
    (message,) = thumbnails.messages(sealed, most_bytes=MOST)
    ends = [0]
    for one in sealed:
        ends.append(ends[-1] + 6 + len(one))
    cut = data.draw(st.integers(1, len(message) - 1).filter(lambda at: at not in ends))
    with pytest.raises(ClipDamaged):
        list(thumbnails.entries(message[:cut]))


@given(st.binary(max_size=300))
def test_any_bytes_are_entries_or_refused(message: bytes) -> None:
    try:
        found = list(thumbnails.entries(message))
    except ClipDamaged:
        return
    assert sum(6 + len(sealed) for _, sealed in found) == len(message)
