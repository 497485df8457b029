"""Layer 5, above ``callflow.app``: a server of real calls: an engine with a SIP stack and accounts.

Where to look:

    exchange   the server itself: start, calls, reload, drain, close
    options    what it runs with
    binding    where it listens
    media      which media it has, and whether ports and files are enough for them
    watching   files that change while it runs
    notify     what it tells systemd
    welcome    what it says when it has started
"""

from callflow.exchange.binding import Bind, TlsFiles
from callflow.exchange.exchange import Exchange
from callflow.exchange.options import ExchangeOptions, MediaOptions

__all__ = ["Bind", "Exchange", "ExchangeOptions", "MediaOptions", "TlsFiles"]
