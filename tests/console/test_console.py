"""The console in a real browser, over a real server and a real SIP call: one of each for all of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from callflow.caller import CallPlan
from callflow.server.console.pages import FOLDER, POLICY
from callflow.state.records import finish_recording
from tests.app.harness import tone
from tests.console.browser import CTRL, Page, browser
from tests.console.prepared import half_and_half, keep, to_url
from tests.serve.accounts import RECORD, account
from tests.serve.server import phone
from tests.server.library import FIRST_WALL
from tests.server.stage import Stage, on_stage

MANY = 2_000
CONTRASTS = Path(__file__).with_name("contrast.js").read_text()
HERE = "#/acme"
ROLES = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "slider", "spinbutton", "dialog"}


def test_its_files_are_served_with_a_strict_policy_and_nothing_else_is(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        home = await stage.get("/", token="")
        assert (home.status, home.headers["Location"]) == (302, "/console/")
        page = await stage.get("/console/", token="")
        assert page.status == 200 and page.headers["Content-Security-Policy"] == POLICY
        assert "unsafe" not in POLICY and "default-src 'none'" in POLICY
        for path in FOLDER.iterdir():
            file = await stage.get(f"/console/{path.name}", token="")
            assert (file.status, file.body) == (200, path.read_bytes()), path
            again = await stage.get(
                f"/console/{path.name}", token="", headers={"If-None-Match": file.headers["ETag"]}
            )
            assert again.status == 304
        for name in ("none.js", "__init__.py", "..%2fpages.py", "%2e%2e%2fpages.py"):
            assert (await stage.get(f"/console/{name}", token="")).status == 404, name

    on_stage(tmp_path, main)


def test_a_token_is_told_what_it_opens_and_nothing_of_others(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        everything = (await stage.get("/v2/token_auth")).json["data"]
        assert [each["id"] for each in everything["accounts"]] == ["acme", "other"]
        own = stage.token_for("acme", "calls:read", "events:read")
        told = (await stage.get("/v2/token_auth", token=own)).json["data"]
        assert told["scopes"] == ["calls:read", "events:read"] and told["account_id"] == "acme"
        assert told["accounts"] == [{"id": "acme", "name": "acme", "realm": "acme.example.com"}]
        assert (await stage.get("/v2/token_auth", token="")).status == 401

    on_stage(tmp_path, main)


def test_a_callflow_is_given_as_the_text_of_its_file(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        path = "/v2/accounts/acme/callflows/n100"
        text = await stage.get(path, headers={"Accept": "text/plain"})
        assert text.body == (tmp_path / "accounts/acme/callflows/n100.json").read_bytes()
        assert text.headers["Content-Type"].startswith("text/plain")
        whole = await stage.get(path)
        assert whole.json["data"]["id"] == "n100" and whole.headers["ETag"] == text.headers["ETag"]

    on_stage(tmp_path, main)


@pytest.mark.peer
def test_the_console(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    account(accounts / "acme", {"100": RECORD}, devices=("alice",))

    async def main(stage: Stage) -> None:
        await asyncio.to_thread(fill, stage)
        async with browser(tmp_path / "profile") as page, TestServer(receiver()) as server:
            delivered_to(stage, str(server.make_url("/in/a.wav")))
            await signs_in(stage, page)
            await shows_a_live_call(stage, page)
            await draws_and_plays(page)
            await filters_and_turns_pages(page)
            await sends_again(page)
            await edits(stage, page, accounts / "acme/callflows/n100.json")
            await works_by_keys(page)
            await shows_settings(page)
            await is_readable_light_and_dark(page)
            expected = [each for each in page.said if "status of 4" not in each]
            assert expected == [], "the page says nothing to the console"
            assert not any(stage.token in each or "auth_token" in each for each in page.asked)

    on_stage(tmp_path, main, accounts=accounts)


def fill(stage: Stage) -> None:
    """One recording with a known sound, and many rows without files."""
    facts = {"caller_id_number": "+498912345", "callee_id_number": "100", "callflow_id": "n100"}
    known = keep(stage, "known", half_and_half(), FIRST_WALL + 10 * MANY, facts)

    def write(conn: sqlite3.Connection) -> None:
        for number in range(MANY):
            caller = f"+49{40 if number % 10 else 30}{number:04}"
            row = replace(known, id=f"r{number:04}", started_wall=FIRST_WALL + number, file="")
            finish_recording(conn, replace(row, document={"caller_id_number": caller}), None)

    stage.parts.database.run(write)


def delivered_to(stage: Stage, url: str) -> None:
    """A recording that is sent there."""
    sent = to_url("d1", url, next_wall=stage.parts.clock.wall())
    keep(stage, "sent", half_and_half(0.1), FIRST_WALL - 60, delivery=sent)
    stage.parts.keeping.wake()


def receiver() -> web.Application:
    """Will have nothing to do with the first, and takes the rest."""
    seen: list[int] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        seen.append(1)
        return web.Response(status=410 if len(seen) == 1 else 201)

    app = web.Application()
    app.router.add_put("/in/{name}", take)
    return app


async def names_are_there(page: Page, view: str) -> None:
    """Everything that can be used has a name."""
    nodes = await page.tree()
    unnamed = [each for each in nodes if each["role"] in ROLES and not each["name"].strip()]
    assert unnamed == [], view
    roles = {each["role"] for each in nodes}
    assert {"main", "banner"} <= roles or "dialog" in roles, view


async def signs_in(stage: Stage, page: Page) -> None:
    """By the box, with a wrong token first; then by the printed address."""
    await page.size(1300, 850)
    await page.theme("light")
    await page.go(f"{stage.url}/")
    await page.until("document.activeElement.name === 'token'")
    await names_are_there(page, "sign in")
    await page.type("cf_wrong")
    await page.key("Enter")
    await page.until("document.querySelector('.problem')")
    assert await page.run("sessionStorage.getItem('callflow.token')") is None
    await page.go(f"{stage.url}/console/#token={stage.token}")
    await page.until("document.querySelector('nav a[aria-current]')?.textContent === 'Calls'")
    assert "token" not in await page.run("location.href")
    assert await page.run("sessionStorage.getItem('callflow.token')") == stage.token
    await page.until("document.querySelector('.pulse.on')")


async def shows_a_live_call(stage: Stage, page: Page) -> None:
    """A real call: its row comes by itself, its node is lit, it is masked and hung up by buttons."""
    port = stage.exchange.uris[0].rpartition(":")[2]
    plan = CallPlan(f"sip:100@acme.example.com:{port};maddr=127.0.0.1", audio=(tone(440, 60),), keep_s=0)
    async with phone("alice") as alice:
        talk = asyncio.ensure_future(alice.call(plan))
        await page.click(".list a")
        lit = "[...document.querySelectorAll('.picture .now')].map((e) => e.parentNode.dataset.path).join()"
        await page.until(f"{lit} === '/children/_/children/_'")
        assert await page.run("document.querySelectorAll('.picture .box.walked').length") == 3
        steps = "[...document.querySelectorAll('tbody tr td:nth-child(3) > code')].map((e) => e.textContent)"
        assert await page.run(steps) == ["answer", "record_call", "wait_for_hangup"]
        await names_are_there(page, "calls")
        await page.click("[data-key^='mask ']")
        await page.until("document.querySelector('.tape .chip')?.textContent === 'masked'")
        await page.click("[data-key^='mask ']")
        await page.until("document.querySelector('.tape .chip')?.textContent === 'recording'")
        await page.click("[data-key='start']")
        await page.until("document.querySelectorAll('.tape').length === 2")
        await page.click("[data-key='hangup']")
        await names_are_there(page, "question")
        await page.click("dialog button.danger")
        result = await asyncio.wait_for(talk, 5)
        assert result.answered and result.ended_by != "caller"
    await page.until("document.querySelector('.empty-title')?.textContent === 'No call is up'")


async def draws_and_plays(page: Page) -> None:
    """The drawing is as loud as the sound, channel by channel; the player goes where one clicks."""
    await page.run(f"location.hash = '{HERE}/recordings/known'")
    await page.until("document.querySelectorAll('.still .lane').length === 2")
    heights = await page.run(
        "[...document.querySelectorAll('.still .lane')].map((path) => {"
        "const places = path.getAttribute('d').match(/[\\d.]+,[\\d.]+/g).map((e) => e.split(','));"
        "return [(x) => x < 490, (x) => x > 510].map((fits) => {"
        "const ys = places.filter(([x]) => fits(x)).map(([, y]) => Number(y));"
        "return (Math.max(...ys) - Math.min(...ys)) / 58; }); })"
    )
    wanted = [[16000 / 32768, 0], [0, 8000 / 32768]]
    for lane, (found, level) in enumerate(zip(heights, wanted, strict=True)):
        assert found == pytest.approx(level, abs=0.02), lane
    assert await page.run("document.querySelector('.lane-names').textContent") == "Left: callerRight: callee"
    x, y, width = await page.run(
        "(() => { const r = document.querySelector('.wave').getBoundingClientRect();"
        "return [r.x, r.y, r.width]; })()"
    )
    await page.press_at(x + width * 0.75, y + 30)
    now = "Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow'))"
    assert await page.run(now) == pytest.approx(3.0, abs=0.02)
    await page.click(".play")
    await page.until("document.querySelector('audio').currentTime > 3.05")
    assert await page.run("document.querySelector('audio').duration") == pytest.approx(4.0, abs=0.01)
    await page.click(".play")
    await page.run("document.querySelector('[role=slider]').focus()")
    await page.key("Home")
    await page.until("document.querySelector('audio').currentTime === 0")
    await page.key("ArrowRight", 8)
    await page.until("document.querySelector('audio').currentTime === 1")
    assert "1 s of 4 s" in await page.run("document.activeElement.getAttribute('aria-valuetext')")
    await page.click("[data-key='hold']")
    await page.until("document.activeElement.name === 'answer'")
    await page.type("case 4711")
    await page.key("Enter")
    await page.until("document.querySelector('.right .marks').textContent.includes('held: case 4711')")
    assert await page.run("document.querySelector('[data-key=delete]').disabled")
    await names_are_there(page, "recordings")


async def filters_and_turns_pages(page: Page) -> None:
    """Never more than a page; filters by what is typed; a recording is deleted after a question."""
    count = "document.querySelectorAll('.list a').length"
    first = "document.querySelector('.list .row-title')?.textContent"
    await page.run(f"location.hash = '{HERE}/recordings?number=4930*'")
    await page.until(f"{count} === 50 && {first}.startsWith('+49301990')")
    await page.click("[data-key='page-next']")
    await page.until(f"{first}.startsWith('+49301490') && {count} === 50")
    for left in (990, 490):
        await page.key("n")
        await page.until(f"{first}.startsWith('+493{left:05}') && {count} === 50")
    assert await page.run("document.querySelector('.pager .page').textContent") == "Page 4"
    assert await page.run("document.querySelector('[data-key=page-next]').disabled")
    await page.key("p")
    await page.until(f"{count} === 50")
    await page.run("document.querySelector('input[name=number]').focus()")
    await page.run("document.querySelector('input[name=number]').select()")
    await page.type("+49300040")
    await page.key("Enter")
    await page.until(f"{count} === 1 && {first}.startsWith('+49300040')")
    await page.click(".list a")
    await page.click("[data-key='delete']")
    await page.click("dialog button.danger")
    await page.until("document.querySelector('.list .empty-title')?.textContent.startsWith('There is no')"
                     " || document.querySelectorAll('.list a').length === 50")  # fmt: skip
    await page.run(f"location.hash = '{HERE}/recordings?number=%2B49300040'")
    await page.until("document.querySelector('.list .empty-title')?.textContent === 'No recording fits'")


async def sends_again(page: Page) -> None:
    """A delivery that failed is sent again by its button, and its attempts are shown."""
    await page.run(f"location.hash = '{HERE}/deliveries/d1'")
    await page.until("document.querySelector('.right .chip')?.textContent === 'dead'")
    await names_are_there(page, "deliveries")
    await page.click("[data-key='retry']")
    await page.until("document.querySelector('.right .chip')?.textContent === 'delivered'")
    statuses = "[...document.querySelectorAll('.right tbody td:nth-child(5)')].map((e) => e.textContent)"
    await page.until(f"{statuses}.join() === '410,201'")
    await page.until("document.querySelector('.list .chip')?.textContent === 'delivered'")


async def edits(stage: Stage, page: Page, file: Path) -> None:
    """A mistake is shown where it is; what is right is saved, and not over somebody else's change."""
    await page.run(f"location.hash = '{HERE}/callflows/n100'")
    await page.until("document.querySelector('.drawing .node')")
    await names_are_there(page, "callflows")
    await write(page, content(file).replace('"wav"', '"mp4"'))
    place = await page.until("document.querySelector('.problems .error .place')?.textContent")
    lines = content(file).split("\n")
    (line,) = [number for number, text in enumerate(lines, 1) if '"format"' in text]
    assert place.split(":")[0] == str(line)
    assert await page.run("document.querySelector('.text-marks .error').dataset.line") == str(line)
    await page.click(".problems button")
    caret = "(() => { const t = document.activeElement; return t.value.slice(0, t.selectionStart); })()"
    before = await page.run(caret)
    assert (before.count("\n") + 1, len(before.split("\n")[-1]) + 1) == tuple(map(int, place.split(":")))
    await page.click("[data-key='save']")
    await page.until("document.querySelector('.toast.bad')")
    assert '"wav"' in content(file)
    await write(page, content(file).replace('"wav"', '"mp3"'))
    await page.until("document.querySelector('.problems .none')")
    await page.run("document.querySelector('textarea').focus()")
    await page.key("s", CTRL)
    await page.until("document.getElementById('toasts').textContent.includes('in force')")
    await page.until("document.querySelector('[data-key=save]').disabled")
    assert json.loads(content(file))["flow"]["children"]["_"]["data"]["format"] == "mp3"
    theirs = {**json.loads(content(file)), "name": "Theirs"}
    theirs.pop("id", None)
    assert (await stage.ask("POST", "/v2/accounts/acme/callflows/n100", data=theirs)).status == 200
    await write(page, content(file).replace("Theirs", "Mine"))
    await page.click("[data-key='save']")
    await page.until("document.querySelector('.conflict')")
    assert json.loads(content(file))["name"] == "Theirs"
    await page.click(".conflict button")
    await page.until("document.querySelector('textarea').value.includes('Theirs')")


