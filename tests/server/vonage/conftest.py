"""One server for all tests of Vonage's API: starting one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.vonage.house import House, house


@pytest.fixture(scope="session")
def vonage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The server, its phones, its application."""
    with house(tmp_path_factory.mktemp("vonage")) as found:
        yield found
