"""The console's pictures in docs/images, from a real server that was prepared: ``make screenshots``."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from callflow.caller import CallPlan, CallResult
from callflow.state.erasing import hold
from callflow.state.records import AttemptRow
from tests.app.harness import tone
from tests.console.browser import Page, browser
from tests.console.prepared import keep, talk, to_url, tried
from tests.serve.server import phone
from tests.server.stage import Stage, on_stage

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
PEOPLE = ("+4930201700", "+14155550123", "+442079460011", "+33142685300", "2001", "2002", "+15550142")
FLOWS = ("main", "alice", "bob", "messages")
URL = "https://archive.example.com/calls/call_recording_{}.mp3"
CALLS = (("alice-desk", "2000"), ("bob-desk", "2100"), ("alice-mobile", "2100"))
ROW = "[...document.querySelectorAll('.list a')].find((e) => e.textContent.startsWith('alice-desk → 2000'))"
NOW = (
    "document.querySelector('.picture .now + .module, .picture .now ~ .module')?.textContent === 'voicemail'"
)
LATEST = "20261121-8c21"
WIDE, NARROW = (1240, 780), (400, 780)
KEPT = ("calls-light", "recordings-dark", "callflows-light", "recordings-light-narrow")
"""Those in docs/images; ``--all`` makes every view, to be looked at."""


def main() -> None:
    """Make them. ``-o DIR`` puts them elsewhere, ``--all`` makes more."""
    words = sys.argv[1:]
    out = Path(words[words.index("-o") + 1]) if "-o" in words else IMAGES
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "examples/accounts/demo", folder / "accounts/demo")

        async def use(stage: Stage) -> None:
            async with browser(folder / "profile") as page:
                await show(stage, page, out, KEPT if "--all" not in words else ())

        on_stage(folder, use, accounts=folder / "accounts")


def attempt(wall: float, outcome: str, status: int, error: str) -> AttemptRow:
    """One try, to be numbered."""
    return AttemptRow(
        delivery_id="",
        number=0,
        started_wall=wall,
        seconds=0.31,
        outcome=outcome,
        status=status,
        address="198.51.100.7",
        error=error,
    )


def fill(stage: Stage) -> None:
    """Recordings and deliveries of some days."""
    rng, now = np.random.default_rng(7), stage.parts.clock.wall()
    for number in range(60):
        caller, called = rng.choice(PEOPLE, 2, replace=False)
        seconds = float(np.clip(rng.gamma(2.0, 40), 4, 400)) if number else 74.0
        id = LATEST if number == 0 else f"20261121-{number:04x}"
        facts = {
            "caller_id_number": str(caller),
            "callee_id_number": "2000" if number == 0 else str(called),
            "callflow_id": "main" if number == 0 else str(rng.choice(FLOWS)),
            "owner_id": str(rng.choice(("alice", "bob"))),
            "origin": "main line : 2000",
        }
        state = ("WAITING", "DELIVERED", "DEAD")[(0, 1, 1, 2, 1, 1)[number % 6]]
        row = keep(
            stage, id, talk(seconds if number == 0 else 3.0, number), now - number * 5100 - 90, facts,
            account_id="demo",
            delivery=to_url(f"d{id[-4:]}", URL.format(id), state, attempts=3 if state != "DELIVERED" else 1,
                            next_wall=now + 540, last_status=503 if state != "DELIVERED" else 201,
                            last_error="" if state == "DELIVERED" else "503 Service Unavailable"),
            more={"samples": round(seconds * 8000), "label": "main line" if number == 0 else ""},
        )  # fmt: skip
        began = row.finished_wall
        bad = attempt(began, "fault", 503, "503 Service Unavailable")
        good = attempt(began, "success", 201, "")
        tried(stage, f"d{id[-4:]}", [good] if state == "DELIVERED" else [bad] * 3)
    held = "20261121-0003"
    stage.parts.database.run(lambda conn: hold(conn, held, reason="case 4711", by="ines", wall=now))


async def show(stage: Stage, page: Page, out: Path, kept: tuple[str, ...]) -> None:
    """Every picture, or those that are kept."""
    await asyncio.to_thread(fill, stage)
    async with AsyncExitStack() as phones:
        talking = [
            asyncio.ensure_future(await call(stage, phones, device, number)) for device, number in CALLS
        ]
        await page.size(*WIDE)
        await page.theme("light")
        await page.go(f"{stage.url}/console/#token={stage.token}")
        for theme in ("light", "dark"):
            await page.theme(theme)
            await pictures(page, out, theme, kept)
        for each in talking:
            each.cancel()


async def call(
    stage: Stage, phones: AsyncExitStack, device: str, number: str
) -> Coroutine[None, None, CallResult]:
    """A phone of the account calls, and goes on talking; where there is a menu, it presses 2."""
    found = json.loads((ROOT / f"examples/accounts/demo/devices/{device}.json").read_text())
    caller = await phones.enter_async_context(phone(device, found["sip"]["password"]))
    uri = f"sip:{number}@demo.example.com:{stage.exchange.uris[0].rpartition(':')[2]};maddr=127.0.0.1"
    return caller.call(CallPlan(uri, audio=(tone(300, 60),), loop=True, keep_s=0, digits=(("2", 2.0),)))


async def pictures(page: Page, out: Path, theme: str, kept: tuple[str, ...]) -> None:
    """One theme, wide and narrow."""
    views = {
        "calls": ("calls", NOW),
        "recordings": (f"recordings/{LATEST}", "document.querySelectorAll('.played path').length === 2"),
        "deliveries": ("deliveries/d0003", "document.querySelector('.right table')"),
        "callflows": ("callflows/main", "document.querySelector('.drawing .node')"),
        "settings": ("settings", "document.querySelector('.settings')"),
    }
    for shape, (width, height) in (("", WIDE), ("-narrow", NARROW)):
        await page.size(width, height)
        for name, (way, there) in views.items():
            file = f"{name}-{theme}{shape}"
            if kept and file not in kept:
                continue
            await page.run(f"location.hash = '#/demo/{way}'")
            if name == "calls":
                await page.until("document.querySelector('.list a')")
                await page.until(f"{ROW}?.click() ?? true")
            await page.until(there)
            if name == "recordings":
                await page.run("document.querySelector('[role=slider]').focus()")
                for _ in range(5):
                    await page.key("ArrowRight")
                await page.run("document.activeElement.blur()")
            if name == "callflows":
                await wrong(page)
            await asyncio.sleep(0.4)  # the last answers
            await page.shot(out / f"console-{file}.png")


async def wrong(page: Page) -> None:
    """A mistake in the editor."""
    await page.run(
        "(() => { const t = document.querySelector('textarea');"
        "t.value = t.value.replace('\"mp3\"', '\"mp4\"'); t.dispatchEvent(new Event('input')); })()"
    )
    await page.until("document.querySelector('.problems button')")


if __name__ == "__main__":
    main()