def content(file: Path) -> str:
    """What it says now."""
    return file.read_text()


async def write(page: Page, text: str) -> None:
    """Type a whole document."""
    await page.run("(() => { const t = document.querySelector('textarea'); t.focus(); t.select(); })()")
    await page.type(text)


async def works_by_keys(page: Page) -> None:
    """Without a mouse: to a view, to a filter, into the list, into the player; the list of keys."""
    await page.run("document.activeElement.blur()")
    await page.key("?")
    await page.until("document.querySelector('dialog .keys')")
    await page.key("Escape")
    await page.until("!document.querySelector('dialog')")
    await page.key("2")
    await page.until("document.querySelectorAll('.recordings .list a').length === 50")
    await page.key("/")
    assert await page.run("document.activeElement.name") == "text"
    for _ in range(30):
        if await page.run("document.activeElement.matches('.list a')"):
            break
        await page.key("Tab")
    assert await page.run("document.activeElement.matches('.list a')"), "Tab leads into the list"
    shown = await page.run("getComputedStyle(document.activeElement).outlineStyle")
    assert shown != "none", "where the focus is can be seen"
    await page.key("j")
    await page.key("k")
    await page.run("document.querySelector('.list a[data-key=known]').focus()")
    await page.key("Enter")
    await page.until("document.querySelectorAll('.still .lane').length === 2")
    for _ in range(120):
        if await page.run("document.activeElement.matches('[role=slider]')"):
            break
        await page.key("Tab")
    await page.key("End")
    assert await page.run("document.activeElement.getAttribute('aria-valuenow')") == "4.00"


