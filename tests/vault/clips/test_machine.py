"""Any order of recording, crashing, recovering and deleting: no clip lost, no file left over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent import files
from agent.errors import StorageFault
from agent.vault.clips.paths import ClipFiles
from agent.vault.clips.retention import Limits, Retention
from agent.vault.clips.seal import CHUNK_BYTES
from agent.vault.clips.store import Clip, ClipDraft, reindex
from tests.vault.support import Vault, as_recorded, clip_files, folder_in_memory, pattern, whole

_PLAIN = pattern(3 * CHUNK_BYTES)
_STEPS = ("write_synced", "rename", "remove", "sync_directory")


class _PowerCut(BaseException):
    """Nothing below catches this: what comes after it in the program does not happen."""


class VaultMachine(RuleBasedStateMachine):
    """A vault beside a model of what it must hold: clip id to plaintext.

    ``unsure`` holds clips whose last operation was cut off: each may be there or not until
    the next recovery, and whichever it is then stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.vault = Vault(self.stack.enter_context(folder_in_memory()) / "state")
        self.number = 0
        self.drafts: dict[str, tuple[ClipDraft, bytes]] = {}
        self.clips: dict[str, bytes] = {}
        self.cut_off: dict[str, bytes] = {}
        self.unsure: dict[str, bytes] = {}

    def teardown(self) -> None:
        for draft, _ in self.drafts.values():
            draft.abandon()
        self.vault.close()
        self.stack.close()

    @rule(length=st.integers(0, len(_PLAIN)))
    def begin(self, length: int) -> None:
        self.vault.clock.advance(60)
        draft = self.vault.begin()
        draft.write(_PLAIN[:length])
        self.drafts[draft.id] = (draft, _PLAIN[:length])

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        clip_id, draft, plain = self._draw_draft(data)
        draft.finish(duration_seconds=10.0)
        self.clips[clip_id] = plain

    @precondition(lambda self: self.drafts)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        clip_id, draft, plain = self._draw_draft(data)
        draft.abandon()
        self.cut_off[clip_id] = plain

    @precondition(lambda self: self.drafts)
    @rule(data=st.data(), step=st.integers(1, 6))
    def crash_while_finishing(self, data: st.DataObject, step: int) -> None:
        clip_id, draft, plain = self._draw_draft(data)
        if self._cut_at(step, lambda: draft.finish(duration_seconds=10.0)):
            self.unsure[clip_id] = plain
        else:
            self.clips[clip_id] = plain
        self._start_again()

    @precondition(lambda self: self.clips)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        clip_id = data.draw(st.sampled_from(sorted(self.clips)))
        assert self.vault.store.delete(clip_id)
        del self.clips[clip_id]

    @precondition(lambda self: self.clips)
    @rule(data=st.data(), step=st.integers(1, 7))
    def crash_while_deleting(self, data: st.DataObject, step: int) -> None:
        clip_id = data.draw(st.sampled_from(sorted(self.clips)))
        self._cut_at(step, lambda: self.vault.store.delete(clip_id))
        del self.clips[clip_id]  # the mark was committed first: it is gone for everybody
        self._start_again()

    @rule(step=st.integers(1, 6))
    def crash_while_recovering(self, step: int) -> None:
        self._cut_at(step, self.vault.store.recover)
        self._start_again()

    @rule()
    def recover(self) -> None:
        report = self.vault.store.recover()
        assert report.damaged == ()
        assert report.lost == ()
        self._settle()
        assert not self.vault.store.recover().acted

    @rule()
    def reindex(self) -> None:
        before = {clip.id for clip in self.vault.index.clips()}
        assert reindex(self.vault.state_dir).damaged == ()
        fresh = {clip.id for clip in self.vault.index.clips()} - before
        assert fresh <= self.unsure.keys() | self.cut_off.keys()  # a recovery was cut off, too

    @rule(keep=st.integers(0, 4))
    def retain(self, keep: int) -> None:
        held = as_recorded(self.vault.index)
        limit = sum(clip.bytes for clip in held[-keep:]) if keep else 0
        decided = Retention(
            self.vault.store,
            self.vault.index,
            clock=self.vault.clock,
            free_bytes=lambda: 10**12,
            limits=Limits(
                max_bytes=limit, max_age_seconds=1e9, min_free_bytes=0, max_held_share=0.5
            ),
            held=list,
        ).run()
        assert decided.delete == [clip.id for clip in held[: max(0, len(held) - keep)]]
        for clip_id in decided.delete:
            self.clips.pop(clip_id, None)
            self.unsure.pop(clip_id, None)
            self.cut_off.pop(clip_id, None)  # a recovery that was cut off had brought it back

    @rule()
    def disk_full_at_the_start_of_a_clip(self) -> None:
        with mock.patch.object(files, "write_synced", side_effect=StorageFault("full")):
            try:
                self.vault.begin()
            except StorageFault:
                return
        raise AssertionError("a full disk must be told")

    @invariant()
    def every_finished_clip_is_there_and_whole(self) -> None:
        listed = {clip.id: clip for clip in self.vault.index.clips()}
        assert self.clips.keys() <= listed.keys()
        assert listed.keys() <= self.clips.keys() | self.unsure.keys() | self.cut_off.keys()
        for clip_id, clip in listed.items():
            assert self.vault.store.sha256_on_disk(clip_id) == clip.sha256
        for clip_id, plain in self.clips.items():
            self._check_plain(listed[clip_id], plain)

    def _check_plain(self, clip: Clip, plain: bytes) -> None:
        opened = self.vault.plain(clip.id, truncated=clip.truncated)
        assert opened == plain or (
            clip.truncated and opened in (whole(plain), plain[: _last(plain)])
        )

    def _draw_draft(self, data: st.DataObject) -> tuple[str, ClipDraft, bytes]:
        clip_id = data.draw(st.sampled_from(sorted(self.drafts)))
        draft, plain = self.drafts.pop(clip_id)
        return clip_id, draft, plain

    def _cut_at(self, step: int, action: Callable[[], object]) -> bool:
        """Run ``action`` and cut it off before its n-th step; False if it came to its end."""
        left = step

        def counted(real: Callable[..., None]) -> Callable[..., None]:
            def stepped(*arguments: object) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise _PowerCut
                real(*arguments)

            return stepped

        patches = [mock.patch.object(files, name, counted(getattr(files, name))) for name in _STEPS]
        try:
            for patch in patches:
                patch.start()
            action()
        except _PowerCut:
            return True
        finally:
            for patch in patches:
                patch.stop()
        return False

    def _start_again(self) -> None:
        """A new process: what was being recorded is cut off."""
        for clip_id, (draft, plain) in self.drafts.items():
            draft.abandon()
            self.cut_off[clip_id] = plain
        self.drafts.clear()
        self.vault.close()
        self.vault = Vault(self.vault.state_dir, self.vault.clock)

    def _settle(self) -> None:
        """After a recovery: nothing is unsure any more, and nothing is left over."""
        listed = {clip.id: clip for clip in self.vault.index.clips()}
        for clip_id, plain in {**self.cut_off, **self.unsure}.items():
            if len(plain) > CHUNK_BYTES or clip_id in listed:
                self._check_plain(listed[clip_id], plain)
                self.clips[clip_id] = plain
        self.cut_off.clear()
        self.unsure.clear()
        expected = set()
        for clip_id in listed:
            paths = ClipFiles.of(self.vault.state_dir, clip_id)
            expected |= {paths.media, paths.sidecar}
        for clip_id in self.drafts:
            paths = ClipFiles.of(self.vault.state_dir, clip_id)
            expected |= {paths.media_part, paths.opening}
        found = {
            self.vault.state_dir / "camera" / "clips" / name
            for name in clip_files(self.vault.state_dir)
        }
        assert found == expected


def _last(plain: bytes) -> int:
    """The end of the chunks that have left the writer: the last waits for a byte after it."""
    return max(0, len(plain) - 1) // CHUNK_BYTES * CHUNK_BYTES


TestVaultMachine = VaultMachine.TestCase
TestVaultMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
