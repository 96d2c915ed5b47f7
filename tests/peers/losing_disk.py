"""A disk whose power can fail at any moment: a FUSE file system that remembers every operation.

::

    with LosingDisk(tmp_path) as disk:
        work(disk.mount)
        disk.mark("this is finished")
    disk.operations            # then: tests.support.power makes images of cuts in them

It runs as a process of its own, so that a page fault on a mapped file never waits for the
interpreter that caused it. It needs root and ``/dev/fuse``.
"""

from __future__ import annotations

import errno
import pickle
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Self

from tests.peers.requirements import ROOT

Kind = Literal["write", "truncate", "names", "chmod", "fsync", "mark", "directory"]
MARKS: Final = ".marks"
TOP: Final = 1  # the number of the folder at the top
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on the file or folder ``node``, done at ``at`` (wall clock, seconds).

    ``names``: entries (folder, name, node or None) that change together, as a rename does.
    """

    kind: Kind
    at: float
    node: int = 0
    offset: int = 0  # of a write; the size of a truncate; the mode of a chmod
    data: bytes = b""
    names: tuple[tuple[int, str, int | None], ...] = ()


def is_possible() -> bool:
    """Tell if this machine lets us mount such a disk."""
    try:
        import mfusepy  # noqa: F401 - loads libfuse3, which may be missing
    except (ImportError, OSError):
        return False
    return Path("/dev/fuse").exists() and Path("/proc/self").stat().st_uid == 0


class LosingDisk:
    """A mounted disk, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "disk"
        self.operations: list[Operation] = []
        self._log = folder / "operations"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.mount.mkdir(parents=True)
        command = [sys.executable, "-m", __name__, str(self.mount), str(self._log)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.mount.is_mount():
            assert self._process.poll() is None, "the disk could not be mounted"
            assert time.monotonic() < deadline, "the disk was not mounted in time"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()  # libfuse unmounts and returns
        try:
            self._process.wait(_PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            subprocess.run(["umount", "--lazy", str(self.mount)], check=False, capture_output=True)
        self.operations = list(_read(self._log))

    def mark(self, text: str) -> None:
        """Put ``text`` between the operations: what came before it, has happened."""
        with (self.mount / MARKS).open("ab", buffering=0) as file:
            file.write(text.encode())


def _read(path: Path) -> Iterator[Operation]:
    with path.open("rb") as file:
        while True:
            try:
                yield Operation(*pickle.load(file))
            except EOFError:
                return


class _Node:
    def __init__(self, number: int, mode: int) -> None:
        self.number, self.mode = number, mode
        self.names: dict[str, _Node] = {}
        self.data = bytearray()
        self.changed = time.time_ns()


def _operations(log: BinaryIO) -> Any:
    """The file system, for libfuse; it keeps all in memory and writes each operation to ``log``."""
    import mfusepy

    class _Disk(mfusepy.Operations):  # type: ignore[misc]  # it has no types
        use_ns = True

        def __init__(self) -> None:
            self._top = _Node(TOP, stat.S_IFDIR | 0o755)
            self._count = TOP
            self._open: dict[int, _Node] = {}
            self._handles = 0

        def _find(self, path: str) -> _Node:
            node = self._top
            for name in path.strip("/").split("/"):
                if name:
                    try:
                        node = node.names[name]
                    except KeyError:
                        raise mfusepy.FuseOSError(errno.ENOENT) from None
            return node

        def _parent(self, path: str) -> tuple[_Node, str]:
            folder, _, name = path.rpartition("/")
            return self._find(folder), name

        def _note(self, kind: Kind, node: int = 0, **more: Any) -> None:
            noted = Operation(kind, time.time(), node, **more)
            pickle.dump(
                (noted.kind, noted.at, noted.node, noted.offset, noted.data, noted.names), log
            )

        def _hold(self, node: _Node) -> int:
            self._handles += 1
            self._open[self._handles] = node
            return self._handles

        def _make(self, path: str, mode: int) -> _Node:
            folder, name = self._parent(path)
            if name in folder.names:
                raise mfusepy.FuseOSError(errno.EEXIST)
            self._count += 1
            node = folder.names[name] = _Node(self._count, mode)
            if name != MARKS:
                if stat.S_ISDIR(mode):
                    self._note("directory", node.number)
                self._note("chmod", node.number, offset=stat.S_IMODE(mode))
                self._note("names", names=((folder.number, name, node.number),))
            return node

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            node = self._open[fh] if fh else self._find(path)
            return {
                "st_mode": node.mode, "st_size": len(node.data), "st_nlink": 1, "st_uid": 0,
                "st_gid": 0, "st_ino": node.number, "st_mtime": node.changed,
                "st_ctime": node.changed, "st_atime": node.changed,
                "st_blocks": -(-len(node.data) // 512),
            }  # fmt: skip

        def statfs(self, path: str) -> dict[str, int]:
            blocks = 1 << 24
            return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": blocks, "f_bfree": blocks,
                    "f_bavail": blocks, "f_namemax": 255}  # fmt: skip

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *self._find(path).names]

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            return self._hold(self._make(path, stat.S_IFREG | stat.S_IMODE(mode)))

        def mkdir(self, path: str, mode: int) -> int:
            self._make(path, stat.S_IFDIR | stat.S_IMODE(mode))
            return 0

        def open(self, path: str, flags: int) -> int:
            return self._hold(self._find(path))

        def opendir(self, path: str) -> int:
            return self._hold(self._find(path))

        def release(self, path: str, fh: int) -> int:
            self._open.pop(fh, None)
            return 0

        releasedir = release

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return bytes(self._open[fh].data[offset : offset + size])

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            node = self._open[fh]
            if path == f"/{MARKS}":
                self._note("mark", data=data)
                return len(data)
            if offset > len(node.data):
                node.data.extend(bytes(offset - len(node.data)))
            node.data[offset : offset + len(data)] = data
            node.changed = time.time_ns()
            self._note("write", node.number, offset=offset, data=data)
            return len(data)

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            node = self._open[fh] if fh else self._find(path)
            node.data = node.data[:length].ljust(length, b"\0")
            node.changed = time.time_ns()
            self._note("truncate", node.number, offset=length)
            return 0

        def fsync(self, path: str, datasync: int, fh: int) -> int:
            self._note("fsync", self._open[fh].number)
            return 0

        fsyncdir = fsync

        def chmod(self, path: str, mode: int) -> int:
            node = self._find(path)
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
            self._note("chmod", node.number, offset=stat.S_IMODE(mode))
            return 0

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
            return 0

        def rename(self, old: str, new: str, *_: Any) -> int:
            (folder, name), (other, onward) = self._parent(old), self._parent(new)
            node = self._find(old)
            del folder.names[name]
            other.names[onward] = node
            change = ((folder.number, name, None), (other.number, onward, node.number))
            self._note("names", names=change)
            return 0

        def unlink(self, path: str) -> int:
            folder, name = self._parent(path)
            self._find(path)
            del folder.names[name]
            self._note("names", names=((folder.number, name, None),))
            return 0

        def rmdir(self, path: str) -> int:
            if self._find(path).names:
                raise mfusepy.FuseOSError(errno.ENOTEMPTY)
            return self.unlink(path)

    return _Disk()


def _serve(mount: str, log: str) -> None:
    import mfusepy

    with Path(log).open("wb") as file:
        mfusepy.FUSE(
            _operations(file),
            mount,
            foreground=True,
            nothreads=True,
            hard_remove=True,
            fsname="cut",
        )


if __name__ == "__main__":
    with suppress(RuntimeError):  # how mfusepy says that the disk was unmounted
        _serve(*sys.argv[1:])
