"""The description of the API holds: each operation answers with a status that it names, and what its schema requires."""

import json
import re

import pika
import pytest

from harness.http import Api, segment
from harness.pika_tools import parameters, wait_until

pytestmark = pytest.mark.millrace_only("of Millrace's own API")
OPTIONS = ["--http", "127.0.0.1:0"]

TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def is_of(value, kind):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


class Document:
    def __init__(self, document):
        self.document = document

    def resolve(self, given):
        while "$ref" in given:
            path = given["$ref"].removeprefix("#/").split("/")
            given = self.document
            for part in path:
                given = given[part]
        return given

    def faults(self, value, schema, where="answer"):
        """What the value lacks, as a list of texts; a small part of JSON Schema."""
        schema = self.resolve(schema)
        found = []
        for inner in schema.get("allOf", []):
            found += self.faults(value, inner, where)
        if "oneOf" in schema:
            choices = [self.faults(value, inner, where) for inner in schema["oneOf"]]
            found += [] if [] in choices else min(choices, key=len)
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(is_of(value, kind) for kind in kinds):
            return found + [f"{where} is no {kinds}: {value!r}"]
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where} is none of {schema['enum']}: {value!r}")
        if isinstance(value, dict):
            found += [f"{where} has no {name}" for name in schema.get("required", []) if name not in value]
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    found += self.faults(value[name], inner, f"{where}.{name}")
        if isinstance(value, list) and "items" in schema:
            for place, item in enumerate(value):
                found += self.faults(item, schema["items"], f"{where}[{place}]")
        return found

    def response(self, operation, status):
        responses = operation["responses"]
        found = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        return None if found is None else self.resolve(found)

    def operations(self):
        order = {"get": 0, "put": 1, "post": 2, "delete": 3}
        for path, methods in self.document["paths"].items():
            for method in sorted(methods, key=order.get):
                yield path, method, methods[method]


def set_up(api):
    """All that the examples of the document name."""
    if api("GET", "/users/openapi-user").status == 404:  # hashing its password is nearly all the time that this takes
        api.put("/users/openapi-user", {"password": "secret", "tags": "management"})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    api.put("/permissions/%2F/openapi-user", everything)
    api.put("/topic-permissions/%2F/openapi-user", {"exchange": "openapi-exchange", "write": ".*", "read": ".*"})
    api.put("/queues/%2F/openapi-queue", {"durable": True})
    api.put("/queues/%2F/openapi-other", {"durable": True})
    api.put("/queues/%2F/openapi-quorum", {"arguments": {"x-queue-type": "quorum"}})
    api.put("/exchanges/%2F/openapi-exchange", {"type": "topic"})
    api.post("/bindings/%2F/e/openapi-exchange/q/openapi-queue", {"routing_key": "openapi-key"}, expect=201)
    for base in ("policies", "operator-policies"):
        api.put(f"/{base}/%2F/openapi-policy", {"pattern": "^none$", "definition": {"max-length": 9}})
    api.put("/parameters/openapi-component/%2F/openapi-parameter", {"value": {}})
    api.put("/global-parameters/openapi-parameter", {"value": 1})
    api.put("/vhost-limits/%2F/max-connections", {"value": 1000})
    api.put("/user-limits/openapi-user/max-connections", {"value": 1000})
    api("POST", "/queues/%2F/openapi-queue/messages", b"one", expect=200)


def ask(api, document, path, method, operation, changes):
    query = []

    def place(name):
        return segment(str(changes.get(name) or changes.get((path, name)) or given[name]))

    given = {}
    for one in operation.get("parameters", []):
        one = document.resolve(one)
        if one["in"] == "path":
            given[one["name"]] = one["example"]
        elif "example" in one:
            query.append(f"{one['name']}={segment(str(one['example']))}")
    url = re.sub(r"\{([^}]*)\}", lambda found: place(found[1]), path)
    contents = operation.get("requestBody", {}).get("content", {None: {}})
    for kind, content in contents.items():
        body = content.get("example")
        headers = {} if kind in (None, "*/*") else {"Content-Type": kind}
        if isinstance(body, str):
            body = body.encode()
        yield kind, api(method.upper(), url + ("?" + "&".join(query) if query else ""), body, headers)


