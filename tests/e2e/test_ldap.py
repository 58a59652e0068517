"""Users whom a directory knows: OpenLDAP's slapd."""

import os
import signal
import socket

import pika
import pytest

from harness.certificates import Authority
from harness.http import Api
from harness.pika_tools import parameters, wait_until
from harness.slapd import SUFFIX, Slapd, find_slapd

pytestmark = [
    pytest.mark.millrace_only("its options are ours"),
    pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed: apt-get install slapd"),
]

PEOPLE = {"ann": "secret", "bob": "hunter2", "o, odd": "odd", "searcher": "of the search"}
GROUPS = {"admins": ["ann"], "vhost-team": ["ann", "bob"], "vhost-/": ["ann"]}
USER_DN = "cn=${username},ou=people," + SUFFIX
SEARCHER = "cn=searcher,ou=people," + SUFFIX


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory, authority):
    certificate = authority.vouch("directory", "IP:127.0.0.1")
    slapd = Slapd(tmp_path_factory.mktemp("slapd"), PEOPLE, GROUPS, certificate, authority)
    yield slapd
    slapd.close()


@pytest.fixture
def start(own_broker, directory):
    def start_with(url, *more):
        options = ["--http", "127.0.0.1:0", "--ldap", url, "--ldap-user-dn", USER_DN, *more]
        return own_broker(options=options, definitions={"vhosts": [{"name": "/"}, {"name": "team"}]})

    return start_with


@pytest.fixture
def start_searching(own_broker, directory, tmp_path):
    """Users are looked up by an account whose password is in `password_file`."""

    def start_with(*more, password="of the search", base="ou=people," + SUFFIX, user_filter="(cn=${username})"):
        file = tmp_path / "password"
        file.write_text(password + "\n")
        options = [
            *("--http", "127.0.0.1:0", "--ldap", f"ldap://127.0.0.1:{directory.port}"),
            *("--ldap-user-base", base, "--ldap-user-filter", user_filter),
            *("--ldap-bind-dn", SEARCHER, "--ldap-bind-password-file", str(file), *more),
        ]
        broker = own_broker(options=options, definitions={"vhosts": [{"name": "/"}, {"name": "team"}]})
        broker.password_file = file
        return broker

    return start_with


def connect(broker, user, password, **more):
    return pika.BlockingConnection(parameters(broker, user, password, **more))


def is_refused(broker, user, password):
    try:
        connect(broker, user, password).close()
    except pika.exceptions.ProbableAuthenticationError:
        return True
    return False


def groups():
    return [
        *("--ldap-vhost-group", "cn=vhost-${vhost},ou=groups," + SUFFIX),
        *("--ldap-tag-group", "administrator=cn=admins,ou=groups," + SUFFIX),
        *("--ldap-tag-group", "monitoring=cn=nobody,ou=groups," + SUFFIX),
    ]


def test_who_can_bind_is_let_in(start, directory):
    broker = start(f"ldap://127.0.0.1:{directory.port}")
    channel = connect(broker, "ann", "secret").channel()
    channel.queue_declare("q")
    channel.queue_bind("q", "amq.topic", "#")
    for user, password in (("ann", "wrong"), ("nobody", "secret"), ("ann", ""), ("*", "secret"), ("", "")):
        assert is_refused(broker, user, password), user
    connect(broker, "guest", "guest").close()
    log = broker.log_path.read_text()
    assert "LDAP: denied" in log and "secret" not in log


def test_names_cannot_climb_out_of_the_pattern(start, directory):
    broker = start(f"ldap://127.0.0.1:{directory.port}")
    assert is_refused(broker, f"ann,ou=people,{SUFFIX}", "secret")
    assert is_refused(broker, "ann+sn=ann", "secret")
    connect(broker, "o, odd", "odd").close()


