"""A receiver in Python with aiohttp: python python_aiohttp.py [PORT] [FOLDER]

Takes PUT or POST at /recordings/call_recording_CALL_ID.EXT, checks the digest, and keeps the file only when
all of it has come. With RECORDINGS_SECRET=whsec_... in the environment it takes only what is signed with it
(delivery.hosts: signing). Use "url": "http://your.server.com:8080/recordings" in the callflow.
"""

import base64
import hashlib
import hmac
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "recordings")
GOOD_NAME = re.compile(r"call_recording_[A-Za-z0-9._@+-]+")

SECRETS = os.environ.get("RECORDINGS_SECRET", "").split()  # whsec_...; two while one replaces the other


def signed(headers: Mapping[str, str]) -> bool:
    """Standard Webhooks: d1 signs the Content-Digest header, so this is known before the body comes."""
    when = headers.get("webhook-timestamp", "")
    if not when.isdigit() or abs(time.time() - int(when)) > 300:
        return False
    text = f"{headers.get('webhook-id')}.{when}.{headers.get('Content-Digest')}".encode()
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in SECRETS]
    good = [base64.b64encode(hmac.digest(key, text, "sha256")).decode() for key in keys]
    given = [one.removeprefix("d1,") for one in headers.get("webhook-signature", "").split()]
    return any(hmac.compare_digest(a, b) for a in good for b in given)


async def receive(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if not GOOD_NAME.fullmatch(name):
        return web.Response(status=400, text="not a name of a recording\n")
    if SECRETS and not signed(request.headers):
        return web.Response(status=401, text="not signed with our secret\n")
    part = FOLDER / f".{name}.part"
    digest = hashlib.sha256()
    with part.open("wb") as file:
        async for chunk in request.content.iter_chunked(256 * 1024):
            digest.update(chunk)
            file.write(chunk)
    expected = request.headers.get("Content-Digest")
    if expected and expected != f"sha-256=:{base64.b64encode(digest.digest()).decode()}:":
        part.unlink()
        return web.Response(status=400, text="the digest does not fit\n")
    part.replace(FOLDER / name)  # the same recording may come again: that is the same file
    return web.Response(status=201, text="thank you\n")


async def check(request: web.Request) -> web.Response:
    """For a web server in front that takes the files itself: are these headers signed? (nginx.conf)"""
    return web.Response(status=204 if signed(request.headers) else 401)


app = web.Application(client_max_size=0)
app.router.add_get("/signed", check)
app.router.add_put("/recordings/{name}", receive)
app.router.add_post("/recordings/{name}", receive)

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