# What one node cannot do, whatever is given, and the other node of the example.
REFUSED = {
    ("/feature-flags/{name}/enable", "put"): 400,
    ("/connections/{name}/sessions", "get"): 400,
    ("/queues/quorum/{vhost}/{name}/replicas/add", "post"): 503,
    ("/queues/quorum/replicas/on/{node}/shrink", "delete"): 503,
}


def test_each_operation_answers_as_it_is_described(api, broker):
    document = Document(api.get("/openapi.json"))
    node = api.get("/overview")["node"]
    port = broker.http_port
    faults = []
    succeeded = 0
    for path, method, operation in document.operations():
        if path.endswith("/events"):
            continue  # does not end; see below
        set_up(api)
        changes = {"node": node, "port": port}
        connection = None
        if path.startswith(("/connections/{name}", "/channels/{name}")):
            connection = pika.BlockingConnection(parameters(broker))
            channel = connection.channel()
            channel.basic_consume("openapi-other", lambda *_: None)
            wait_until(lambda: len(api.get("/channels?fresh=true")) == 1)
            kind = "/connections" if path.startswith("/connections") else "/channels"
            changes[(path, "name")] = api.get(kind + "?fresh=true")[0]["name"]
        if path.endswith("/consumers/{consumer}"):
            changes["consumer"] = api.post("/queues/%2F/openapi-queue/consumers", expect=201).json["consumer"]
        if path == "/millrace/traces/{id}":
            changes["id"] = api.post("/millrace/traces", {"routing_key": "#"}, expect=201).json["id"]
        if (path, method) == ("/vhosts/{vhost}", "delete"):
            api.put("/vhosts/openapi-vhost")
            changes["vhost"] = "openapi-vhost"
        if path == "/millrace/reset":
            api.put("/millrace/service", {"on": False})
        for kind, answer in ask(api, document, path, method, operation, changes):
            what = f"{method.upper()} {path} ({kind}): "
            response = document.response(operation, answer.status)
            if response is None:
                faults.append(f"{what}status {answer.status} is not described: {answer}")
                continue
            if answer.status == REFUSED.get((path, method)):
                faults += [what + fault for fault in document.faults(answer.json, {"$ref": "#/components/schemas/Error"})]
                continue
            if answer.status >= 300:
                faults.append(f"{what}{answer}")
                continue
            succeeded += 1
            schema = response.get("content", {}).get("application/json", {}).get("schema")
            if schema is None and answer.status != 204:
                assert not answer.octets or "content" in response, what
            if schema is not None and answer.headers["Content-Type"] == "application/json":
                faults += [what + fault for fault in document.faults(answer.json, schema)]
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except pika.exceptions.AMQPError:
                pass
    assert not faults, "\n".join(faults)
    assert succeeded > 100


def test_errors_are_as_they_are_described(api):
    document = Document(api.get("/openapi.json"))
    schema = {"$ref": "#/components/schemas/Error"}
    for method, path, status in (
        ("GET", "/queues/%2F/none", 404),
        ("GET", "/queues?page=0", 400),
        ("PUT", "/users/x", 400),
        ("POST", "/exchanges/%2F/amq.default/messages?routing_key=none", 422),
    ):
        answer = api(method, path, {} if method == "PUT" else None)
        assert answer.status == status and document.faults(answer.json, schema) == [], path


def test_the_check_can_fail():
    document = Document({"components": {"schemas": {"A": {"type": "object", "required": ["a"]}}}})
    assert document.faults({}, {"$ref": "#/components/schemas/A"}) == ["answer has no a"]
    assert document.faults([{"a": 1}, {}], {"type": "array", "items": {"$ref": "#/components/schemas/A"}})
    assert document.faults("1", {"type": "integer"}) and document.faults(True, {"type": "number"})


def test_every_list_of_a_page_is_described(api):
    document = Document(api.get("/openapi.json"))
    set_up(api)
    page = api.get("/queues?page=1&page_size=1")
    assert document.faults(page, {"$ref": "#/components/schemas/Page"}) == []
    assert json.dumps(document.document)
