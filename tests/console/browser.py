"""A headless Chromium, driven by the DevTools protocol over its websocket: as little of it as tests need."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.peers import require

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--force-device-scale-factor=1",
    "--remote-debugging-port=0",
)
WITHIN_S = 10.0
LARGEST = 64 * 1024 * 1024
_KEYS = {
    "Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "ArrowRight": (39, ""), "ArrowLeft": (37, ""),
    "Home": (36, ""), "End": (35, ""), "F8": (119, ""), "Escape": (27, ""),
}  # fmt: skip
CTRL, SHIFT = 2, 8


class Page:
    """One tab. ``said``: errors of its console, faults of its scripts, what it could not load."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol; its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await asyncio.wait_for(answer, WITHIN_S)

    async def run(self, script: str) -> Any:
        """The value of an expression (a promise's, too) in the page."""
        told = await self.do(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in told, f"{script}\n{told['exceptionDetails']}"
        return told["result"].get("value")

    async def until(self, script: str, within_s: float = WITHIN_S) -> Any:
        """Wait until an expression is true; its value (True for an element)."""
        script = f"Promise.resolve({script}).then((v) => (v instanceof Node ? true : v))"
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while loop.time() < end:
            found = await self.run(script)
            if found:
                return found
            await asyncio.sleep(0.02)
        shown = await self.run("document.body.innerText.slice(0, 3000)")
        raise AssertionError(f"never true: {script}\n{self.said}\n{shown}")

    async def click(self, selector: str) -> None:
        """Click an element with the mouse, once it is there and nothing covers it."""
        quoted = json.dumps(selector)
        place = await self.until(
            f"(() => {{ const e = document.querySelector({quoted}); if (!e || e.disabled) return null;"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "const [x, y] = [r.x + r.width / 2, r.y + r.height / 2];"
            "return r.width && e.contains(document.elementFromPoint(x, y)) ? [x, y] : null; })()"
        )
        await self.press_at(*place)

    async def press_at(self, x: float, y: float) -> None:
        """Press and release the mouse there."""
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            await self.do(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1
            )

    async def key(self, name: str, modifiers: int = 0) -> None:
        """Press a key: a name of ``_KEYS``, or one character."""
        code, text = _KEYS.get(name, (ord(name.upper()[0]), name))
        key = " " if name == "Space" else name
        named = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        more = {"text": text} if text and not modifiers & CTRL else {}
        await self.do("Input.dispatchKeyEvent", type="keyDown" if more else "rawKeyDown", **named, **more)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **named)

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.do("Input.insertText", text=text)

    async def size(self, width: int, height: int) -> None:
        """The window's inner size."""
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def theme(self, name: str) -> None:
        """``light`` or ``dark``, as the system would say."""
        await self.do(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}]
        )

    async def go(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        await self.do("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def shot(self, path: Path) -> None:
        """What is seen now, as a PNG file."""
        told = await self.do("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(told["data"]))

    async def tree(self) -> list[dict[str, Any]]:
        """What assistive technology sees: role, name, and whether it takes the focus, of each node."""
        told = await self.do("Accessibility.getFullAXTree")
        return [
            {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
            for node in told["nodes"]
            if not node.get("ignored")
        ]

    async def start(self) -> None:
        """Hear what the page says."""
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            await self.do(f"{domain}.enable")

    async def close(self) -> None:
        """Hear no more."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                answer = self._answers.pop(told["id"])
                if "error" in told and not answer.done():
                    answer.set_exception(RuntimeError(str(told["error"])))
                elif not answer.done():
                    answer.set_result(told["result"])
            else:
                self._hear(told["method"], told["params"])

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.said.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.said.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])


@asynccontextmanager
async def browser(folder: Path, more: Sequence[str] = ()) -> AsyncIterator[Page]:
    """A browser with one tab; its profile is in ``folder``."""
    process = await asyncio.create_subprocess_exec(
        require("chromium"), *FLAGS, *more, f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http:
            port = await _port(folder / "DevToolsActivePort", process)
            async with http.get(f"http://127.0.0.1:{port}/json") as answer:
                tabs = await answer.json()
            url = next(each["webSocketDebuggerUrl"] for each in tabs if each["type"] == "page")
            async with http.ws_connect(url, max_msg_size=LARGEST) as socket:
                page = Page(socket)
                await page.start()
                try:
                    yield page
                finally:
                    await page.close()
    finally:
        process.kill()
        await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    for _ in range(1000):
        text = _content(file)
        if "\n" in text:
            return int(text.splitlines()[0])
        assert process.returncode is None, "the browser has ended"
        await asyncio.sleep(0.02)
    raise AssertionError("the browser does not listen")


def _content(file: Path) -> str:
    return file.read_text() if file.exists() else ""
