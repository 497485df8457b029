"""Layer 6: the HTTP API under ``/v2/``, with Kazoo's paths and envelope: one file for each kind of thing.

Recordings, users, deliveries: ``recordings`` (``audio``, ``asking``), ``users``, ``deliveries``; ``events``
is the live stream; ``token_auth`` says what a token opens. Callflows: ``callflows``, over ``saving`` (files
that are judged, written and taken over) and ``sent`` (what came, and where in it something is wrong);
``listing`` pages and filters; ``bounds`` says how much there may be; ``flowdrawing``. Live calls: ``calls``
and Kazoo's ``channels``, over ``traces`` (what calls have done), ``legs`` and ``live_recordings`` (recorded,
masked, paused from outside).
Settings: ``system_config``, ``settings_shown``. ``telling`` logs who did what. ``*_described`` are OpenAPI's
paths.
"""
