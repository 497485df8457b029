"""Layer 2: what network and server did wrong, in words for the one who must repair it, without secrets."""

from __future__ import annotations

import aiohttp

from callflow.delivery.progress import Progress
from callflow.delivery.urls import HttpUrl
from callflow.errors import FetchError
from callflow.log import one_line

_CONNECT_HINT = "is the server up, and the url's host and port right?"


def network_error(error: Exception, url: HttpUrl, progress: Progress) -> FetchError:
    """The FetchError for what aiohttp or the system raised. aiohttp's own texts hold the url: not used."""
    name = url.name
    match error:
        case aiohttp.ConnectionTimeoutError():
            return FetchError(f"{name} could not be connected to in time", hint=_CONNECT_HINT)
        case aiohttp.ClientConnectorDNSError():
            return FetchError(f"the name {url.host} cannot be resolved", hint="is the host name right?")
        case aiohttp.ClientHttpProxyError():
            return FetchError(
                f"the proxy answered {error.status} when it was asked for {name}",
                hint="delivery.hosts: proxy_username and proxy_password; does the proxy allow that host?",
            )
        case aiohttp.ClientProxyConnectionError():
            return FetchError(
                f"the proxy for {name} cannot be connected to: {_why(error.os_error)}",
                hint="proxy in delivery.hosts",
            )
        case aiohttp.ClientConnectorCertificateError():
            return FetchError(
                f"the TLS certificate of {name} is not trusted: {one_line(error.certificate_error, 200)}",
                hint="install a certificate that this machine trusts",
            )
        case aiohttp.ClientSSLError():
            return FetchError(f"TLS with {name} failed", hint="does that port speak https?")
        case aiohttp.ClientConnectorError():
            return FetchError(f"{name} cannot be connected to: {_why(error.os_error)}", hint=_CONNECT_HINT)
        case aiohttp.ServerDisconnectedError():
            return FetchError(f"{name} closed the connection without an answer", hint="see the server's log")
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return FetchError(f"{name} gave an answer that is not HTTP", hint="does that port speak HTTP?")
        case TimeoutError():
            return FetchError(
                f"nothing moved for {progress.seconds:g} s with {name} while {progress.doing}",
                hint="delivery.progress_timeout_s of system_config says how long to wait",
            )
        case OSError():
            return FetchError(f"the connection with {name} broke: {_why(error)}", hint="see the server's log")
        case _:
            return FetchError(f"the exchange with {name} failed ({type(error).__name__})", hint=_CONNECT_HINT)


def _why(error: OSError) -> str:
    return one_line(error.strerror or type(error).__name__, 200)
