"""The choice between FFmpeg's login and our own: one question to the camera, without a password."""

from __future__ import annotations

from urllib.parse import unquote

from agent.camera.sources.network.rtsp.conversation import Conversation, Declined
from agent.camera.sources.network.rtsp.digest import Login, choose, is_ffmpegs, parse_all
from agent.camera.sources.network.rtsp.session import Session
from agent.camera.sources.network.trust import Trust
from agent.config.location import Url, split


class UnknownDigest(Exception):
    """The server offers logins, and none that we can answer; says which."""


def own_session(location: str, *, trust: Trust, timeout_seconds: float) -> Session | None:
    """A session at an RTSP camera whose login FFmpeg would fail, or send in the clear.

    None: FFmpeg does it. Raises :class:`OSError`, :class:`UnknownDigest`, and
    :class:`ValueError` for a stream that cannot be recorded.
    """
    url = split(location)
    if url is None or url.scheme not in ("rtsp", "rtsps") or not url.login:
        return None
    uri = f"{url.scheme}://{url.host}{url.rest}"
    asked = _asked(Conversation(url, login=None, trust=trust, timeout_seconds=timeout_seconds), uri)
    if is_ffmpegs(asked):
        return None
    challenges = parse_all(asked)
    if choose(challenges) is None:
        raise UnknownDigest(", ".join(f"{each.scheme} {each.algorithm}" for each in challenges))
    login = _login(url)
    conversation = Conversation(url, login=login, trust=trust, timeout_seconds=timeout_seconds)
    try:
        return Session(conversation, uri)
    except BaseException:
        conversation.close()
        raise


def _asked(conversation: Conversation, uri: str) -> tuple[str, ...]:
    """The ``WWW-Authenticate`` headers of a camera that wants a login; else none.

    Other refusals are left to FFmpeg, which meets them again and may know better.
    """
    try:
        conversation.ask("DESCRIBE", uri, {"Accept": "application/sdp"})
    except Declined as declined:
        return declined.challenges
    finally:
        conversation.close()
    return ()


def _login(url: Url) -> Login:
    name, _, password = url.login.partition(":")
    return Login(unquote(name), unquote(password))
