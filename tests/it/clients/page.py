"""Uses the page of a server in Chromium as a person would who has a keyboard alone, and has axe-core look at it.

    python page.py ADDRESS CHROMIUM LOCKED_ADDRESS TOKEN

The second server wants the token. Chromium is spoken to over two pipes, in the DevTools protocol.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

base, program, locked, token = f"http://{sys.argv[1]}", sys.argv[2], f"http://{sys.argv[3]}", sys.argv[4]
axe = (Path(importlib.util.find_spec("axe_core_python").origin).parent / "axe.min.js").read_text()


class Browser:
    def __init__(self, home: str):
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command = [program, *options, "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={home}"]
        # What is sent comes in at descriptor 3, and what it says goes out at 4.
        shell = ["sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh", *command]
        self.process = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count, self.rest, self.events, self.session = 0, b"", [], None

    def call(self, method: str, **params: object) -> dict:
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while True:
            said = self.next()
            if said.get("id") != self.count:
                self.events.append(said)
                continue
            assert "error" not in said, (method, said["error"])
            return said["result"]

    def next(self) -> dict:
        while b"\0" not in self.rest:
            piece = self.process.stdout.read1(1 << 16)
            assert piece, "the browser is gone"
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, url: str) -> None:
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)

    def run(self, expression: str) -> object:
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        poll = """new Promise((done, give_up) => {
            const look = () => { try { if (%s) return done() } catch {} setTimeout(look, 20) };
            look();
            setTimeout(() => give_up(new Error(document.body.innerText)), 60_000);
        })"""
        self.run(poll % condition)

    def press(self, key: str, code: int, text: str = "", modifiers: int = 0) -> None:
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def tab_to(self, element: str) -> None:
        for _ in range(30):
            if self.run(f"document.activeElement === {element}"):
                return
            self.press("Tab", 9)
        raise AssertionError(f"no way to {element} by the keyboard")

    def write(self, text: str) -> None:
        self.run("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def enter(self) -> None:
        self.press("Enter", 13, text="\r")

    def look(self, where: str) -> None:
        """By the rules of WCAG 2.1 A and AA, and what is good practice besides."""
        self.run(axe + "; true")
        found = self.run("axe.run().then(found => found.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
        assert found == [], (where, found)


def field(name: str) -> str:
    return f"[...document.querySelectorAll('#fields label')].find(label => label.textContent === '{name}').control"


def status() -> str:
    return "document.getElementById('status').textContent"


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
    browser = Browser(home)
    try:
        browser.open(base)
        browser.wait("document.querySelectorAll('#fields input').length === 3")
        filled = browser.run("[...document.querySelectorAll('#fields input')].map(f => [f.labels[0].textContent, f.value])")
        assert filled == [["height", "1"], ["width", "2"], ["depth", "3"]], filled
        assert browser.run("document.title").startswith("Try m"), browser.run("document.title")
        browser.look("light")

        browser.tab_to(field("height"))
        browser.write("10")
        browser.enter()
        browser.wait(f"{status()}.startsWith('answered in')")
        answer = browser.run("document.getElementById('outputs').innerText.trim().split(/\\s+/)")
        assert answer == ["y", "11.5"], answer
        browser.look("with an answer")

        browser.write("tall")
        assert browser.run("document.activeElement.getAttribute('aria-invalid')") == "true"
        browser.enter()
        browser.wait(f"{status()}.startsWith('400: ')")
        assert "can't hold" in browser.run(status()), browser.run(status())
        browser.tab_to("document.getElementById('reset')")
        browser.enter()
        assert browser.run(f"{field('height')}.value") == "1"
        browser.tab_to(field("depth"))
        browser.enter()
        browser.wait("document.getElementById('outputs').innerText.includes('2.5')")

        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        browser.look("dark")
        browser.call("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True)
        assert browser.run("document.documentElement.scrollWidth") <= 320
        browser.look("narrow")

        browser.open(locked)
        browser.wait("document.activeElement === document.getElementById('token')")
        browser.look("locked")
        browser.call("Input.insertText", text="a wrong token")
        browser.enter()
        browser.wait("document.getElementById('refused').textContent !== ''")
        browser.write(token)
        browser.enter()
        browser.wait("!document.getElementById('open').hidden && document.querySelectorAll('#fields input').length === 3")
        browser.tab_to("document.getElementById('send')")
        browser.enter()
        browser.wait(f"{status()}.startsWith('answered in')")

        asked = [event["params"]["request"]["url"] for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
        elsewhere = [url for url in asked if not url.startswith((base, locked, "data:"))]
        assert asked and not elsewhere, elsewhere
        wrong = [event["params"] for event in browser.events if event.get("method") == "Runtime.exceptionThrown"]
        assert not wrong, wrong
        print(f"{len(asked)} requests, none of them elsewhere")
    finally:
        browser.process.kill()
        browser.process.wait()
