"""Layer 6: the parts of Vonage's REST API that go with NCCO (ncco.md 4), for their SDKs and programs.

Where to look:

    door           who asks: an application's token, good once; and what becomes of errors
    jwts           such a token as values: signature, times, what it may do
    answers        errors in Vonage's form
    bodies         what is wrong with a body or a query, key by key
    files          ``GET /v1/files/ID``: a recording
    calls          ``/v1/calls``: begin one, list them, look at one
    control        ``PUT /v1/calls/ID``: hang up, mute, transfer
    prompts        ``/v1/calls/ID/stream``, ``talk``, ``dtmf``: sound and digits for one leg
    conversations  ``PUT /v1/conversations/ID/record``
    book           the calls of this process as ``/v1/calls`` tells of them, those that are over too
    reaching       the leg that a request names, and what is done to it
    api            all routes; described: the same for OpenAPI
"""
