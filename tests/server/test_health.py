"""What tells whether the server is well."""

from __future__ import annotations

from pathlib import Path

from tests.server.stage import Stage, on_stage


def test_it_is_alive_without_a_token(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        assert (await stage.get("/healthz", token="")).status == 200
        missing = await stage.get("/v2/nothing")
        assert (missing.status, missing.json["message"]) == (404, "not_found")

    on_stage(tmp_path, main)
