"""A receiver with Flask: python flask_receiver.py [PORT] [FOLDER]

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

from flask import Flask, request

FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "recordings")
GOOD_NAME = re.compile(r"call_recording_[A-Za-z0-9._@+-]+")
SECRETS = os.environ.get("RECORDINGS_SECRET", "").split()  # whsec_...; two while one replaces the other
app = Flask(__name__)


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


@app.route("/recordings/<name>", methods=["PUT", "POST"])
def receive(name: str) -> tuple[str, int]:
    if not GOOD_NAME.fullmatch(name):
        return "not a name of a recording\n", 400
    if SECRETS and not signed(request.headers):
        return "not signed with our secret\n", 401
    part = FOLDER / f".{name}.part"
    digest = hashlib.sha256()
    with part.open("wb") as file:
        while chunk := request.stream.read(256 * 1024):
            digest.update(chunk)
            file.write(chunk)
    expected = request.headers.get("Content-Digest")
    if expected and expected != f"sha-256=:{base64.b64encode(digest.digest()).decode()}:":
        part.unlink()
        return "the digest does not fit\n", 400
    part.replace(FOLDER / name)  # the same recording may come again: that is the same file
    return "thank you\n", 201


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    app.run(host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
