"""Layer 2: what went wrong at a place for files, in words for the one who must repair it, without secrets.

``refused``: it will be so until somebody changes something (the slow schedule). ``broken``: try again soon.
"""

from __future__ import annotations

from callflow.errors import FetchError, StoreRefused
from callflow.log import one_line

_HINTS = {
    "NoSuchBucket": "make the bucket, or correct bucket (and region) in storage.json",
    "ContainerNotFound": "make the container, or correct container in storage.json",
    "InvalidAccessKeyId": "correct key in storage.json",
    "SignatureDoesNotMatch": "correct secret in storage.json; if it is right, see the region",
    "AccessDenied": "let the key put, get and delete objects in the bucket",
    "RequestTimeTooSkewed": "set this machine's clock: it differs from the server's by too much",
    "AuthenticationFailed": "correct account and key in storage.json; see this machine's clock",
    "AuthorizationHeaderMalformed": "correct region in storage.json",
    "PermanentRedirect": "correct region or host in storage.json",
}
"""What to do, by the code in a service's answer."""


def refused(name: str, what: str, code: str = "") -> StoreRefused:
    """``name``: the place, without secrets."""
    hint = _HINTS.get(code, "correct storage.json, or the rights there; callflow storage test tries it")
    return StoreRefused(f"{name} {one_line(what, 300)}", hint=hint)


def broken(name: str, what: str) -> FetchError:
    """The connection or the server."""
    return FetchError(f"{name} {one_line(what, 300)}", hint="see the server's log, and the network")


def of_status(name: str, status: int, doing: str) -> StoreRefused | FetchError:
    """What an HTTP status means while ``doing``."""
    what = f"answered {status} to {doing}"
    if 300 <= status <= 499 and status not in (408, 423, 425, 429):
        reason = {
            401: ": the credentials are wrong",
            403: ": it is not allowed",
            404: ": there is no such folder",
            409: ": there is no such folder",
        }
        return refused(name, what + reason.get(status, ""))
    return broken(name, what)
