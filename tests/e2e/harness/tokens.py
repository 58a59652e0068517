"""JSON Web Tokens for tests, signed by the openssl command; and who publishes keys."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import time

from harness.certificates import openssl


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Issuer:
    """Signs with an RSA key, which it makes; `keys` is its JSON Web Key Set."""

    def __init__(self, directory, kid="first"):
        self.kid = kid
        self.key = directory / f"{kid}.key"
        openssl("genrsa", "-out", self.key, "2048")
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.jwk = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256"}
        self.jwk |= {"n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}

    @property
    def keys(self):
        return {"keys": [self.jwk]}

    def token(self, user="ann", scopes=(), seconds=300, audience="millrace", header=None, **claims):
        header = {"alg": "RS256", "typ": "JWT", "kid": self.kid} | (header or {})
        body = {"sub": user, "aud": audience, "exp": time.time() + seconds, "iss": "https://issuer.example"}
        body |= {"scope": " ".join(f"millrace.{scope}" for scope in scopes)} | claims
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, body))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.key)],
            input=text.encode(),
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout
        return f"{text}.{base64url(signature)}"


class Server:
    """An HTTP server on the loopback that answers by `answer(method, path, body) -> (status, text)`."""

    def __init__(self, answer, certificate=None):
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
                self.asked.append((handler.command, handler.path, body))
                status, text = answer(handler.command, handler.path, body)
                octets = text.encode()
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(octets)))
                handler.end_headers()
                handler.wfile.write(octets)

            do_POST = do_GET

            def log_message(handler, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "https" if certificate else "http"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def url(self, path="/", host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
