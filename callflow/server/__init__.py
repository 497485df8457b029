"""Layer 6, below ``callflow.cli``: the HTTP server of ``callflow serve``.

Where to look:

    app        the route files, put together into one application
    turns      what takes long, one after the other
    parts      what a route file may use
    names      what it may be called by; what browsers are told about every answer
    envelope   what an answer looks like (Kazoo's), and an error
    auth       who asks, and what he may do
    tokens     how a token is made, and how it is known again
    asked      a query must be as it is described
    openapi    the description of all routes (OpenAPI 3.1)
    listen     where it listens
    health     is the process alive, is it ready?
    standing   what is looked at for that, and for metrics
    metrics    figures for Prometheus
    meter      counts what happens
    console    the web page that shows it all, and what serves it
    feed       what happens, numbered and kept for a while, for who listens

A route file has ``def routes(parts: Parts) -> list[web.RouteDef]`` and ``PATHS``, the same routes as they
are described (OpenAPI 3.1 path items by path); ``app.FILES`` names it.
"""