async def shows_settings(page: Page) -> None:
    """Each with its value, and where it came from."""
    await page.run("document.activeElement.blur()")
    await page.key("5")
    row = (
        "[...document.querySelectorAll('.settings tr')].find((e) => e.textContent.includes('record_stereo'))"
    )
    await page.until(row)
    cells = await page.run(f"[...({row}).cells].map((e) => e.textContent)")
    assert cells[1] == "true" and cells[2].startswith(("shipped", "default"))
    await names_are_there(page, "settings")


async def is_readable_light_and_dark(page: Page) -> None:
    """Every text that is seen has a contrast of 4.5 to what is behind it (WCAG 2.2, 1.4.3), in both."""
    ways = ("calls?state=over", "recordings/known", "deliveries/d1", "callflows/n100", "settings")
    for theme in ("dark", "light"):
        await page.theme(theme)
        for way in ways:
            await page.run(f"location.hash = '{HERE}/{way}'")
            view = way.split("?")[0].split("/")[0]
            await page.until(f"document.querySelector('.view.{view} :is(.list a, .settings tr)')")
            await page.until("!document.querySelector('.loading')")
            low: list[Any] = await page.run(CONTRASTS)
            assert low == [], f"{theme} {way}"


def test_the_page_asks_nobody_else_and_makes_no_markup_of_data() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"):
            assert word not in text, f"{path.name}: {word}"
        assert text.replace("http://www.w3.org/", "").count("http://") == 0, path.name
