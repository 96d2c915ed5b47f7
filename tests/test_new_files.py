"""Files under way: of two writers one is told, and a file is never mixed of both."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent import new_files
from agent.errors import StorageFault


def test_a_second_writer_is_told_and_the_first_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    with new_files.new_file(target) as first:
        first.write(b"the first")
        with (
            pytest.raises(StorageFault, match="another process is writing this file"),
            new_files.new_file(target),
        ):
            pytest.fail("two write the same file")
        first.write(b" one")
    assert target.read_bytes() == b"the first one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_left_by_a_killed_writer_is_written_anew(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    script = (
        "import os, sys; from pathlib import Path; from agent import new_files\n"
        "with new_files.new_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half' * 100_000); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(target)], check=False, timeout=60)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4.part"]
    with new_files.new_file(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("ends_well", [True, False])
def test_a_writer_whose_file_was_taken_away_touches_no_other(
    tmp_path: Path, ends_well: bool
) -> None:
    """It may lose the race with a writer that began in the moment before it held the lock."""
    target, part = tmp_path / "clip.mp4", tmp_path / "clip.mp4.part"
    with ExitStack() as others:
        with pytest.raises((StorageFault, KeyError)), new_files.new_file(target) as slow:
            part.unlink()
            fast = others.enter_context(new_files.new_file(target))
            fast.write(b"fast")
            slow.write(b"slow")
            if not ends_well:
                raise KeyError
        assert part.exists() and not target.exists()
    assert target.read_bytes() == b"fast"


def test_a_file_that_cannot_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFault, match="disk is full"), new_files.new_file(tmp_path / "x"):
        pass
    assert list(tmp_path.iterdir()) == []
