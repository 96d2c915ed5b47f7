"""The tus protocol 1.0, with creation, expiration and termination, as an ASGI application.

Our own, because ``tuspyserver`` (4.4) brings FastAPI and pydantic, requires metadata that is
optional in tus, waits for a second writer inside the event loop, and does not finish uploads
atomically. The rules of this receiver:

- one writer an upload: the second one gets 423 and tries again later;
- a PATCH starts exactly at the offset on disk, else 409;
- data received before a broken connection counts, and is synced before it is reported;
- more than ``Upload-Length`` is never written: 413;
- a bundle that is not what its sender announced is never finished: 460, and it begins anew;
- DELETE removes what is unfinished; what was received stays: 403;
- a sender that is silent for ``idle_seconds`` loses its claim on the upload.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator, Callable
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
_RECEIPT_PATH = re.compile(re.escape(PATH) + r"([0-9a-f]{32})\.receipt")
_VERSION = "1.0.0"
_EXTENSIONS = "creation,expiration,termination"
_MAX_METADATA_CHARACTERS = 2_048
_NUMBER = re.compile(r"[0-9]{1,15}")
_STATUS_OF_RULE = {
    "finished": 403,
    "too-large": 413,
    "busy": 423,
    "wrong-digest": 460,
    "too-many": 503,
    "no-space": 507,
}
_METHODS = ("OPTIONS", "POST")
_UPLOAD_METHODS = ("OPTIONS", "HEAD", "PATCH", "DELETE")


class Tus:
    """The protocol over a folder of uploads, as an ASGI application.

    ``on_finished`` is called with the file of each complete upload. ``receipt_of`` gives the
    receipt for the bundle with a SHA-256, or None: it lies beside the upload.
    """

    def __init__(
        self,
        uploads: Uploads,
        *,
        on_finished: Callable[[Path], object],
        receipt_of: Callable[[str], str | None],
        idle_seconds: float,
    ) -> None:
        self._uploads = uploads
        self._receipt_of = receipt_of
        self._on_finished = on_finished
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: answer one request."""
        response = await self._dispatch(Request(scope, receive))
        await response(scope, receive, send)

    async def _dispatch(self, request: Request) -> Response:
        receipt_path = _RECEIPT_PATH.fullmatch(request.url.path)
        if receipt_path is not None and request.method == "GET":
            return await run_in_threadpool(self._receipt, receipt_path[1])
        upload_path = _UPLOAD_PATH.fullmatch(request.url.path)
        if upload_path is None and request.url.path != PATH:
            return _answer(404, "there is nothing here")
        methods = _METHODS if upload_path is None else _UPLOAD_METHODS
        method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        if method not in methods:
            return _answer(405, f"{method[:16]} is not allowed", {"Allow": ", ".join(methods)})
        if method == "OPTIONS":
            return self._options()
        if request.headers.get("Tus-Resumable") != _VERSION:
            return _answer(412, f"Tus-Resumable must be {_VERSION}", {"Tus-Version": _VERSION})
        try:
            if upload_path is None:
                return await self._create(request)
            with self._uploads.claim(upload_path[1]):
                upload = self._uploads.get(upload_path[1])
                if upload is None:
                    return _answer(404, "no such upload")
                if method == "HEAD":
                    return self._head(upload)
                if method == "DELETE":
                    await run_in_threadpool(self._uploads.remove, upload)
                    return _answer(204, "")
                return await self._patch(request, upload)
        except Refused as error:
            return _answer(_STATUS_OF_RULE.get(error.rule, 400), error.message)
        except StorageFault as error:
            log.error("%s", error)  # noqa: TRY400 - one line: the disk failed, not our code
            return _answer(507, "the receiver's disk fails")

    def _receipt(self, upload_id: str) -> Response:
        upload = self._uploads.get(upload_id)
        try:
            receipt = self._receipt_of(upload.sha256) if upload and upload.name else None
        except StorageFault as error:
            log.error("%s", error)  # noqa: TRY400 - one line: the disk failed, not our code
            return _answer(507, "the receiver's disk fails")
        return _answer(200, receipt) if receipt else _answer(404, "there is no receipt yet")

    def _options(self) -> Response:
        size = str(self._uploads.limits.max_bytes)
        headers = {"Tus-Version": _VERSION, "Tus-Extension": _EXTENSIONS, "Tus-Max-Size": size}
        return _answer(204, "", headers)

    async def _create(self, request: Request) -> Response:
        size = _header_number(request, "Upload-Length")
        raw = request.headers.get("Upload-Metadata", "")
        upload = await run_in_threadpool(self._uploads.create, size, parse_metadata(raw), raw)
        if size == 0:
            self._tell(upload)
        # A relative location: senders may know this server under another host name.
        return _answer(201, "", {"Location": PATH + upload.id, **_expires(upload)})

    def _head(self, upload: Upload) -> Response:
        offset = self._uploads.offset(upload)
        headers = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size)}
        metadata = {"Upload-Metadata": upload.metadata} if upload.metadata else {}
        return _answer(200, "", {**headers, **_expires(upload), **metadata})

    async def _patch(self, request: Request, upload: Upload) -> Response:
        if request.headers.get("Content-Type") != "application/offset+octet-stream":
            return _answer(415, "Content-Type must be application/offset+octet-stream")
        offset, problem = self._uploads.offset(upload), None
        if _header_number(request, "Upload-Offset") != offset:
            return _answer(409, f"the offset is {offset}")
        if not upload.name:
            problem = await self._store(request, upload)
            upload, offset = await run_in_threadpool(self._uploads.advance, upload)
            self._tell(upload)
        return problem or _answer(204, "", {"Upload-Offset": str(offset), **_expires(upload)})

    async def _store(self, request: Request, upload: Upload) -> Response | None:
        """Append the body; returns an error answer if it was not read to its end."""
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
                return _answer(408, "no data for too long", {"Connection": "close"})
            except ClientDisconnect:
                return _answer(400, "the connection broke")  # to nobody
        return None

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it arrives; TimeoutError when the sender is silent."""
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
    """``Upload-Metadata``: pairs of a key and base64 (tus 1.0, creation); Refused otherwise."""
    if len(header) > _MAX_METADATA_CHARACTERS:
        raise Refused("bad-metadata", "Upload-Metadata is too long")
    metadata: dict[str, str] = {}
    for pair in filter(None, header.split(",")):
        key, _, value = pair.strip().partition(" ")
        if not key or key in metadata:
            raise Refused("bad-metadata", "Upload-Metadata has an empty or repeated key")
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
