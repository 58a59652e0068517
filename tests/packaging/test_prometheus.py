"""The rules for Prometheus: that they say what they mean, and that Millrace serves what they read."""

import http.client
import re

import yaml
from broker import serving
from conftest import ROOT, need, run

FOLDER = ROOT / "packaging/prometheus"


def rules():
    groups = yaml.safe_load((FOLDER / "millrace.rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_figure_that_a_rule_reads_is_served(program, tmp_path):
    with serving(program, tmp_path / "data", "--prometheus", "127.0.0.1:0") as broker:
        api = f"127.0.0.1:{broker.port('http')}"
        run(program, "queues", "add", "jobs", "--http", api, env={})
        configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", broker.port("prometheus"), timeout=20)
        connection.request("GET", configuration["scrape_configs"][0]["metrics_path"])
        text = connection.getresponse().read().decode()
        connection.close()
    served = set(re.findall(r"^(rabbitmq_\w+)[{ ]", text, re.MULTILINE))
    for rule in rules():
        read = set(re.findall(r"rabbitmq_\w+", rule["expr"]))
        assert read <= served, rule["alert"]
        assert read or "up{" in rule["expr"]
    for name in ("rabbitmq_queue_messages_ready", "rabbitmq_queue_consumers"):
        labels = re.search(rf"^{name}{{(.*jobs.*)}} ", text, re.MULTILINE)
        assert labels, f"{name} is not of each queue"
        assert 'queue="jobs"' in labels[1] and 'vhost="/"' in labels[1]


def test_the_port_is_the_one_that_is_documented():
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    target = configuration["scrape_configs"][0]["static_configs"][0]["targets"][0]
    assert f"--prometheus {target}" in (ROOT / "README.md").read_text()


def test_promtool_takes_the_configuration_and_the_rules_fire_when_they_should():
    promtool = need("promtool")
    run(promtool, "check", "config", FOLDER / "prometheus.yml")
    run(promtool, "test", "rules", FOLDER / "millrace.rules_test.yml")


def test_every_rule_is_tested():
    tested = (FOLDER / "millrace.rules_test.yml").read_text()
    for rule in rules():
        assert f"alertname: {rule['alert']}" in tested
        assert rule["labels"]["severity"] in ("warning", "critical")
