"""A client's side of SCRAM (RFC 5802, RFC 7677), by the standard library."""

import base64
import hashlib
import hmac
import os


def exclusive_or(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Scram:
    def __init__(self, mechanism, user, password):
        self.hash = mechanism.removeprefix("SCRAM-").replace("SHA-", "sha")
        self.password = password.encode()
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = f"n={name},r={self.nonce}"
        self.header = "n,,"

    def first(self):
        return self.header + self.bare

    def mac(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def final(self, challenge, nonce=None):
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        assert parts["r"].startswith(self.nonce) and len(parts["r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(parts["s"]), int(parts["i"]))
        key = self.mac(salted, b"Client Key")
        binding = base64.b64encode(self.header.encode()).decode()
        without_proof = f"c={binding},r={nonce or parts['r']}"
        spoken = f"{self.bare},{challenge},{without_proof}".encode()
        proof = exclusive_or(key, self.mac(hashlib.new(self.hash, key).digest(), spoken))
        signature = self.mac(self.mac(salted, b"Server Key"), spoken)
        self.expected = "v=" + base64.b64encode(signature).decode()
        return f"{without_proof},p={base64.b64encode(proof).decode()}"
