"""Exceptions, by whose fault they are.

::

    ClipAgentError
    ├── ConfigError                 a file or key the operator wrote is wrong
    ├── KeyFileError                a key file or its passphrase is wrong
    │   └── WrongPassphrase         the passphrase does not open it
    ├── Refused                     a peer broke a rule
    │   ├── MalformedStatement      it does not decode
    │   ├── UntrustedSignature      it lacks the right signature
    │   ├── UnreadableLetter        it is not sealed to us, or is damaged
    │   ├── RequestRefused          the policy refuses it
    │   ├── NotPublic               not proved to be in the public log
    │   ├── ApprovalRefused         it breaks one of the nine rules of an approval
    │   ├── ReceiverRefused         an upload receiver lies or refuses for good
    │   └── BundleRefused           the parts of a bundle do not fit
    ├── EnvironmentFault            disk, camera or network, perhaps only for now
    │   ├── StorageFault            a file cannot be read or written
    │   │   ├── DiskFull            there is no room for it
    │   │   └── ClipDamaged         a clip on disk is not what was recorded
    │   ├── CameraFault             no camera, no frames, no codec
    │   └── NetworkFault            broker or receiver not reachable
    │       └── ReceiverFault       a receiver's answer that may pass
    └── InternalFault               our own mistake; never expected

A :class:`Refused` carries the name of the broken rule, for the ledger and the owner.
Messages name the fault, ``advice`` the remedy; callers decide what to do.
"""

from __future__ import annotations

ADVICE_FOR_CLOSED_FILES = (
    "Use sudo; for a service, `sudo clip-agent check` says which user needs it"
)


class ClipAgentError(Exception):
    """Root of the tree. ``advice`` is one imperative sentence for the reader, or empty."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}. {self.advice}" if self.advice else self.message


class ConfigError(ClipAgentError):
    """A configuration or card file is unreadable or wrong; names the file and the key."""


class KeyFileError(ClipAgentError):
    """A private key file is missing, damaged, or its passphrase is wrong."""


class WrongPassphrase(KeyFileError):
    """A passphrase does not open its key file, which may be damaged as well."""


class Refused(ClipAgentError):
    """A peer's fault: it broke the rule named ``rule``."""

    def __init__(self, rule: str, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.rule = rule


class MalformedStatement(Refused):
    """Does not decode under the strict rules of :mod:`agent.consent.decoding`."""


class UntrustedSignature(Refused):
    """The signer is unknown, or the signature does not verify."""


class UnreadableLetter(Refused):
    """A letter that is not sealed to this reader, or does not decode."""


class RequestRefused(Refused):
    """A request that the owner's policy does not admit."""


class NotPublic(Refused):
    """A post that is not proved to be in the public log, or a log that is not append-only.

    ``notes`` are signed notes of the log that contradict each other, if any.
    """

    def __init__(self, rule: str, message: str, *, notes: tuple[str, ...] = ()) -> None:
        super().__init__(rule, message)
        self.notes = notes


class ApprovalRefused(Refused):
    """An approval that breaks one of the nine rules; ``number`` says which."""

    def __init__(self, number: int, rule: str, message: str) -> None:
        super().__init__(rule, message)
        self.number = number


class ReceiverRefused(Refused):
    """An upload receiver broke the tus protocol or refused for good."""


class BundleRefused(Refused):
    """A bundle whose parts do not belong together or were changed."""


class EnvironmentFault(ClipAgentError):
    """The world around us: disk, camera, network. May pass by itself."""


class StorageFault(EnvironmentFault):
    """A file of the vault cannot be read or written."""


class DiskFull(StorageFault):
    """No room is left on the disk, or less than must stay free."""


class ClipDamaged(StorageFault):
    """A clip on disk is missing or differs from what was recorded."""


class CameraFault(EnvironmentFault):
    """No camera, no frames, or frames that cannot be used."""


class NetworkFault(EnvironmentFault):
    """A broker or receiver cannot be reached or hung up; worth trying again."""


class ReceiverFault(NetworkFault):
    """An upload receiver, or a proxy before it, answered with ``status`` and no success.

    ``retry_after_seconds`` is the pause that the answer asks for, 0 without one.
    """

    def __init__(self, status: int, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class InternalFault(ClipAgentError):
    """Our own mistake: a state that the code holds to be impossible."""
