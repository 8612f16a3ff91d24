"""A page in headless Chromium, at the width of a telephone: reads what to do from its standard input, a line each.

    until EXPRESSION    wait until it is true in the page
    print EXPRESSION    print its value, as JSON
    width PIXELS        make the window so wide
    picture FILE        write what is seen

Ends with an error at the first thing that fails. Speaks the DevTools protocol over a pair of pipes.
"""

import base64
import json
import os
import struct
import subprocess
import sys
import time
import zlib

BROWSER = "chromium-headless-shell --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars " \
    "--user-data-dir=/run/lab/browser --remote-debugging-pipe"
WITHIN = 20


class Browser:
    def __init__(self):
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()

        def give():
            # Neither number may be taken before it is copied.
            high = [os.dup2(fd, fd + 100) for fd in (theirs_in, theirs_out)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        log = open("/run/lab/browser.log", "w")
        self.process = subprocess.Popen(BROWSER.split(), preexec_fn=give, close_fds=False, stdout=log, stderr=log)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.inbox, self.number = os.fdopen(ours_out, "wb", 0), ours_in, 0
        self.rest, self.events, self.session = b"", [], None

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                octets = os.read(self.inbox, 1 << 16)
                if not octets:
                    sys.exit("the browser has ended: " + open("/run/lab/browser.log").read())
                self.rest += octets
            line, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value") if "exceptionDetails" not in result else None


def smaller(png):
    """The same picture with sixteen levels of each colour, which a page of text does not show, and a palette."""
    at, data = 8, b""
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, form = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    size = {2: 3, 6: 4}[form]
    assert depth == 8
    data, stride, above = zlib.decompress(data), width * size, bytes(width * size)
    palette, rows = {}, b""
    for number in range(height):
        kind, line = data[number * (stride + 1)], bytearray(data[number * (stride + 1) + 1 :][:stride])
        for i in range(stride):
            left, up = line[i - size] if i >= size else 0, above[i]
            corner = above[i - size] if i >= size else 0
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda value: abs(guess - value))
            line[i] = line[i] + (0, left, up, (left + up) // 2, nearest)[kind] & 255
        colours = [bytes(value >> 4 for value in line[x : x + 3]) for x in range(0, stride, size)]
        rows += b"\0" + bytes(palette.setdefault(colour, len(palette)) for colour in colours)
        above = line
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(level * 17 for level in colour) for colour in palette)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    packed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return png[:8] + b"".join(packed)


def main(address):
    browser = Browser()
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Network", "Page", "Runtime", "Log"):
        browser.ask(domain + ".enable")
    browser.ask("Page.navigate", url=address)
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "until":
            end = time.time() + WITHIN
            while browser.evaluate(rest) is not True:
                if time.time() > end:
                    sys.exit(f"not within {WITHIN} s: {rest}: {browser.evaluate('document.body.innerText')}")
                time.sleep(0.05)
            print("true", flush=True)
        elif verb == "print":
            print(json.dumps(browser.evaluate(rest)), flush=True)
        elif verb == "width":
            size = dict(width=int(rest), height=844, deviceScaleFactor=1, mobile=True)
            browser.ask("Emulation.setDeviceMetricsOverride", **size)
            print("true", flush=True)
        elif verb == "picture":
            height = browser.evaluate("document.body.offsetHeight")
            width = browser.evaluate("innerWidth")
            clip = dict(x=0, y=0, width=width, height=height, scale=1)
            octets = browser.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
            with open(rest, "wb") as file:
                file.write(smaller(base64.b64decode(octets["data"])))
            print("true", flush=True)
    seen = [(event["method"], event.get("params", {})) for event in browser.events]
    requests = {what["request"]["url"] for method, what in seen if method == "Network.requestWillBeSent"}
    wrong = [what for method, what in seen if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
    print(json.dumps({"requests": sorted(requests), "wrong": wrong}))
    browser.process.kill()
    browser.process.wait()


main(sys.argv[1])
