"""A receiver with Flask: python flask_receiver.py [PORT] [FOLDER]

Takes PUT or POST at /recordings/call_recording_CALL_ID.EXT, checks the digest, and keeps the file only when
all of it has come. Use "url": "http://your.server.com:8080/recordings" in the callflow.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

from flask import Flask, request

FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else "recordings")
GOOD_NAME = re.compile(r"call_recording_[A-Za-z0-9._@+-]+")
app = Flask(__name__)


@app.route("/recordings/<name>", methods=["PUT", "POST"])
def receive(name: str) -> tuple[str, int]:
    if not GOOD_NAME.fullmatch(name):
        return "not a name of a recording\n", 400
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
