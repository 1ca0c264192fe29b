"""Firefox and WebKitGTK as a test drives them: open a page, choose files, evaluate JavaScript.

Playwright brings patched browsers of its own; these are the ones that people have.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import requests
from websockets.sync.client import ClientConnection, connect

START_S = 60
ANSWER_S = 60

# A camera without a device, and nobody who has to allow it; nothing that calls other sites.
FIREFOX_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "app.update.disabledForTesting": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.server": "",
}
MINI_BROWSER_ARGUMENTS = [
    "--automation",
    "--enable-media-stream=true",
    "--enable-mock-capture-devices=true",
]


class Browser(Protocol):
    """What the tests need of a browser."""

    def open(self, url: str) -> None:
        """Load a page; returns when it is complete."""

    def choose(self, selector: str, path: Path) -> None:
        """Choose a file in the file input that the CSS ``selector`` finds."""

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression that JSON can hold."""

    def errors(self) -> list[str]:
        """What pages complained of, where the browser tells."""


class Firefox:
    """Firefox by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/), which it speaks itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count()
        self._events: list[dict[str, Any]] = []
        self._command("session.new", capabilities={})
        self._command("session.subscribe", events=["log.entryAdded"])
        tree = self._command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_S))
            if message["type"] == "event":
                self._events.append(message)
            elif message["id"] == number:
                assert message["type"] == "success", message
                return message["result"]

    def open(self, url: str) -> None:
        self._command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def choose(self, selector: str, path: Path) -> None:
        locator = {"type": "css", "value": selector}
        found = self._command("browsingContext.locateNodes", context=self._context, locator=locator)
        element = {"sharedId": found["nodes"][0]["sharedId"]}
        self._command("input.setFiles", context=self._context, element=element, files=[str(path)])

    def evaluate(self, expression: str) -> Any:
        answer = self._command(
            "script.evaluate",
            expression=f"JSON.stringify({expression}) ?? 'null'",
            target={"context": self._context},
            awaitPromise=False,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def errors(self) -> list[str]:
        entries = [event["params"] for event in self._events]
        return [entry["text"] for entry in entries if entry["level"] == "error"]


@contextmanager
def firefox(binary: str, profile: Path) -> Iterator[Firefox]:
    """A running Firefox with an empty profile in the folder ``profile``."""
    preferences = [
        f"user_pref({json.dumps(name)}, {json.dumps(value)});"
        for name, value in FIREFOX_PREFERENCES.items()
    ]
    (profile / "user.js").write_text("\n".join(preferences), encoding="utf-8")
    log_path = profile / "firefox.log"
    arguments = ["--headless", "--remote-debugging-port=0", "--profile", str(profile)]
    with log_path.open("w") as log, subprocess.Popen([binary, *arguments], stderr=log) as process:
        try:
            address = _bidi_address(process, log_path)
            with connect(address + "/session", max_size=None) as websocket:
                yield Firefox(websocket)
        finally:
            process.terminate()


def _bidi_address(process: subprocess.Popen, log_path: Path) -> str:
    deadline = time.monotonic() + START_S
    while not (found := re.search(r"BiDi listening on (\S+)", log_path.read_text())):
        assert process.poll() is None and time.monotonic() < deadline, log_path.read_text()
        time.sleep(0.1)
    return found[1]


class WebKit:
    """WebKitGTK by WebDriver (https://www.w3.org/TR/webdriver2/)."""

    def __init__(self, driver_url: str, mini_browser: Path) -> None:
        self._url = driver_url
        options = {"binary": str(mini_browser), "args": MINI_BROWSER_ARGUMENTS}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        session = self._command("/session", capabilities=wanted)
        self._url += f"/session/{session['sessionId']}"

    def _command(self, path: str, **body: Any) -> Any:
        answer = requests.post(self._url + path, json=body, timeout=ANSWER_S)
        assert answer.ok, answer.text
        return answer.json()["value"]

    def open(self, url: str) -> None:
        self._command("/url", url=url)

    def choose(self, selector: str, path: Path) -> None:
        found = self._command("/element", using="css selector", value=selector)
        (reference,) = found.values()
        self._command(f"/element/{reference}/value", text=str(path))

    def evaluate(self, expression: str) -> Any:
        return self._command("/execute/sync", script=f"return {expression}", args=[])

    def errors(self) -> list[str]:
        return []


@contextmanager
def webkit(driver: str, mini_browser: Path) -> Iterator[WebKit]:
    """A running WebKitGTK on a screen of Xvfb's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["xvfb-run", "--auto-servernum", driver, "--host=127.0.0.1", f"--port={port}"]
    # In a group of their own, so that Xvfb and the browser's processes end with the driver.
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for_driver(process, url)
            yield WebKit(url, mini_browser)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _wait_for_driver(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None and time.monotonic() < deadline
        try:
            requests.get(url + "/status", timeout=ANSWER_S)
            return
        except requests.ConnectionError:
            time.sleep(0.1)
