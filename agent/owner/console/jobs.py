"""Work that takes longer than a page may: sending a decision, fetching a clip, rendering it.

A job belongs to the session that began it, and nobody else sees it. A page asks for its state at
``/jobs/<id>`` until it is done.
"""

from __future__ import annotations

import contextvars
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from agent.errors import ClipAgentError
from agent.owner.console.sessions import Session

_MOST_KEPT = 200
_WORKERS = 4


@dataclass(eq=False)
class Job:
    """A piece of work. ``state``: running, done, failed.

    ``done`` and ``total`` count bytes or steps. ``said`` are values for the page that waits;
    ``result`` is for the console alone.
    """

    id: str
    session: Session = field(repr=False)
    state: str = "running"
    done: int = 0
    total: int = 0
    said: dict[str, Any] = field(default_factory=dict)
    result: Any = field(default=None, repr=False)
    error: ClipAgentError | None = None

    def progress(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total


class Jobs:
    """All jobs of a console, in a few threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="console")

    def start(self, session: Session, work: Callable[[Job], Any]) -> Job:
        """Run ``work``; its value is the job's ``result``, a ClipAgentError its ``error``."""
        job = Job(secrets.token_urlsafe(12), session)
        with self._lock:
            self._jobs[job.id] = job
            for old in [one for one in self._jobs.values() if one.state != "running"][:-_MOST_KEPT]:
                del self._jobs[old.id]
        language = contextvars.copy_context()  # that of the page which waits
        self._pool.submit(language.run, self._run, job, work)
        return job

    def find(self, job_id: str, session: Session) -> Job | None:
        """The job of this session with this id."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.session is session else None

    def close(self) -> None:
        """Wait for the jobs that run; begin no other."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _run(job: Job, work: Callable[[Job], Any]) -> None:
        try:
            job.result = work(job)
            job.state = "done"
        except ClipAgentError as error:
            job.error, job.state = error, "failed"
        except BaseException:
            job.state = "failed"
            raise
