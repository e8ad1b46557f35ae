"""A page in a real browser, driven over its debugging pipe: what it shows, says, asks for, and whether it fits."""
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
             "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
             "--disable-extensions", "--remote-debugging-pipe"]


class Browser:
    """Chromium with one page. Messages are JSON, each ended by a zero byte, over file descriptors 3 and 4."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="pgcairn-browser-")
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        # The shell gives the two ends the numbers that the browser expects.
        command = f"exec 3<&{read_there} 4>&{write_there}; exec chromium \"$@\""
        with open(os.path.join(self.folder, "errors"), "wb") as errors:
            self.process = subprocess.Popen(
                ["bash", "-c", command, "chromium", *ARGUMENTS, f"--user-data-dir={self.folder}/profile", "about:blank"],
                pass_fds=(read_there, write_there), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                env={"PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
        os.close(read_there)
        os.close(write_there)
        self.input, self.output = read_here, write_here
        self.buffer = b""
        self.numbers = itertools.count(1)
        self.events = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.input)
        os.close(self.output)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def message(self, timeout=180):
        deadline = time.monotonic() + timeout
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.input], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self.input, 1 << 16) if ready else b""
            assert data, "the browser is silent:\n" + open(os.path.join(self.folder, "errors"), errors="replace").read()[-2000:]
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **params):
        number = next(self.numbers)
        request = {"id": number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.output, json.dumps(request).encode() + b"\0")
        while True:
            said = self.message()
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def open(self, path, width=1280, dark=False):
        """Load a file in a window of that width."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=f"file://{path}")
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())

    def evaluate(self, script):
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def requests(self):
        """The URLs that were asked for since open()."""
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def complaints(self):
        """What the browser wrote to its console."""
        self.evaluate("1")  # all that was to be said has been said
        wanted = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.events if event.get("method") in wanted]
