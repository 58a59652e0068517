"""The web page in a real browser: Debian's Chromium, without a window, driven by playwright-core.

playwright-core rather than chromedriver: it sees every request, console message and policy violation of the page, which
is what most of these tests are about, and comes by the npm that tests/e2e/node has anyway. The scenarios are in
node/page/scenarios.mjs; what is done there by hand of a person, is checked there through the API as well.
"""

import http.client
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pika
import pytest

from harness.cli import Cli, CommandWorker
from harness.http import Api
from harness.pika_tools import Inbox, depth, parameters, publish, wait_until

pytestmark = [pytest.mark.millrace_only("the page is Millrace's"), pytest.mark.timeout(120)]
OPTIONS = ["--http", "127.0.0.1:0"]

NODE = Path(__file__).parent / "node"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
IMAGE = "<img src=x onerror=window.hacked=1>"

WITH_MORE = [
    "takes_hostile_names_for_names",
    "closes_a_connection_and_tells_it_why",
    "says_what_holds_a_queue_back",
    "says_that_publishers_are_ahead_of_their_rate",
    "tells_everywhere_that_publishers_are_held_back",
    "shows_tasks",
]
SCENARIOS = [
    scenario
    for scenario in re.findall(r"^export async function (\w+)", (NODE / "page/scenarios.mjs").read_text(), re.MULTILINE)
    if scenario not in WITH_MORE
]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on PATH (apt-get install chromium); the page is not tested")
    if not (NODE / "node_modules/playwright-core").exists():
        pytest.fail(f"run `npm ci` in {NODE} first (scripts/setup test does)")
    command = ["node", str(NODE / "page/serve.mjs"), CHROMIUM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip()
            assert address.startswith("ws://"), f"Chromium does not start: {address!r}"
            yield address
        finally:
            server.stdin.close()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def ask(port, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_the_files_of_the_page_forbid_everything_that_is_not_theirs(broker):
    status, headers, content = ask(broker.http_port, "GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert re.findall(rb'(?:src|href)="(?!data:)([^"]*)"', content) == [b"style.css", b"page/main.js"]
    for path, kind in (("/style.css", "text/css"), ("/page/main.js", "text/javascript")):
        assert ask(broker.http_port, "GET", path)[1]["Content-Type"] == f"{kind}; charset=utf-8"


def test_the_files_of_the_page_are_sent_once_to_who_keeps_them(broker):
    _, headers, content = ask(broker.http_port, "GET", "/style.css")
    assert headers["Cache-Control"] == "no-cache"
    status, again, empty = ask(broker.http_port, "GET", "/style.css", If_None_Match=headers["ETag"])
    assert (status, empty, again["ETag"]) == (304, b"", headers["ETag"])
    status, head, empty = ask(broker.http_port, "HEAD", "/style.css")
    assert (status, empty, int(head["Content-Length"])) == (200, b"", len(content))
    assert ask(broker.http_port, "POST", "/style.css")[0] == 405
    for path in ("/page/", "/page/main.ts", "/index.html", "/ui/style.css", "/page/../../etc/passwd"):
        assert ask(broker.http_port, "GET", path)[0] == 404


def test_a_refused_login_opens_no_window_of_the_browser_for_the_page(broker):
    status, headers, _ = ask(broker.http_port, "GET", "/api/whoami", X_Requested_With="millrace-page")
    assert (status, headers["WWW-Authenticate"]) == (401, None)
    status, headers, _ = ask(broker.http_port, "GET", "/api/whoami")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="Millrace Management"')


def test_the_port_for_metrics_has_no_page(own_broker):
    broker = own_broker(["--http", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"])
    for path in ("/", "/style.css", "/page/main.js"):
        assert ask(broker.ready_port("prometheus"), "GET", path)[0] == 404
        assert ask(broker.http_port, "GET", path)[0] == 200


@pytest.fixture
def run_at(browser):
    def run_scenario(broker, name, **more):
        at = f"http://127.0.0.1:{broker.http_port}"
        command = ["node", str(NODE / "page/run.mjs"), browser, at, name, json.dumps(more)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    return run_scenario


@pytest.fixture
def run(run_at, broker):
    return lambda name, **more: run_at(broker, name, **more)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_page(run, scenario):
    run(scenario)


def named_connection(broker, name):
    given = parameters(broker)
    given.client_properties = {"connection_name": name}
    return pika.BlockingConnection(given)


def test_the_page_takes_hostile_names_for_names(run, broker):
    connection = named_connection(broker, IMAGE)
    try:
        channel = connection.channel()
        channel.queue_declare(f"idle {IMAGE}", exclusive=True)
        channel.basic_consume(f"idle {IMAGE}", lambda *_: None, consumer_tag=IMAGE)
        run("takes_hostile_names_for_names", connection=IMAGE, idle=f"idle {IMAGE}")
    finally:
        connection.close()


def test_the_page_closes_a_connection_and_tells_it_why(run, broker):
    connection = named_connection(broker, "page.to-be-closed")
    run("closes_a_connection_and_tells_it_why", connection="page.to-be-closed")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as told:
        connection.process_data_events(5)
    assert told.value.reply_code == 320
    assert "maintenance tonight" in told.value.reply_text


def test_the_page_says_what_holds_a_queue_back(run, connect, name):
    channel = connect().channel()
    queue = name()
    channel.queue_declare(queue, durable=True)
    channel.basic_qos(prefetch_count=2)
    publish(channel, queue, *[b"m"] * 5)
    inbox = Inbox(channel, queue, auto_ack=False)
    inbox.wait(2)
    run("says_what_holds_a_queue_back", slow=queue)
    channel.queue_delete(queue)


def test_the_page_says_that_publishers_are_ahead_of_their_rate(run, broker, name):
    queue = name()
    Api(broker).put("/users/throttled", {"password": "throttled", "tags": ""})
    Api(broker).put("/permissions/%2F/throttled", {"configure": ".*", "write": ".*", "read": ".*"})
    Api(broker).put("/user-limits/throttled/max-connection-publish-rate", {"value": 50})
    stop = threading.Event()

    def publish_on_and_on():
        given = parameters(broker, "throttled", "throttled")
        given.client_properties = {"connection_name": "page.throttled"}
        channel = pika.BlockingConnection(given).channel()
        channel.queue_declare(queue)
        channel.basic_consume(queue, lambda *_: None, auto_ack=True)
        channel.confirm_delivery()  # one by one, so that it comes evenly rather than a read at a time
        while not stop.is_set():
            channel.basic_publish("", queue, b"m")
            channel.connection.process_data_events(0)
        channel.connection.close()

    publisher = threading.Thread(target=publish_on_and_on, daemon=True)
    publisher.start()
    try:
        run("says_that_publishers_are_ahead_of_their_rate", queue=queue, connection="page.throttled")
    finally:
        stop.set()
        publisher.join(10)


def test_the_page_tells_everywhere_that_publishers_are_held_back(run_at, own_broker):
    broker = own_broker(["--http", "127.0.0.1:0", "--disk-low-water", "1000000GiB"])
    run_at(broker, "tells_everywhere_that_publishers_are_held_back")


def test_the_page_shows_tasks(run, broker, channel):
    queue, schedule = f"tasks {IMAGE}", f"nightly {IMAGE}"
    cli = Cli(broker)
    runs = {"page.rest": "sleep 60", "page.fail": "sh -c 'echo no >&2; false'"}
    with CommandWorker(broker, queue, "--name", "page-worker", "--drain", "1", **runs) as worker:
        cli("task", "submit", "page.fail", "--queue", queue)
        cli("task", "submit", "page.rest", IMAGE, "--queue", queue)
        cli("task", "schedule", schedule, "0 3 * * *", "page.rest", "--queue", queue)
        wait_until(lambda: depth(channel, f"{queue}.dead") == 1)
        run("shows_tasks", queue=queue, worker=worker.name, schedule=schedule)
