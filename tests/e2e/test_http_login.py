"""POST /api/login: a form that is answered with what to send from then on; no cookie, no session."""

import base64
import http.client
import json
from urllib.parse import urlencode

import pytest

from harness.http import Api, segment

pytestmark = pytest.mark.millrace_only("RabbitMQ needs a plug-in for it")
OPTIONS = ["--http", "127.0.0.1:0"]
FORM = "application/x-www-form-urlencoded"


def ask(broker, method, path, body=None, **headers):
    """Without credentials, as a stranger's browser asks."""
    connection = http.client.HTTPConnection(broker.host, broker.http_port, timeout=20)
    connection.request(method, "/api" + path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    octets = response.read()
    connection.close()
    return response.status, dict(response.headers), octets


def log_in(broker, user, password, **headers):
    return ask(broker, "POST", "/login", urlencode({"username": user, "password": password}), Content_Type=FORM, **headers)


@pytest.fixture
def user(api, name):
    made = name("u")
    api.put("/users/" + segment(made), {"password": "a b&c=ü", "tags": "management"})
    return made


def test_a_login_is_answered_with_the_token_of_further_requests(broker, user):
    status, headers, octets = log_in(broker, user, "a b&c=ü")
    assert status == 200 and "Set-Cookie" not in headers and headers["Cache-Control"] == "no-cache, no-store"
    answer = json.loads(octets)
    assert answer["user"] == {"name": user, "tags": ["management"], "is_internal_user": True}
    assert answer["token"] == {"type": "basic", "value": base64.b64encode(f"{user}:a b&c=ü".encode()).decode()}
    status, _, octets = ask(broker, "GET", "/whoami", Authorization="Basic " + answer["token"]["value"])
    assert status == 200 and json.loads(octets)["name"] == user


def test_who_is_not_known_or_has_no_tag_is_not_let_in(api, broker, user):
    tagless = user + "-tagless"
    api.put("/users/" + segment(tagless), {"password": "pw", "tags": ""})
    for name, password, why in (
        (user, "wrong", "Login failed"),
        ("nobody", "a b&c=ü", "Login failed"),
        (user, "", "Login failed"),
        ("", "", "Login failed"),
        (tagless, "pw", "Not management user"),
    ):
        status, headers, octets = log_in(broker, name, password)
        assert (status, json.loads(octets)["reason"]) == (401, why), (name, password)
        assert "Set-Cookie" not in headers


def test_a_login_that_is_no_form_is_refused(broker, user):
    body = json.dumps({"username": user, "password": "a b&c=ü"})
    assert ask(broker, "POST", "/login", body, Content_Type="application/json")[0] == 415
    assert ask(broker, "POST", "/login", "username=%", Content_Type=FORM)[0] == 400
    assert ask(broker, "GET", "/login")[0] == 405
    assert ask(broker, "POST", "/login", b"x" * 16385, Content_Type=FORM)[0] == 413


def test_no_cookie_and_no_other_site_is_let_in(broker, user):
    token = base64.b64encode(f"{user}:a b&c=ü".encode()).decode()
    for cookie in (f"auth={token}", f"m=2258:{token}"):
        for method, path in (("GET", "/whoami"), ("DELETE", "/vhosts/%2F")):
            assert ask(broker, method, path, Cookie=cookie)[0] == 401
    assert log_in(broker, user, "a b&c=ü", Origin="https://elsewhere.example")[0] == 403


def test_logins_are_in_the_audit_log_and_among_the_attempts(own_broker, tmp_path):
    path = tmp_path / "audit.log"
    broker = own_broker(options=OPTIONS + ["--audit-log", str(path)])
    api = Api(broker)
    api.put("/users/ann", {"password": "pw", "tags": "management"})
    api.put("/users/tagless", {"password": "pw", "tags": ""})
    assert [log_in(broker, *given)[0] for given in (("ann", "pw"), ("ann", "no"), ("tagless", "pw"))] == [200, 401, 401]
    events = [json.loads(line) for line in path.read_text().splitlines()]
    told = [(each["event"], each["user"]) for each in events if each.get("user") in ("ann", "tagless") and "protocol" in each]
    assert told == [("login_accepted", "ann"), ("login_refused", "ann"), ("login_accepted", "tagless"), ("access_refused", "tagless")]
    node = api.get("/overview")["node"]
    (attempts,) = [each for each in api.get(f"/auth/attempts/{node}?fresh=true") if each["protocol"] == "http"]
    assert attempts["auth_attempts_failed"] == 1
