"""FTP and FTPS (pyftpdlib), SFTP (OpenSSH), WebDAV (nginx): the same promises at each real server."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from callflow.delivery.stores.ftp import FtpStore
from callflow.delivery.stores.opened import opened
from callflow.documents.storage import Place
from callflow.errors import BlockedAddress, FetchError, StoreRefused
from tests.delivery.support import State
from tests.peers import require, running
from tests.ports import free_ports
from tests.stores.support import BODY, enqueue, place_of, proxy, upload, ways

pytestmark = pytest.mark.peer
PASSWORD = "not-a-real-one"
LONG = BODY * 8


@dataclass
class Server:
    """A server, where its files are, its place, and the same with a wrong login (None: it has no logins)."""

    root: Path
    port: int
    place: Place
    wrong: Place | None
    at: Callable[[int], Place]
    """The place at another port."""

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


def pyftpdlib() -> tuple[Any, Any, Any, Any, Any]:
    """Its authorizer, handlers, server and loop; importing it warns of modules that go with Python 3.12."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
        from pyftpdlib.ioloop import IOLoop
        from pyftpdlib.servers import FTPServer
    return DummyAuthorizer, FTPHandler, TLS_FTPHandler, FTPServer, IOLoop


@pytest.fixture(scope="module")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    DummyAuthorizer, FTPHandler, _, FTPServer, IOLoop = pyftpdlib()
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    root = tmp_path_factory.mktemp("ftp")
    users = DummyAuthorizer()
    users.add_user("recorder", PASSWORD, str(root), perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": users, "auth_failed_timeout": 0})
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.02, "handle_exit": False})
    thread.start()
    port = server.address[1]

    def at(there: int, password: str = PASSWORD) -> Place:
        url = f"ftp://127.0.0.1:{there}/calls"
        return place_of("ftp", {"url": url, "username": "recorder", "password": password})

    yield Server(root, port, at(port), at(port, "wrong"), at)
    server.close_all()
    thread.join()


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sshd")
    root = folder / "files"
    root.mkdir()
    port = free_ports(1)
    for name in ("host", "user", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True)
    (folder / "keys").write_text((folder / "user.pub").read_text())
    (folder / "keys").chmod(0o600)
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/keys\n"
        f"StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp -d {root}\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)

    def at(there: int, key: str = "user") -> Place:
        settings = {
            "host": "127.0.0.1",
            "port": there,
            "username": getpass.getuser(),
            "private_key": f"secret:file:{folder}/{key}",
            "host_key": (folder / "host.pub").read_text().strip(),
        }
        return replace(place_of("sftp", settings), folder=str(root).strip("/"))

    program = require("sshd")
    with running([program, "-D", "-e", "-f", str(folder / "sshd_config")], port, cwd=folder):
        yield Server(root, port, at(port), at(port, "other"), at)


@pytest.fixture(scope="module")
def dav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dav")
    root = folder / "files"
    (root / "calls").mkdir(parents=True)
    port = free_ports(1)
    (folder / "passwords").write_text(f"recorder:{{PLAIN}}{PASSWORD}\n")
    (folder / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        "daemon off; worker_processes 1; pid nginx.pid; error_log error.log; events {}\n"
        "http { access_log off; client_body_temp_path body; proxy_temp_path a; fastcgi_temp_path b;"
        " uwsgi_temp_path c; scgi_temp_path d; server {\n"
        f" listen 127.0.0.1:{port}; root {root}; client_max_body_size 0;\n"
        " location / { dav_methods PUT DELETE MKCOL MOVE; dav_access user:rw;\n"
        f"  auth_basic x; auth_basic_user_file {folder}/passwords; }} }} }}\n"
    )

    def at(there: int, password: str = PASSWORD) -> Place:
        url = f"http://127.0.0.1:{there}/calls"
        return place_of("webdav", {"url": url, "username": "recorder", "password": password})

    program = require("nginx")
    with running([program, "-p", str(folder), "-c", "nginx.conf"], port, cwd=folder):
        yield Server(root, port, at(port), at(port, "wrong"), at)


@pytest.fixture(params=["ftp", "sftp", "dav"])
def server(request: pytest.FixtureRequest) -> Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


def path_in(server: Server, name: str) -> str:
    """``name`` as a path at the place: SFTP's begin at the home of who logs in."""
    return f"{'/' + server.place.folder + '/' if server.place.folder else ''}{name}"


def test_written_read_deleted_and_never_over_another(tmp_path: Path, server: Server) -> None:
    name = path_in(server, "acc/u1/one+two@x.wav")

    async def main() -> None:
        async with ways() as way, opened(server.place, way) as store:
            assert await store.size(name) is None
            assert await store.put(upload(name, tmp_path / "a"))
            assert await store.put(upload(name, tmp_path / "b", b"another")) is False
            assert await store.size(name) == len(BODY)
            assert b"".join([piece async for piece in store.read(name)]) == BODY
            assert [each for each in server.files() if each.endswith(".part")] == []
            await store.delete(name)
            await store.delete(name)
            assert await store.size(name) is None

    asyncio.run(main())
    assert server.files() == []


