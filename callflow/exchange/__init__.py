"""Layer 5, above ``callflow.app``: a server of real calls: an engine with a SIP stack and accounts."""

from callflow.exchange.binding import Bind, TlsFiles
from callflow.exchange.exchange import Exchange
from callflow.exchange.options import ExchangeOptions, MediaOptions

__all__ = ["Bind", "Exchange", "ExchangeOptions", "MediaOptions", "TlsFiles"]