def test_groups_say_which_vhosts_and_tags(start, directory):
    broker = start(f"ldap://127.0.0.1:{directory.port}", *groups())
    connect(broker, "ann", "secret").close()
    connect(broker, "bob", "hunter2", vhost="team").close()
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError):
        connect(broker, "bob", "hunter2")
    assert Api(broker, "ann", "secret").get("/whoami") == {"name": "ann", "tags": ["administrator"]}
    assert Api(broker, "ann", "secret").get("/users")
    Api(broker, "bob", "hunter2")("GET", "/whoami", expect=401)


def test_users_are_looked_up_by_an_account_that_may_search(start_searching):
    broker = start_searching(*groups())
    connect(broker, "ann", "secret").close()
    for user, password in (("ann", "wrong"), ("ann", "of the search"), ("nobody", "secret"), ("ann", ""), ("", "")):
        assert is_refused(broker, user, password), user
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError):
        connect(broker, "bob", "hunter2")
    connect(broker, "bob", "hunter2", vhost="team").close()
    assert Api(broker, "ann", "secret").get("/whoami") == {"name": "ann", "tags": ["administrator"]}
    log = broker.log_path.read_text()
    assert "LDAP: denied" in log and "of the search" not in log


def test_names_cannot_change_the_filter(start_searching):
    broker = start_searching(user_filter="(&(cn=${username})(objectClass=person))")
    # Unescaped, each of these would find ann and nobody else.
    for name in ("an*", "ann)(cn=ann", "ann)(|(cn=ann", "a\\6en"):
        assert is_refused(broker, name, "secret"), name
    connect(broker, "o, odd", "odd").close()
    assert "the search" not in broker.log_path.read_text()  # they were legal filters, which found nobody


def test_a_search_that_finds_several_lets_nobody_in(start_searching):
    broker = start_searching(user_filter="(|(cn=${username})(objectClass=person))")
    assert is_refused(broker, "ann", "secret")
    assert "the search for a user finds several" in broker.log_path.read_text()


def test_a_search_that_fails_is_told_to_the_operator_and_can_be_mended(start_searching):
    broker = start_searching(password="wrong")
    assert is_refused(broker, "ann", "secret")
    assert "the search's account cannot bind" in broker.log_path.read_text()
    connect(broker, "guest", "guest").close()
    broker.password_file.write_text("of the search\n")
    os.kill(broker.process.pid, signal.SIGHUP)
    wait_until(lambda: not is_refused(broker, "ann", "secret"))


