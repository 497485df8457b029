"""A media process is preferred as a whole: a thread of its own that is held up would hold up the ticks."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from callflow import worker
from callflow.recording.worker_protocol import Frame, FramedSocket, WorkerSetup


class _Enough(Exception):
    """All that is asked about has happened."""


def test_no_thread_is_started_before_the_process_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Linux threads are as preferred as the one that starts them is by then."""
    done: list[str] = []
    monkeypatch.setattr(os, "setpriority", lambda *asked: done.append("preferred"))
    monkeypatch.setattr(threading.Thread, "start", lambda thread: done.append(thread.name))

    def enough() -> None:
        raise _Enough

    monkeypatch.setattr(worker, "_be_quick", enough)
    mine, theirs = socket.socketpair()
    setup = WorkerSetup(0, 0.0, str(tmp_path), "127.0.0.1", "", None, 1.0)
    with mine, theirs, pytest.raises(_Enough):
        worker._run(FramedSocket(mine), [Frame((setup,), [])])
    assert done[0] == "preferred"
    assert "callflow-spool" in done
