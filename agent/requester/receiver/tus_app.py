"""The tus protocol, 1.0 with creation and expiration, as an ASGI application.

Why our own: ``tuspyserver`` (4.4) brings FastAPI and pydantic, wants metadata that
tus leaves optional, waits for a second writer inside the event loop, and knows no
atomic end of an upload. What a receiver must get right is small and stands here
and in :mod:`.uploads`:

- one writer an upload: whoever comes second gets 423 and tries again later;
- a PATCH starts exactly at the offset that is on disk, else 409;
- what came before a connection broke counts, and is synced before it is told;
- more than ``Upload-Length`` is never written: 413;
- a sender that says nothing for ``idle_seconds`` frees the upload.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.errors import Refused, StorageFault
from agent.requester.receiver.uploads import Upload, Uploads

log = logging.getLogger(__name__)

PATH = "/files/"
_UPLOAD_PATH = re.compile(re.escape(PATH) + r"([0-9a-f]{32})")
_VERSION = "1.0.0"
_EXTENSIONS = "creation,expiration"
_MAX_METADATA_CHARACTERS = 2_048
_NUMBER = re.compile(r"[0-9]{1,15}")
_STATUS_OF_RULE = {"too-large": 413, "too-many": 503, "no-space": 507, "busy": 423}

Handler = Callable[[Request, str], Awaitable[Response]]


class Tus:
    """The protocol over :class:`~agent.requester.receiver.uploads.Uploads`, as an ASGI application.

    ``on_finished`` is called with each file that has come as a whole.
    """

    def __init__(
        self, uploads: Uploads, *, on_finished: Callable[[Path], None], idle_seconds: float
    ) -> None:
        self._uploads = uploads
        self._on_finished = on_finished
        self._idle_seconds = idle_seconds
        self._on_collection: dict[str, Handler] = {
            "OPTIONS": self._options,
            "POST": self._create,
        }
        self._on_upload: dict[str, Handler] = {
            "OPTIONS": self._options,
            "HEAD": self._head,
            "PATCH": self._patch,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: answer one request."""
        request = Request(scope, receive)
        response = await self._dispatch(request)
        await response(scope, receive, send)

    async def _dispatch(self, request: Request) -> Response:
        upload_path = _UPLOAD_PATH.fullmatch(request.url.path)
        if upload_path is None and request.url.path != PATH:
            return _answer(404, "there is nothing here")
        handlers = self._on_collection if upload_path is None else self._on_upload
        method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        handler = handlers.get(method)
        if handler is None:
            return _answer(405, f"{method[:16]} is not done here", {"Allow": ", ".join(handlers)})
        if method != "OPTIONS" and request.headers.get("Tus-Resumable") != _VERSION:
            return _answer(412, f"Tus-Resumable must be {_VERSION}", {"Tus-Version": _VERSION})
        try:
            return await handler(request, upload_path[1] if upload_path else "")
        except Refused as error:
            return _answer(_STATUS_OF_RULE.get(error.rule, 400), error.message)
        except StorageFault as error:
            log.error("%s", error)  # noqa: TRY400 - one line; it is no mistake of ours
            return _answer(507, "the receiver's disk fails")

    async def _options(self, _request: Request, _id: str) -> Response:
        return _answer(
            204,
            "",
            {
                "Tus-Version": _VERSION,
                "Tus-Extension": _EXTENSIONS,
                "Tus-Max-Size": str(self._uploads.limits.max_bytes),
            },
        )

    async def _create(self, request: Request, _id: str) -> Response:
        size = _header_number(request, "Upload-Length")
        raw = request.headers.get("Upload-Metadata", "")
        metadata = parse_metadata(raw)
        upload = await run_in_threadpool(self._uploads.create, size, metadata, raw)
        self._tell(upload)
        # A path alone: what host a sender knows us by is not ours to guess.
        return _answer(201, "", {"Location": PATH + upload.id, **_expires(upload)})

    async def _head(self, _request: Request, upload_id: str) -> Response:
        with self._uploads.claim(upload_id):
            upload = self._uploads.get(upload_id)
            if upload is None:
                return _answer(404, "no such upload")
            headers = {
                "Upload-Offset": str(self._uploads.offset(upload)),
                "Upload-Length": str(upload.size),
                **_expires(upload),
            }
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return _answer(200, "", headers)

    async def _patch(self, request: Request, upload_id: str) -> Response:
        if request.headers.get("Content-Type") != "application/offset+octet-stream":
            return _answer(415, "Content-Type must be application/offset+octet-stream")
        start = _header_number(request, "Upload-Offset")
        with self._uploads.claim(upload_id):
            upload = self._uploads.get(upload_id)
            if upload is None:
                return _answer(404, "no such upload")
            if start != self._uploads.offset(upload):
                return _answer(409, f"the offset is {self._uploads.offset(upload)}")
            if upload.name:
                return _answer(204, "", {"Upload-Offset": str(upload.size), **_expires(upload)})
            problem = await self._store(request, upload)
            later, offset = await run_in_threadpool(self._uploads.advance, upload)
        self._tell(later)
        return problem or _answer(204, "", {"Upload-Offset": str(offset), **_expires(later)})

    async def _store(self, request: Request, upload: Upload) -> Response | None:
        """Append the body; an answer when it did not come to its end."""
        room = upload.size - self._uploads.offset(upload)
        if _declared_length(request) > room:
            return _answer(413, "more than the Upload-Length")
        with self._uploads.append(upload) as part:
            try:
                async for chunk in self._chunks(request):
                    room -= len(chunk)
                    if room < 0:
                        return _answer(413, "more than the Upload-Length")
                    await run_in_threadpool(part.write, chunk)
            except TimeoutError:
                return _answer(408, "nothing came for too long", {"Connection": "close"})
            except ClientDisconnect:
                return _answer(400, "the connection broke")  # to nobody
        return None

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it comes; TimeoutError when it stops coming."""
        stream = request.stream()
        while True:
            try:
                yield await asyncio.wait_for(anext(stream), self._idle_seconds)
            except StopAsyncIteration:
                return

    def _tell(self, upload: Upload) -> None:
        if upload.name:
            self._on_finished(self._uploads.folder / upload.name)


def parse_metadata(header: str) -> dict[str, str]:
    """``Upload-Metadata``: pairs of a key and base64 (tus 1.0, creation); Refused if it is not."""
    if len(header) > _MAX_METADATA_CHARACTERS:
        raise Refused("bad-metadata", "Upload-Metadata is too long")
    metadata: dict[str, str] = {}
    for pair in filter(None, header.split(",")):
        key, _, value = pair.strip().partition(" ")
        if not key or key in metadata:
            raise Refused("bad-metadata", "Upload-Metadata has an empty key, or one twice")
        try:
            metadata[key] = base64.b64decode(value, validate=True).decode()
        except ValueError as error:
            raise Refused("bad-metadata", f"Upload-Metadata {key[:32]!r} is damaged") from error
    return metadata


def _header_number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise Refused("bad-header", f"{name} must be a whole number")
    return int(text)


def _declared_length(request: Request) -> int:
    text = request.headers.get("Content-Length", "0")
    return int(text) if _NUMBER.fullmatch(text) else 0


def _expires(upload: Upload) -> dict[str, str]:
    return {"Upload-Expires": formatdate(upload.expires_at, usegmt=True)}


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    fixed = {"Tus-Resumable": _VERSION, "Cache-Control": "no-store"}
    return Response(text, status, {**fixed, **(headers or {})}, media_type="text/plain")
