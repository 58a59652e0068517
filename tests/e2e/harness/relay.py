"""A connection between a client and a broker that a test cuts, and mends again."""

import contextlib
import socket
import threading


class Relay:
    """Passes bytes on between who connects to `port` and a port of the loopback. While it is cut, nobody can connect."""

    def __init__(self, to_port):
        self._to_port = to_port
        self._sockets = []
        self._listener = None
        self.port = 0
        self.mend()

    def mend(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        """On return every connection is closed, both ways."""
        ended = [self._listener, *self._sockets]
        self._sockets = []
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [client, broker]
                for source, sink in ((client, broker), (broker, client)):
                    threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()


def pass_on(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
