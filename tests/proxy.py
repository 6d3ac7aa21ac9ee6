"""A port between a test and the broker: closed at first, then open, and deaf to the broker when it is told to."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Proxy:
    """`open` lets what connects to `url` through to the broker; once `is_deaf`, nothing of what the broker says."""

    def __init__(self, url):
        self.to = (urlsplit(url).hostname, urlsplit(url).port)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.url = url.replace(f":{self.to[1]}", f":{self.port}")
        self.is_deaf = False
        self.sockets = []

    def open(self):
        self.server = socket.create_server(("127.0.0.1", self.port))
        self.sockets.append(self.server)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, far = self.server.accept()[0], socket.create_connection(self.to)
                self.sockets += [near, far]
                threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source, target, is_brokers):
        with suppress(OSError):
            while data := source.recv(65536):
                if not (is_brokers and self.is_deaf):
                    target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
