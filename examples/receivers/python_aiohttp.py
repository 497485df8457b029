"""A receiver in Python with aiohttp: python python_aiohttp.py [PORT] [FOLDER]

Takes PUT or POST at /recordings/call_recording_CALL_ID.EXT, checks the digest, and keeps the file only when
all of it has come. Use "url": "http://your.server.com:8080/recordings" in the callflow.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

from aiohttp import web

FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "recordings")
GOOD_NAME = re.compile(r"call_recording_[A-Za-z0-9._@+-]+")


async def receive(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if not GOOD_NAME.fullmatch(name):
        return web.Response(status=400, text="not a name of a recording\n")
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


app = web.Application(client_max_size=0)
app.router.add_put("/recordings/{name}", receive)
app.router.add_post("/recordings/{name}", receive)

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
