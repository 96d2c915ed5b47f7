"""Retention deletes by age, bytes and free space, and spares clips still asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import StorageFault
from agent.vault.clips.retention import Limits, Moment, Plan, Retention, free_bytes_of, plan
from agent.vault.database.index import Clip, Index
from tests.support.clock import SimulatedClock
from tests.vault.clips.plain_retention import plainly
from tests.vault.support import Vault, clip_files, folder_in_memory

NOW = 1_000_000.0
SINCE_BOOT = 50_000.0
SYNCED = Moment(NOW, SINCE_BOOT, "this boot")
UNSYNCED = Moment(None, SINCE_BOOT, "this boot")
ROOMY = Limits(max_bytes=10**12, max_age_seconds=1e9, min_free_bytes=0, max_held_share=0.5)


def clip(name: str, *, size: int = 100, ended: float = NOW, synced: bool = True) -> Clip:
    return Clip(name, ended - 10, 10.0, 0.0, "an earlier boot", synced, size, "", "", False)


def of_this_boot(name: str, *, ago: float, dated: float, synced: bool = True) -> Clip:
    """A clip that ended so many seconds ago, and what the wall clock made of it."""
    began = SINCE_BOOT - ago - 10
    return Clip(name, dated - 10, 10.0, began, "this boot", synced, 100, "", "", False)


@contextmanager
def indexed(clips: list[Clip]) -> Iterator[Index]:
    """An index of rows without files."""
    with folder_in_memory() as folder, Index.open(folder / "index.sqlite") as index:
        with index.transaction():
            for each in clips:
                index.put_clip(each)
        yield index


def planned(
    clips: list[Clip],
    *,
    held: Collection[str] = (),
    now: Moment = SYNCED,
    free_bytes: int = 10**12,
    **limits: Any,
) -> tuple[str, bool]:
    """The ids that go, run together, and whether the disk stays full."""
    limited = replace(ROOMY, **limits)
    with indexed(clips) as index:
        decided = plan(index, limited, held=held, now=now, free_bytes=free_bytes)
    assert decided == plainly(clips, limited, held=held, now=now, free_bytes=free_bytes)
    return "".join(decided.delete), decided.disk_full


FIVE = [clip(name) for name in "abcde"]


def test_with_room_for_all_no_clip_is_deleted() -> None:
    assert planned(FIVE) == ("", False)
    assert planned([]) == ("", False)


def test_a_clip_that_its_owner_keeps_is_spared_up_to_the_share_of_held_ones() -> None:
    kept = [replace(one, kept=one.id in "be") for one in FIVE]
    assert planned(kept, max_bytes=250, max_held_share=0.8) == ("acd", False)
    assert planned(kept, max_bytes=250, max_held_share=0.4) == ("acd", False)
    assert planned(kept, max_bytes=250, max_held_share=0.3) == ("abc", False)


def test_requests_that_hold_many_clips_do_not_push_out_one_that_is_kept() -> None:
    kept = [replace(one, kept=one.id == "e") for one in FIVE]
    assert planned(kept, held="abcd", max_bytes=200, max_held_share=0.5) == ("abc", False)


def test_the_first_recorded_clips_are_deleted_until_the_rest_fits() -> None:
    assert planned(FIVE, max_bytes=500) == ("", False)
    assert planned(FIVE, max_bytes=499) == ("a", False)
    assert planned(FIVE, max_bytes=201) == ("abc", False)
    assert planned(FIVE, max_bytes=99) == ("abcde", False)


def test_old_clips_are_deleted() -> None:
    clips = [clip("a", ended=NOW - 101), clip("b", ended=NOW - 100), clip("c")]
    assert planned(clips, max_age_seconds=100) == ("a", False)


def test_an_unset_clock_never_judges_the_age_of_earlier_boots() -> None:
    clips = [clip("a", ended=20), clip("b", ended=NOW - 500)]
    assert planned(clips, max_age_seconds=100, now=UNSYNCED) == ("", False)


@pytest.mark.parametrize("now", [SYNCED, UNSYNCED])
@pytest.mark.parametrize("dated", [20.0, NOW - 3_600, NOW, NOW + 1e9])
def test_setting_the_clock_does_not_age_clips_of_this_boot(now: Moment, dated: float) -> None:
    clips = [of_this_boot("a", ago=101, dated=dated), of_this_boot("b", ago=99, dated=dated)]
    assert planned(clips, max_age_seconds=100, now=now) == ("a", False)


def test_a_clip_recorded_before_the_clock_was_set_ages_too() -> None:
    clips = [of_this_boot("a", ago=101, dated=20, synced=False)]
    assert planned(clips, max_age_seconds=100, now=UNSYNCED) == ("a", False)


def test_a_clip_of_uncertain_time_is_never_too_old() -> None:
    clips = [clip("a", ended=20, synced=False), clip("b", ended=NOW - 500)]
    assert planned(clips, max_age_seconds=100) == ("b", False)


def test_a_clip_of_an_unset_clock_does_not_go_before_older_recordings() -> None:
    clips = [clip("a"), clip("b", ended=20, synced=False)]
    assert planned(clips, max_bytes=100) == ("a", False)


def test_clips_are_deleted_until_enough_is_free() -> None:
    assert planned(FIVE, free_bytes=1_000, min_free_bytes=1_000) == ("", False)
    assert planned(FIVE, free_bytes=999, min_free_bytes=1_000) == ("a", False)
    assert planned(FIVE, free_bytes=500, min_free_bytes=1_000) == ("abcde", False)


def test_space_freed_by_other_rules_counts() -> None:
    assert planned(FIVE, max_bytes=300, free_bytes=800, min_free_bytes=1_000) == ("ab", False)


def test_no_clip_is_deleted_in_vain_when_others_fill_the_disk() -> None:
    assert planned(FIVE, free_bytes=499, min_free_bytes=1_000) == ("", True)
    assert planned(FIVE, free_bytes=0, min_free_bytes=1_000, max_bytes=400) == ("a", True)
    assert planned([], free_bytes=0, min_free_bytes=1) == ("", True)


def test_held_clips_within_the_share_are_never_deleted() -> None:
    assert planned(FIVE, held="ab", max_bytes=400) == ("c", False)
    old = [clip("a", ended=20), clip("b", ended=20)]
    assert planned(old, held="a", max_age_seconds=1) == ("b", False)
    assert planned(FIVE, held="abcde", free_bytes=900, min_free_bytes=1_000) == ("", True)


def test_beyond_the_share_held_clips_are_like_any_other() -> None:
    assert planned(FIVE, held="abcde", max_bytes=400) == ("c", False)  # a and b fill the half
    assert planned(FIVE, held="abcde", max_bytes=400, max_held_share=0.0) == ("a", False)
    assert planned(FIVE, held="de", max_bytes=200, max_held_share=1.0) == ("abc", False)


def test_a_hold_on_a_missing_clip_changes_nothing() -> None:
    assert planned(FIVE, held=["x", "y"], max_bytes=499) == ("a", False)


def storm(first: str, hours: int) -> list[Clip]:
    """Two-minute clips without a pause, named by a letter that goes on from ``first``."""
    return [
        Clip(chr(ord(first) + n), 0.0, 120.0, n * 120.0, "this boot", True, 100, "", "", False)
        for n in range(hours * 30)
    ]


@pytest.mark.parametrize(("max_bytes", "free_bytes"), [(4_000, 10**12), (10**12, 0)])
def test_weather_that_fills_the_card_spares_the_visits_before_it(
    max_bytes: int, free_bytes: int
) -> None:
    clips = [*FIVE, *storm("f", 2)]  # the first half hour of it is not endless yet
    gone, _ = planned(clips, max_bytes=max_bytes, free_bytes=free_bytes, min_free_bytes=2_500)
    assert gone
    assert not set(gone) & set("abcde")
    assert gone == "".join(clip.id for clip in clips[20 : 20 + len(gone)])


def test_endless_clips_keep_half_of_the_space() -> None:
    """So that a storm does not delete itself, and a long visit on a full card stays."""
    clips = [*FIVE, *storm("f", 2)]
    gone, _ = planned(clips, max_bytes=2_000)
    left = [each for each in clips if each.id not in gone]
    long_ones = {each.id for each in clips[20:]}
    share = sum(each.id in long_ones for each in left) / len(left)
    assert share == pytest.approx(0.5, abs=0.1)
    assert left[-1] is clips[-1]


_clips = st.lists(
    st.tuples(st.integers(1, 300), st.floats(0, NOW), st.booleans(), st.booleans()), max_size=12
)


@given(
    rows=_clips,
    free=st.integers(0, 2_000),
    max_bytes=st.integers(1, 2_000),
    max_age=st.floats(1, NOW),
    min_free=st.integers(0, 2_000),
    share=st.floats(0, 1),
    synced=st.booleans(),
)
def test_the_rules_hold_for_any_clips(
    rows: list[tuple[int, float, bool, bool]],
    free: int,
    max_bytes: int,
    max_age: float,
    min_free: int,
    share: float,
    synced: bool,
) -> None:
    clips = [
        clip(f"{number:02d}", size=size, ended=ended, synced=certain)
        for number, (size, ended, certain, _) in enumerate(rows)
    ]
    held = {each.id for each, row in zip(clips, rows, strict=True) if row[3]}
    limits = Limits(
        max_bytes=max_bytes,
        max_age_seconds=max_age,
        min_free_bytes=min_free,
        max_held_share=share,
    )
    now = SYNCED if synced else UNSYNCED
    with indexed(clips) as index:
        decided = plan(index, limits, held=held, now=now, free_bytes=free)
    assert decided == plainly(clips, limits, held=held, now=now, free_bytes=free)
    gone = set(decided.delete)
    assert len(gone) == len(decided.delete)
    kept = [each for each in clips if each.id not in gone]
    freed = sum(each.bytes for each in clips if each.id in gone)
    held_bytes = sum(each.bytes for each in clips if each.id in held)
    if held_bytes <= share * max_bytes:
        assert not gone & held
    if sum(each.bytes for each in kept) > max_bytes:
        raise AssertionError("what is kept must fit")
    assert decided.disk_full == (free + freed < min_free)
    if synced:
        for each in kept:
            too_old = each.clock_synced and each.started_at + each.duration_seconds < NOW - max_age
            assert not too_old or each.id in held
    with indexed(kept) as index:
        again = plan(index, limits, held=held, now=now, free_bytes=free + freed)
    assert again == Plan([], more=False, disk_full=decided.disk_full)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 300),
            st.sampled_from(["this boot", "before", "long ago"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from([5.0, 600.0, 0.0]),
        ),
        max_size=40,
    ),
    free=st.integers(0, 2_000),
    max_bytes=st.integers(1, 4_000),
    max_age=st.sampled_from([1.0, 2_000.0, 1e9]),
    min_free=st.integers(0, 2_000),
    at_most=st.integers(0, 5),
    gone=st.sets(st.integers(0, 39), max_size=5),
)
def test_sums_kept_in_memory_plan_as_all_rows_do(
    rows: list[tuple[int, str, bool, bool, bool, float]],
    free: int,
    max_bytes: int,
    max_age: float,
    min_free: int,
    at_most: int,
    gone: set[int],
) -> None:
    """Clips come, are kept and go: an open index plans as rows that are read at once."""
    clips = [
        Clip(f"{n:02d}", NOW - 30_000 + n * 700, seconds, 20_000 + n * 700, boot, synced, size,
             "", "", seconds == 0, kept)
        for n, (size, boot, synced, kept, _, seconds) in enumerate(rows)
    ]  # fmt: skip
    held = {each.id for each, row in zip(clips, rows, strict=True) if row[4]}
    limits = Limits(
        max_bytes=max_bytes, max_age_seconds=max_age, min_free_bytes=min_free, max_held_share=0.3
    )
    asked: dict[str, Any] = {"held": held, "now": SYNCED, "free_bytes": free}
    with indexed([]) as index:
        assert index.stock.bytes == 0
        for each in clips:
            with index.transaction():
                index.put_clip(each)
        with pytest.raises(KeyboardInterrupt), index.transaction():
            for each in clips:
                index.drop_clip(each.id)
            raise KeyboardInterrupt
        wanted = plainly(clips, limits, **asked)
        assert plan(index, limits, **asked) == wanted
        few = plan(index, limits, **asked, at_most=at_most)
        assert few.delete == wanted.delete[:at_most]
        assert few.more >= (len(wanted.delete) > at_most)
        assert few.disk_full == wanted.disk_full
        assert index.stock.bytes == sum(each.bytes for each in clips)
        for number in gone & set(range(len(clips))):
            with index.transaction():
                index.mark_deleting(clips[number].id)
                index.drop_clip(clips[number].id)
        left = [each for number, each in enumerate(clips) if number not in gone]
        storm = index.stock.endless
        assert plan(index, limits, **asked) == plainly(left, limits, **asked, storm=storm)


def test_a_sweep_reads_no_more_rows_than_go(vault: Vault) -> None:
    """A hundred thousand clips are swept every half minute of a recording."""
    clips = [clip(f"20240124-1830{n // 60:02d}-{n:06x}") for n in range(1_000)]
    with vault.index.transaction():
        for each in clips:
            vault.index.put_clip(each)
    assert vault.index.stock.bytes == 100_000
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    vault.index.connection.set_progress_handler(step, 100)  # hundreds of SQLite's instructions
    for max_bytes, gone in ((100_000, 0), (99_999, 1)):
        limits = replace(ROOMY, max_bytes=max_bytes, max_age_seconds=100)
        decided = plan(vault.index, limits, held=["x"], now=SYNCED, free_bytes=10**12, at_most=1)
        assert len(decided.delete) == gone
    assert steps < 10


# On a real disk


def retention(
    vault: Vault, *, free_bytes: Callable[[], int] = lambda: 10**12, **limits: Any
) -> Retention:
    return Retention(
        vault.store,
        vault.index,
        clock=vault.clock,
        free_bytes=free_bytes,
        limits=replace(ROOMY, **limits),
        held=vault.database.held_clips,
    )


def test_a_run_deletes_files_and_rows(vault: Vault) -> None:
    clips = [vault.record(b"x" * 1_000) for _ in range(4)]
    decided = retention(vault, max_bytes=clips[2].bytes + clips[3].bytes).run()
    assert decided.delete == [clips[0].id, clips[1].id]
    assert vault.index.clips() == clips[2:]
    assert len(clip_files(vault.state_dir)) == 4


def test_a_run_keeps_what_an_open_request_matched(vault: Vault) -> None:
    first, second = vault.record(), vault.record()
    with vault.database.transaction() as db:
        db.execute(
            "INSERT INTO request (digest, jws, jti, requester, reference, state, rule,"
            " received_at, window_start, window_end, expires_at)"
            " VALUES ('d', '', '', '', '', 'OPEN', '', 0, 0, 0, 0)"
        )
        db.execute("INSERT INTO match (request, clip, sha256) VALUES ('d', ?, '')", (first.id,))
    limits = retention(vault, max_bytes=first.bytes * 3 // 2, max_held_share=1.0)
    assert limits.run().delete == [second.id]
    with vault.database.transaction() as db:
        db.execute("UPDATE request SET state = 'EXPIRED'")
    vault.clock.advance(100)
    assert retention(vault, max_age_seconds=50.0).run().delete == [first.id]


def test_a_long_plan_is_carried_out_in_turns(vault: Vault) -> None:
    clips = [vault.record() for _ in range(5)]
    limits = retention(vault, max_bytes=clips[4].bytes * 3 // 2)  # their headers vary a little
    turns = [limits.run(at_most=3) for _ in range(3)]
    assert [(len(turn.delete), turn.more) for turn in turns] == [(3, True), (1, False), (0, False)]
    assert vault.index.clips() == clips[4:]


def test_a_run_with_an_unset_clock_deletes_nothing_of_an_earlier_boot_for_its_age(
    vault: Vault,
) -> None:
    clock = vault.clock
    vault.record()
    clock.advance(1_000)
    clock.boot = "00000000-0000-0000-0000-000000000002"
    clock.is_synced = False
    limits = retention(vault, max_age_seconds=50.0)
    assert limits.run().delete == []
    clock.is_synced = True
    assert len(limits.run().delete) == 1


def test_a_disk_that_others_fill_is_reported_and_costs_no_clip(vault: Vault) -> None:
    clip = vault.record()
    with pytest.raises(StorageFault, match="less than 5000 bytes are free") as caught:
        retention(vault, free_bytes=lambda: 10, min_free_bytes=5_000).run()
    assert caught.value.advice
    assert vault.index.clips() == [clip]


def test_the_space_of_the_disk_is_asked_for(vault: Vault) -> None:
    assert free_bytes_of(vault.state_dir)() > 0
    with pytest.raises(StorageFault, match="gone"):
        free_bytes_of(vault.state_dir / "gone")()


def test_only_the_clock_is_asked(vault: Vault) -> None:
    assert isinstance(vault.clock, SimulatedClock)
    retention(vault).run()
    assert vault.clock.slept == []