def test_an_ended_upload_leaves_nothing(tmp_path: Path, server: Server) -> None:
    name = path_in(server, "ended.wav")

    async def main() -> None:
        async with proxy(server.port, pause_s=0.003) as between, ways() as way:
            place = server.at(between.at) if server.place.handler != "ftp" else server.place
            async with opened(place, way) as store:
                body = LONG * 8 if server.place.handler == "ftp" else LONG
                sending = asyncio.create_task(store.put(upload(name, tmp_path / "a", body)))
                while not sending.done() and not server.files() and between.passed < 200_000:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(main())
    assert [each for each in server.files() if each != "ended.wav"] == []
    for path in server.root.rglob("ended.wav"):
        path.unlink()


def test_wrong_credentials_wait_for_repair(tmp_path: Path, server: Server) -> None:
    assert server.wrong is not None
    state = State.make(tmp_path)
    delivery = enqueue(state, server.wrong, path_in(server, "w.wav"))
    asyncio.run(state.deliver_until(lambda: state.row(delivery).state == "WAITING"))
    row = state.row(delivery)
    state.database.close()
    assert (row.fast_failures, row.slow_failures) == (0, 1)
    assert PASSWORD not in row.last_error and "wrong" in row.last_error


def test_cut_in_the_middle_is_tried_again_soon(tmp_path: Path, server: Server) -> None:
    name = path_in(server, "cut.wav")
    state = State.make(tmp_path)

    async def main() -> None:
        limit = 60 if server.place.handler == "ftp" else 300_000
        async with proxy(server.port, limit=limit) as between:
            delivery = enqueue(state, server.at(between.at), name, LONG)
            await state.deliver_until(lambda: state.row(delivery).state == "WAITING")
            assert between.cuts

    asyncio.run(main())
    row = state.row("dlv-1")
    state.database.close()
    assert (row.fast_failures, row.slow_failures) == (1, 0)
    assert not any(each.endswith("cut.wav") for each in server.files())
    for path in server.root.rglob("*.part"):
        path.unlink()


def test_nobody_there_and_an_address_that_is_refused(tmp_path: Path, server: Server) -> None:
    async def main() -> None:
        async with ways() as way, opened(server.at(1), way) as store:
            with pytest.raises(FetchError):
                await store.put(upload("x.wav", tmp_path / "a"))
        async with ways(allow_loopback=False) as way, opened(server.place, way) as store:
            with pytest.raises(BlockedAddress):
                await store.put(upload("x.wav", tmp_path / "a"))

    asyncio.run(main())


def test_an_unknown_host_key_is_refused(tmp_path: Path, sftp: Server, ftp: Server) -> None:
    settings = {**sftp.place.settings, "host_key": _other_key(sftp)}

    async def main() -> None:
        async with ways() as way, opened(place_of("sftp", settings), way) as store:
            with pytest.raises(StoreRefused, match="host key"):
                await store.put(upload("x.wav", tmp_path / "a"))

    asyncio.run(main())


def _other_key(server: Server) -> str:
    return (server.root.parent / "other.pub").read_text().strip()


def test_ftps_both_connections_are_encrypted(tmp_path: Path) -> None:
    DummyAuthorizer, _, TLS_FTPHandler, FTPServer, IOLoop = pyftpdlib()
    root = tmp_path / "files"
    root.mkdir()
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    users = DummyAuthorizer()
    users.add_user("recorder", PASSWORD, str(root), perm="elradfmwMT")
    facts = {"authorizer": users, "certfile": str(tmp_path / "cert.pem")}
    facts |= {"tls_control_required": True, "tls_data_required": True, "ssl_context": None}
    handler = type("Handler", (TLS_FTPHandler,), facts)
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.02, "handle_exit": False})
    thread.start()
    url = f"ftps://127.0.0.1:{server.address[1]}/"
    place = place_of("ftps", {"url": url, "username": "recorder", "password": PASSWORD})
    trust = ssl.create_default_context()

    async def main() -> None:
        async with ways() as way:
            with pytest.raises(FetchError, match="certificate that is not trusted"):
                await FtpStore(place, way, trust).put(upload("x.wav", tmp_path / "a"))
            authority.configure_trust(trust)
            assert await FtpStore(place, way, trust).put(upload("x.wav", tmp_path / "a"))

    try:
        asyncio.run(main())
    finally:
        server.close_all()
        thread.join()
    assert (root / "x.wav").read_bytes() == BODY
