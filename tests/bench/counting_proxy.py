#!/usr/bin/python3
"""A store as it looks from far away: every request takes so much longer, and is counted.

    counting_proxy.py CERTIFICATE CA STORE_PORT

Ends TLS on both sides and passes on whatever HTTP/1.1 goes through it, unchanged. Prints the port that it listens on. Three addresses
are its own: /-/delay/MS, /-/reset and /-/counts, which answers [[method, path, bytes sent, bytes received], ...] as JSON.
"""
import asyncio
import json
import ssl
import sys

PIECE = 256 << 10


class Proxy:
    def __init__(self, certificate, ca, store_port):
        self.store_port, self.delay_s, self.requests = store_port, 0.0, []
        self.server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_side.load_cert_chain(certificate)
        self.client_side = ssl.create_default_context(cafile=ca)

    async def serve(self):
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, ssl=self.server_side, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def connected(self, reader, writer):
        store = None
        try:
            while head := await read_head(reader):
                method, path = head.split(b" ", 2)[:2]
                if path.startswith(b"/-/"):
                    await self.control(path.decode(), writer)
                    continue
                if store is None:
                    store = await asyncio.open_connection("localhost", self.store_port, ssl=self.client_side, limit=1 << 20)
                await asyncio.sleep(self.delay_s)
                count = [method.decode(), path.decode(), 0, 0]
                self.requests.append(count)
                store[1].write(head)
                count[2] = await pass_body(head, reader, store[1])
                answer = await read_head(store[0])
                writer.write(answer)
                status = int(answer.split(b" ", 2)[1])
                if method != b"HEAD" and status not in (204, 304):
                    count[3] = await pass_body(answer, store[0], writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            for end in (writer, store[1] if store else None):
                if end is not None:
                    end.close()

    async def control(self, path, writer):
        body = b""
        if path.startswith("/-/delay/"):
            self.delay_s = int(path.rsplit("/", 1)[1]) / 1000
        elif path == "/-/reset":
            self.requests = []
        else:
            body = json.dumps(self.requests).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()


async def read_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return b""


def header(head, name):
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


async def pass_body(head, reader, writer):
    """Its bytes."""
    if header(head, b"transfer-encoding") == b"chunked":
        total = 0
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line, 16)
            writer.write(line + await reader.readexactly(size + 2))
            total += size
            if size == 0:
                return total
    left = total = int(header(head, b"content-length") or 0)
    while left > 0:
        piece = await reader.read(min(left, PIECE))
        if not piece:
            raise ConnectionError("cut")
        writer.write(piece)
        await writer.drain()
        left -= len(piece)
    return total


if __name__ == "__main__":
    asyncio.run(Proxy(sys.argv[1], sys.argv[2], int(sys.argv[3])).serve())