def test_a_search_below_what_is_not_there_fails(start_searching):
    broker = start_searching(base="ou=nowhere," + SUFFIX)
    assert is_refused(broker, "ann", "secret")
    assert "the search for a user fails" in broker.log_path.read_text()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "ldap wants an ldap-user-dn with ${username}, or an ldap-user-base"),
        (("--ldap-user-base", SUFFIX, "--ldap-user-dn", USER_DN), "do not go together"),
        (("--ldap-user-base", SUFFIX, "--ldap-user-filter", "(cn=ann)"), "fits whoever logs in"),
        (("--ldap-user-base", SUFFIX, "--ldap-bind-dn", SEARCHER), "go together"),
        (("--ldap-user-dn", USER_DN, "--ldap-bind-dn", SEARCHER), "want an ldap-user-base"),
        (("--ldap-user-base", SUFFIX, "--ldap-bind-dn", SEARCHER, "--ldap-bind-password-file", "EMPTY"), "is empty"),
        (("--ldap-user-base", SUFFIX, "--ldap-bind-dn", SEARCHER, "--ldap-bind-password-file", "GONE"), "cannot read"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(own_broker, tmp_path, options, why):
    files = {"EMPTY": str(tmp_path / "empty"), "GONE": str(tmp_path / "gone")}
    (tmp_path / "empty").write_text("\n")
    options = [files.get(option, option) for option in options]
    broker = own_broker(options=["--ldap", "ldap://127.0.0.1:1", *options], start=False)
    with pytest.raises(AssertionError):
        broker.start()
    assert why in broker.log_path.read_text()


@pytest.mark.parametrize("way", ["ldaps", "start-tls"])
def test_it_is_asked_over_tls_that_is_verified(start, directory, authority, way):
    if way == "ldaps":
        url, more = f"ldaps://127.0.0.1:{directory.secure_port}", []
    else:
        url, more = f"ldap://127.0.0.1:{directory.port}", ["--ldap-start-tls"]
    connect(start(url, *more, "--ldap-ca", str(authority.file)), "ann", "secret").close()
    doubting = start(url, *more)
    assert is_refused(doubting, "ann", "secret")
    assert "the directory that knows users" in doubting.log_path.read_text()


ANN = [{"name": "ann", "password": "ours", "tags": "policymaker"}, {"name": "own", "password": "ours", "tags": ""}]
RIGHTS = [{"user": user["name"], "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"} for user in ANN]


def start_in_order(own_broker, directory, *order, more=()):
    """With users of its own, one of which the directory knows by another password."""
    options = [*more, "--http", "127.0.0.1:0", "--ldap", f"ldap://127.0.0.1:{directory.port}", "--ldap-user-dn", USER_DN]
    for who in order:
        options += ["--auth-order", who]
    definitions = {"vhosts": [{"name": "/"}], "users": ANN, "permissions": RIGHTS}
    return own_broker(options=[*options, *groups()], definitions=definitions)


def tags_of(broker, user, password):
    return Api(broker, user, password).get("/whoami")["tags"]


@pytest.mark.parametrize("order", [(), ("internal", "ldap"), ("ldap", "internal")])
def test_either_password_is_taken_whoever_is_asked_first(own_broker, directory, order):
    broker = start_in_order(own_broker, directory, *order)
    for _ in range(2):  # and when it is remembered
        assert tags_of(broker, "ann", "ours") == ["policymaker"]
        assert tags_of(broker, "ann", "secret") == ["administrator"]
        connect(broker, "own", "ours").close()
    assert is_refused(broker, "ann", "neither") and is_refused(broker, "nobody", "ours")


def test_who_is_asked_first_decides(own_broker, directory):
    """Of a password that both take: it is the directory's user, with what the directory gives it."""
    for order, tags in ((("internal", "ldap"), ["monitoring"]), (("ldap", "internal"), ["administrator"])):
        broker = start_in_order(own_broker, directory, *order)
        Api(broker, "ann", "secret")("PUT", "/users/ann", {"password": "secret", "tags": "monitoring"}, expect=204)
        assert tags_of(broker, "ann", "secret") == tags


def test_its_own_users_can_be_left_out(own_broker, directory):
    broker = start_in_order(own_broker, directory, "ldap", more=["--allow-anonymous"])
    assert tags_of(broker, "ann", "secret") == ["administrator"]
    for user, password in (("ann", "ours"), ("own", "ours"), ("guest", "guest")):
        assert is_refused(broker, user, password), user
    assert mechanisms_offered(broker) == ["PLAIN", "AMQPLAIN"]
    assert "allow-anonymous lets nobody in" in broker.log_path.read_text()


def test_anonymous_is_offered_where_its_own_users_count(own_broker, directory):
    broker = start_in_order(own_broker, directory, "ldap", "internal", more=["--allow-anonymous"])
    assert "ANONYMOUS" in mechanisms_offered(broker)


def mechanisms_offered(broker):
    with socket.create_connection(("127.0.0.1", broker.port), 5) as peer:
        peer.sendall(b"AMQP\0\0\x09\x01")
        frame = b""
        while not frame.endswith(b"\xce"):
            frame += peer.recv(65536)
    method = pika.frame.decode_frame(frame)[1].method
    return method.mechanisms.decode().split()


def test_a_directory_that_is_not_there_lets_nobody_in_and_holds_up_nobody_else(start, directory):
    broker = start("ldap://127.0.0.1:1")
    assert is_refused(broker, "ann", "secret")
    connect(broker, "guest", "guest").close()


def test_a_directory_in_clear_must_be_near(own_broker):
    broker = own_broker(options=["--ldap", "ldap://directory.example", "--ldap-user-dn", USER_DN], start=False)
    with pytest.raises(AssertionError):
        broker.start()
    assert "use ldaps:// or ldap-start-tls" in broker.log_path.read_text()
