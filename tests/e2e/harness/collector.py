"""A collector of OpenTelemetry's spans on the loopback: OTLP over HTTP, in JSON."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector:
    def __init__(self, certificate=None):
        self.spans = []
        self.resources = []
        self.requests = []  # (path, content type)
        self.status = 200
        self.gate = threading.Event()  # cleared: it does not answer
        self.gate.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                collector.gate.wait(30)
                collector.take(self.path, self.headers["Content-Type"], json.loads(text))
                self.send_response(collector.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            # The handshake is its thread's, so that a client who does not like it stops nobody.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, content_type, request):
        self.requests.append((path, content_type))
        if self.status != 200:
            return
        for one in request["resourceSpans"]:
            self.resources.append(attributes(one["resource"]))
            for scope in one["scopeSpans"]:
                self.spans += scope["spans"]

    def named(self, name):
        return [span for span in self.spans if span["name"] == name]

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def attributes(item):
    def plain(value):
        (kind, given), = value.items()
        return [plain(one) for one in given["values"]] if kind == "arrayValue" else int(given) if kind == "intValue" else given

    return {one["key"]: plain(one["value"]) for one in item["attributes"]}


def milliseconds(span):
    return (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
