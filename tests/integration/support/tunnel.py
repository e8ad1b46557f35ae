"""A proxy for HTTPS: it knows CONNECT and nothing else."""
import http.server
import select
import socket
import threading


class Tunnel:
    """`asked` is where to."""

    def __enter__(self):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_CONNECT(self):
                asked.append(self.path)
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port)), timeout=30) as store:
                    self.send_response(200)
                    self.end_headers()
                    ends = {self.connection: store, store: self.connection}
                    while True:
                        for ready in select.select(list(ends), [], [], 60)[0]:
                            data = ready.recv(1 << 16)
                            if not data:
                                return
                            ends[ready].sendall(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
