"""The Helm chart: what it renders to, and without Helm at least that templates, values and their schema agree."""

import json
import re
import subprocess

import pytest
import yaml
from broker import serving
from conftest import ROOT, need, run

CHART = ROOT / "packaging/helm/millrace"
TEMPLATES = sorted((CHART / "templates").iterdir())


def values():
    return yaml.safe_load((CHART / "values.yaml").read_text())


def render(*settings, release="queue"):
    """{(kind, name): object}"""
    options = [word for setting in settings for word in ("--set", setting)]
    text = run(need("helm"), "template", release, CHART, "--namespace", "shop", *options)
    objects = [each for each in yaml.safe_load_all(text) if each]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def container_of(objects):
    sets = [each for (kind, _), each in objects.items() if kind == "StatefulSet"]
    assert len(sets) == 1
    return sets[0]["spec"]["template"]["spec"]["containers"][0]


# -- Rendered ----------------------------------------------------------------------------------------------------------


def test_lint_finds_nothing():
    run(need("helm"), "lint", "--strict", CHART)


def test_objects_lead_to_one_another():
    objects = render()
    assert set(objects) == {
        ("Secret", "queue-millrace"),
        ("Service", "queue-millrace"),
        ("Service", "queue-millrace-pods"),
        ("StatefulSet", "queue-millrace"),
    }
    broker = objects["StatefulSet", "queue-millrace"]["spec"]
    labels = broker["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in broker["template"]["spec"]["containers"][0]["ports"]}
    assert ports == {"amqp": 5672, "http": 15672, "prometheus": 15692}
    assert broker["selector"]["matchLabels"].items() <= labels.items()
    assert broker["serviceName"] == "queue-millrace-pods"
    for name in ("queue-millrace", "queue-millrace-pods"):
        service = objects["Service", name]["spec"]
        assert service["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["ports"]} <= set(ports)
    volumes = {volume["name"]: volume for volume in broker["template"]["spec"]["volumes"]}
    claims = {claim["metadata"]["name"] for claim in broker["volumeClaimTemplates"]}
    mounted = {mount["name"] for mount in broker["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert mounted == set(volumes) | claims
    assert volumes["secret"]["secret"]["secretName"] == "queue-millrace"


def test_the_pod_is_shut_in():
    objects = render()
    pod = objects["StatefulSet", "queue-millrace"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 999
    assert "--uid 999" in (ROOT / "packaging/container/Containerfile").read_text()
    own = container_of(objects)["securityContext"]
    assert own["readOnlyRootFilesystem"] and own["capabilities"]["drop"] == ["ALL"]
    assert own["allowPrivilegeEscalation"] is False


def test_no_probe_looks_at_alarms():
    container = container_of(render())
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "exec" not in container[probe]
        assert "/api" not in container[probe].get("httpGet", {}).get("path", "")


@pytest.mark.parametrize("password", ["plain", 'a"b: {c}', "ü\\n#"])
def test_the_broker_takes_what_the_chart_gives_it(program, tmp_path, password):
    (tmp_path / "values.yaml").write_text(yaml.safe_dump({"user": {"name": "shop", "password": password}}))
    text = run(need("helm"), "template", "queue", CHART, "--values", tmp_path / "values.yaml")
    objects = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text) if each}
    secret = objects["Secret", "queue-millrace"]["stringData"]
    assert secret["password"] == password
    (tmp_path / "definitions.json").write_text(secret["definitions.json"])
    (tmp_path / "password").write_text(password)
    container = container_of(objects)
    assert container["args"][0] == "serve"
    arguments = [word.replace("/etc/millrace/secret", str(tmp_path)) for word in container["args"][1:]]
    arguments = [word.replace("*:15692", "127.0.0.1:0") for word in arguments if not word.startswith("--data-dir")]
    variables = {each["name"]: each["value"] for each in container["env"]}
    with serving(program, tmp_path / "data", *arguments, **variables) as broker:
        api = f"127.0.0.1:{broker.port('http')}"
        asked = ["--http", api, "--user", "shop", "--password-file", tmp_path / "password"]
        health = run(program, "health", *asked, env={})
        assert "alarms" in health
        assert broker.port("prometheus")


def test_a_password_is_made_up_and_never_the_same():
    first, second = (render()["Secret", "queue-millrace"]["stringData"]["password"] for _ in range(2))
    assert len(first) == 24 and first != second


def test_a_secret_of_ones_own_is_used():
    objects = render("user.existingSecret=mine")
    assert not [kind for kind, _ in objects if kind == "Secret"]
    volumes = objects["StatefulSet", "queue-millrace"]["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["secret"]["secretName"] == "mine"


def test_metrics_can_be_off():
    container = container_of(render("metrics.enabled=false"))
    assert not [word for word in container["args"] if "prometheus" in word]
    assert "prometheus" not in {port["name"] for port in container["ports"]}


def test_options_become_environment_variables_as_they_were_written():
    wanted = ["options.shards=4", "options.max-message-bytes=536870912", "options.allow-anonymous=true"]
    env = {each["name"]: each["value"] for each in container_of(render(*wanted))["env"]}
    assert env["MILLRACE_SHARDS"] == "4"
    assert env["MILLRACE_MAX_MESSAGE_BYTES"] == "536870912"
    assert env["MILLRACE_ALLOW_ANONYMOUS"] == "true"
    assert env["MILLRACE_MEMORY_LIMIT"] == "1GiB"


@pytest.mark.parametrize("wrong", ["replicas=3", "options.data-dir=/x", "storage.clas=fast", "startup.seconds=soon"])
def test_values_that_do_not_exist_are_refused(wrong):
    ended = subprocess.run(
        [need("helm"), "template", "queue", str(CHART), "--set", wrong], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert re.split(r"[.=]", wrong)[-2] in ended.stderr or "additional" in ended.stderr


# -- Without Helm ------------------------------------------------------------------------------------------------------


def leaves(tree, schema, path=()):
    """The paths that a template may name, of values and of their schema."""
    for key, value in tree.items():
        here = (*path, key)
        known = schema.get("properties", {}).get(key)
        assert known is not None, f"the schema does not know {'.'.join(here)}"
        if known.get("properties") and isinstance(value, dict):
            yield from leaves(value, known, here)
        else:
            yield ".".join(here)


def test_templates_use_every_value_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = set(leaves(values(), schema))
    used = set()
    for template in TEMPLATES:
        used |= set(re.findall(r"\.Values\.([A-Za-z.]+)", template.read_text()))
    whole = {path for path in used if path in {"user"}}  # taken as a whole, to notice a change
    assert used - whole == known


def test_blocks_of_templates_are_closed():
    for template in TEMPLATES:
        text = template.read_text()
        assert text.count("{{") == text.count("}}"), template
        words = re.findall(r"{{-? *(\w+)", text)
        opened = sum(words.count(word) for word in ("if", "with", "range", "define"))
        assert opened == words.count("end"), template


def test_options_of_the_values_exist(program):
    told = run(program, "serve", "--help")
    for option in values()["options"]:
        assert f"  --{option} " in told


def test_the_charts_version_is_the_programs(program):
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert run(program, "--version").split() == ["millrace", chart["appVersion"]]
