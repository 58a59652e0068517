"""Writes RabbitMQ's definitions JSON, which both brokers import when they start."""

import base64
import hashlib
import json

SALT = b"\x01\x02\x03\x04"


def password_hash(password):
    digest = hashlib.sha256(SALT + password.encode()).digest()
    return base64.b64encode(SALT + digest).decode()


def user(name, password=None, tags=()):
    return {
        "name": name,
        "password_hash": password_hash(password or name),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags),
    }


def permission(user_name, configure=".*", write=".*", read=".*", vhost="/"):
    return {"user": user_name, "vhost": vhost, "configure": configure, "write": write, "read": read}


def topic_permission(user_name, exchange, write=".*", read=".*", vhost="/"):
    return {"user": user_name, "vhost": vhost, "exchange": exchange, "write": write, "read": read}


def policy(name, pattern, definition, apply_to="queues", priority=0, vhost="/"):
    return {
        "vhost": vhost,
        "name": name,
        "pattern": pattern,
        "apply-to": apply_to,
        "definition": definition,
        "priority": priority,
    }


def write(path, given):
    """Completes `given` with what every broker of the tests has: guest, "/", and all of the keys."""
    document = {
        key: []
        for key in (
            "users",
            "vhosts",
            "permissions",
            "topic_permissions",
            "policies",
            "queues",
            "exchanges",
            "bindings",
        )
    }
    document["users"] = [user("guest", "guest", ["administrator"])] + given.get("users", [])
    document["vhosts"] = [{"name": "/"}] + given.get("vhosts", [])
    document["permissions"] = [permission("guest")] + given.get("permissions", [])
    document.update({key: value for key, value in given.items() if key not in ("users", "vhosts", "permissions")})
    path.write_text(json.dumps(document, indent=1))
    return path
