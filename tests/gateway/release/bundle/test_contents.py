"""A clip on its way into a bundle: in memory a piece at a time, and on no disk."""

from __future__ import annotations

import tracemalloc

import pytest

from agent import files, sealed_spool
from agent.gateway.release.bundle.contents import BundleContents
from tests.support.footage import prepared, repeated
from tests.support.gateway_world import World, state_of
from tests.support.house import fragmented_mp4

LARGE = repeated(fragmented_mp4(seconds=4, size=320, noisy=True), 8)
MEMORY_BYTES = 12_000_000  # Python's own; the spool keeps four


def approval(world: World, video: bytes) -> bytes:
    clip = world.house.record(video=video)
    return world.house.approve(world.post(), [clip])


def state(world: World) -> str:
    (release,) = world.outcomes()
    return state_of(world, release)


def test_a_large_clip_is_sealed_without_being_in_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, peaks = BundleContents.seal, []

    def measured(*given: object, **more: object) -> object:
        tracemalloc.start()
        try:
            return seal(*given, **more)  # type: ignore[arg-type]
        finally:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    monkeypatch.setattr(BundleContents, "seal", measured)
    assert len(LARGE) > 2 * MEMORY_BYTES
    world.to_device(approval(world, LARGE))
    assert state(world) == "SENT"
    assert max(peaks) < MEMORY_BYTES


def test_no_plaintext_of_a_clip_is_written_while_it_is_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write to every file is looked at; with no memory of its own the spool uses its file."""
    monkeypatch.setattr(sealed_spool, "_BLOCKS_IN_MEMORY", 1)
    leaves = prepared(LARGE)
    marks = [leaves[at : at + 24] for at in range(5_000, len(leaves) - 24, 100_000)]
    written: list[bytes] = []
    real, letter = files.write_all, approval(world, LARGE)

    def seen(descriptor: int, data: bytes | memoryview) -> None:
        written.append(bytes(data))
        real(descriptor, data)

    monkeypatch.setattr("agent.files.write_all", seen)
    world.to_device(letter)
    assert state(world) == "SENT"
    everything = b"".join(written)
    assert len(everything) > 2 * len(leaves), "the spool and the bundle"
    assert not [mark for mark in marks if mark in everything]
    assert [path.name for path in (world.house.config.state_dir / "gateway/outbox").iterdir()] == []
