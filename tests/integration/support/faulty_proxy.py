"""An HTTPS server in front of a store that does to requests and answers what networks and busy stores do.

`plan(method, path, count)` says what happens to a request, `count` being how many of that method and path came before:
None: nothing; one of FAULTS, CHANGED or OVERWRITES; or (status, headers, body), which is answered instead of the store. What happened is in
`happened`, every request in `requests`. With `keeps_conditions` it keeps If-None-Match as AWS does also in a bucket with versions, where
radosgw forgets it: only for objects that were made through this proxy. `refuses(method, path, headers, body)` looks at each request that
would be handed on: what it returns is answered instead. `known_by` makes of a request's target what `path` is: without its query, unless that tells
objects apart.
"""
import http.client
import http.server
import re
import select
import socket
import ssl
import threading
import time
from collections import Counter

FAULTS = ("503", "429", "500 html", "cut before", "cut after", "stall", "truncate", "short", "error in 200", "twice", "delay")
CHANGED = "changed"  # a byte of the request's body; not every store calls that by its name
OVERWRITES = "overwrites"  # the store behaves as if it did not know If-None-Match: a refused PUT replaces the object
HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}
SLOWDOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>"
EXISTS = b"<?xml version='1.0'?><Error><Code>PreconditionFailed</Code><Message>At least one precondition did not hold</Message></Error>"


class FaultyProxy:
    def __init__(self, server, certificate, plan=None, delay=0.0, known_by=lambda target: target.split("?")[0], keeps_conditions=False,
                 refuses=lambda method, path, headers, body: None):
        self.server, self.delay, self.known_by, self.keeps_conditions = server, delay, known_by, keeps_conditions
        self.refuses = refuses
        self.plan = plan or (lambda method, path, count: None)
        self.counts, self.happened, self.requests = Counter(), Counter(), []
        self.replaced = {}  # objects that only a store without conditions has so, by path
        self.made = set()  # paths of objects, where conditions are kept here
        self.lock = threading.Lock()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"https://localhost:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def choose(self, method, path):
        """What is to happen to this request."""
        path = self.known_by(path)
        with self.lock:
            count = self.counts[method, path]
            self.counts[method, path] += 1
            fault = self.plan(method, path, count)
            self.happened["answered" if isinstance(fault, tuple) else fault] += 1
            self.requests.append((method, path))
        assert fault is None or fault in (*FAULTS, CHANGED, OVERWRITES) or len(fault) == 3
        return fault

    def forward(self, method, path, headers, body):
        """The store's answer. The host's name stays, since it is signed."""
        connection = http.client.HTTPSConnection("localhost", self.server.port, timeout=60,
                                                 context=ssl.create_default_context(cafile=self.server.ca))
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in HOP:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, [(n, v) for n, v in answer.getheaders() if n.lower() not in HOP | {"content-length"}], content, answer.headers

    def forward_once(self, method, path, headers, body):
        """The same in a store that keeps conditions."""
        if method == "PUT" and headers.get("if-none-match"):
            with self.lock:
                if path in self.made:
                    return 412, [], EXISTS, {}
                self.made.add(path)
        answer = self.forward(method, path, headers, body)
        if method == "POST" and "?delete" in path:
            bucket = path.split("?")[0].rstrip("/")
            with self.lock:
                self.made -= {f"{bucket}/{key}" for key in re.findall("<Key>(.*?)</Key>", body.decode())}
        return answer

    @staticmethod
    def part(content, wanted):
        """What a GET of an object answers, with a range or without."""
        if not wanted:
            return 200, [], content
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        last = min(last, len(content) - 1)
        return 206, [("content-range", f"bytes {first}-{last}/{len(content)}")], content[first:last + 1]

    def handler(proxy):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def cut(self):
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()

            def answer(self, status, headers, content, length=None, send=None):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content) if length is None else length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content if send is None else content[:send])
                    self.wfile.flush()

            def any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                time.sleep(proxy.delay)
                fault = proxy.choose(self.command, self.path)
                if isinstance(fault, tuple):
                    return self.answer(*fault)
                if fault == "503":
                    return self.answer(503, [("retry-after", "1")], SLOWDOWN)
                if fault == "429":
                    return self.answer(429, [], SLOWDOWN)
                if fault == "500 html":
                    return self.answer(500, [("content-type", "text/html")], b"<html>Internal error")
                if fault == "error in 200" and self.command in ("GET", "POST") and "?" in self.path:
                    return self.answer(200, [], SLOWDOWN)
                if fault == "cut before":
                    return self.cut()
                if fault == "stall":
                    select.select([self.connection], [], [], 120)  # until the client has given up
                    return self.cut()
                if fault == "delay":
                    time.sleep(0.5)
                if fault == "twice":
                    proxy.forward(self.command, self.path, self.headers, body)
                if fault == CHANGED:
                    body = body[:-1] + bytes([body[-1] ^ 1])
                refused = proxy.refuses(self.command, self.path, self.headers, body)
                if refused is not None:
                    return self.answer(*refused)
                path = self.path.split("?")[0]
                if self.command == "GET" and path in proxy.replaced:
                    return self.answer(*proxy.part(proxy.replaced[path], self.headers.get("range")))
                forward = proxy.forward_once if proxy.keeps_conditions else proxy.forward
                status, headers, content, received = forward(self.command, self.path, self.headers, body)
                if fault == OVERWRITES and self.command == "PUT" and status == 412:
                    proxy.replaced[path] = body
                    return self.answer(200, [("etag", '"x"')], b"")
                length = int(received.get("content-length", len(content)))
                if fault == "cut after":
                    return self.cut()
                if fault == "truncate" and self.command == "GET" and status in (200, 206):
                    self.answer(status, headers, content, send=len(content) // 2)
                    return self.cut()
                if fault == "short" and self.command == "GET" and status == 206:
                    return self.answer(status, headers, content[:-1] if content else content)
                return self.answer(status, headers, content, length=length if self.command == "HEAD" else None)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = any
        return Handler

    def count(self, method, containing=""):
        return sum(1 for one, path in self.requests if one == method and containing in path)
