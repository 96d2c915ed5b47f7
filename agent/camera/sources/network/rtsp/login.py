"""The choice between FFmpeg's login and our own: one question to the camera, without a password."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from urllib.parse import unquote

import av
from av.container import InputContainer

from agent.camera.sources.network.rtsp.conversation import PORTS, Conversation, Declined
from agent.camera.sources.network.rtsp.digest import Login, choose, is_ffmpegs, parse_all
from agent.camera.sources.network.rtsp.session import Session
from agent.camera.sources.network.trust import Trust
from agent.config.location import Url, split


class UnknownDigest(Exception):
    """The server offers logins, and none that we can answer; says which."""


def opened(
    location: str, options: dict[str, str], *, trust: Trust, timeout_seconds: float
) -> tuple[InputContainer, Session | None]:
    """The stream at ``location``, opened with FFmpeg's ``options``; our session if we logged in.

    We do where FFmpeg would fail the login, or send it in the clear where the camera offers
    better. Raises :class:`OSError`, :class:`UnknownDigest`, FFmpeg's errors, and
    :class:`ValueError` for a stream that cannot be recorded.
    """
    url = split(location)
    is_rtsp = url is not None and url.scheme.startswith("rtsp")
    if url is not None and url.login and url.scheme in PORTS:
        connect = partial(Conversation, url, trust=trust, timeout_seconds=timeout_seconds)
        asked = _asked(connect(login=None), url)
        if not is_ffmpegs(asked):
            challenges = parse_all(asked)
            if choose(challenges) is None:
                offers = ", ".join(f"{each.scheme} {each.algorithm}" for each in challenges)
                raise UnknownDigest(offers)
            if is_rtsp:
                session = Session(connect(login=_login(url)), _request(url)[1])
                return session.opened(options), session
            # Tried first: FFmpeg would send a wrong one twice, and cameras count.
            tried = connect(login=_login(url))
            with closing(tried):
                tried.ask(*_request(url))
            answer = tried.authorization(*_request(url))
            options = {**options, "headers": f"Authorization: {answer}\r\n"}
            location = f"{url.scheme}://{url.host}{url.rest}"
    # PyAV's own limit calls Python at every system call; RTSP has one of FFmpeg's in its options.
    limits = (timeout_seconds, None if is_rtsp else timeout_seconds)
    return av.open(location, "r", options=options, timeout=limits), None


def _request(url: Url) -> tuple[str, str]:
    """The method that asks for the stream at ``url``, and what it names there."""
    if url.scheme.startswith("rtsp"):
        return "DESCRIBE", f"{url.scheme}://{url.host}{url.rest}"
    path = url.rest.partition("#")[0]
    return "GET", path if path.startswith("/") else f"/{path}"


def _asked(conversation: Conversation, url: Url) -> tuple[str, ...]:
    """The ``WWW-Authenticate`` headers of a camera that wants a login; else none.

    Other refusals are left to FFmpeg, which meets them again and may know better.
    """
    try:
        conversation.ask(*_request(url))
    except Declined as declined:
        return declined.challenges
    finally:
        conversation.close()
    return ()


def _login(url: Url) -> Login:
    name, _, password = url.login.partition(":")
    return Login(unquote(name), unquote(password))
