"""The management HTTP API: vhosts and users that must not be deleted."""

import pytest

from harness.http import Api, segment

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]


def is_protected(api, vhost):
    """What all that shows it says, which is the same everywhere."""
    one = api.get("/vhosts/" + segment(vhost))
    (listed,) = [each for each in api.get("/vhosts") if each["name"] == vhost]
    (said,) = {each for item in (one, listed) for each in (item["protected_from_deletion"], item["metadata"]["protected_from_deletion"])}
    return said


def test_a_protected_vhost_is_deleted_once_it_is_unprotected(api, name):
    vhost = name("v")
    path = "/vhosts/" + segment(vhost)
    api.put(path)
    assert not is_protected(api, vhost)
    for _ in range(2):
        api.post(path + "/deletion/protection", expect=204)
        assert is_protected(api, vhost)
    refused = api("DELETE", path)
    assert (refused.status, refused.json["error"]) == (412, "precondition_failed")
    assert refused.json["reason"] == f"Refusing to delete virtual host '{vhost}' because it is protected from deletion"
    api.put(path, {"description": "anew"})
    assert is_protected(api, vhost) and api.get(path)["description"] == "anew"
    for _ in range(2):
        api.delete(path + "/deletion/protection")
        assert not is_protected(api, vhost)
    api.delete(path)
    for method in ("POST", "DELETE"):
        assert api(method, path + "/deletion/protection").status == 404
    api.put(path)
    assert not is_protected(api, vhost)
    api.delete(path)


def test_only_an_administrator_protects(api, broker, name):
    vhost, user = name("v"), name("u")
    api.put("/vhosts/" + segment(vhost))
    api.put("/users/" + segment(user), {"password": "pw", "tags": "policymaker,monitoring"})
    for method in ("POST", "DELETE"):
        assert Api(broker, user, "pw")(method, f"/vhosts/{segment(vhost)}/deletion/protection").status == 401
    assert not is_protected(api, vhost)


def test_protection_survives_a_kill_and_moves_with_definitions(own_broker):
    broker, other = own_broker(options=OPTIONS), Api(own_broker(options=OPTIONS))
    api = Api(broker)
    for vhost in ("kept", "free"):
        api.put("/vhosts/" + vhost)
    api.post("/vhosts/kept/deletion/protection", expect=204)
    broker.kill()
    broker.start()
    assert is_protected(api, "kept") and not is_protected(api, "free")
    exported = api.get("/definitions")
    metadata = {each["name"]: each["metadata"] for each in exported["vhosts"]}
    assert metadata["kept"]["protected_from_deletion"] is True and "protected_from_deletion" not in metadata["free"]

    other.put("/vhosts/free")
    other.post("/vhosts/free/deletion/protection", expect=204)
    other.post("/definitions", exported, expect=204)
    assert is_protected(other, "kept")
    assert is_protected(other, "free"), "a file that does not say leaves it as it is"
    other.post("/definitions", {"vhosts": [{"name": "free", "metadata": {"protected_from_deletion": False}}]}, expect=204)
    assert not is_protected(other, "free")


def test_a_protected_user_is_neither_changed_nor_deleted(api, broker, name):
    user, other = name("u"), name("u")
    for each in (user, other):
        api.put("/users/" + segment(each), {"password": "pw", "tags": "management"}, expect=201)
    path = "/users/" + segment(user)
    api.put(path, {"password": "pw", "tags": "management,protected"}, expect=204)
    before = api.get(path)
    for method, body in (("PUT", {"password": "other", "tags": ""}), ("PUT", {}), ("DELETE", None)):
        refused = api(method, path, body)
        assert refused.status == 400 and refused.json["error"] == "bad_request"
        assert refused.json["reason"] == "Protected users cannot be modified via the HTTP API"
    api.post("/users/bulk-delete", {"users": [user, other]}, expect=204)
    assert api.get(path) == before and Api(broker, user, "pw").get("/whoami")["name"] == user
    assert api("GET", "/users/" + segment(other)).status == 404
    api.post("/definitions", {"users": [{"name": user, "password": "new", "tags": ["management"]}]}, expect=204)
    assert Api(broker, user, "new").get("/whoami")["tags"] == ["management"]
    api.delete(path)
