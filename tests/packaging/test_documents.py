"""The documents that new users read: both languages say the same, and what they name is there."""

import re

import pytest
import yaml
from conftest import ROOT, run

ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def code(path):
    """Fenced and indented blocks, without what is said in comments."""
    blocks, fence = [], None
    for line in path.read_text().splitlines():
        if line.startswith("```"):
            fence = None if fence is not None else line
        elif fence is not None or line.startswith("    "):
            blocks.append(re.sub(r"\s+#.*", "", line))
    return blocks


def headings(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [line.split(" ")[0] for line in text.splitlines() if re.match(r"#+ ", line)]


def links(path):
    """Where it links to, without the other language."""
    found = {link.split("#")[0] for link in LINK.findall(path.read_text())}
    return {link for link in found if link and not link.startswith("README")}


def test_both_readmes_show_the_same_commands():
    assert code(CHINESE) == code(ENGLISH)


def test_both_readmes_have_the_same_parts():
    assert headings(CHINESE) == headings(ENGLISH)
    assert links(CHINESE) == links(ENGLISH)


def test_both_readmes_have_the_same_tables():
    def rows(path):
        return [line.count("|") for line in path.read_text().splitlines() if line.startswith("|")]

    assert rows(CHINESE) == rows(ENGLISH)


def test_each_readme_leads_to_the_other():
    assert "(README.zh-CN.md)" in ENGLISH.read_text()
    assert "(README.md)" in CHINESE.read_text()


def anchors(path):
    """As they are made of headings."""
    made = set()
    for heading in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE):
        made.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return made


@pytest.mark.parametrize("path", [ENGLISH, CHINESE, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for link in LINK.findall(path.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_rule_that_the_readme_shows_is_one_of_those_that_are_shipped():
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", ENGLISH.read_text(), re.DOTALL)[1])
    shipped = yaml.safe_load((ROOT / "packaging/prometheus/millrace.rules.yml").read_text())
    assert shown[0] in shipped["groups"][0]["rules"]


def test_the_commands_of_the_documents_exist(program):
    told = run(program, "--help")
    verbs = set(re.findall(r"^  ([a-z]+)", told.split("Commands:")[1], re.MULTILINE))
    for path in (ENGLISH, ROOT / "docs/install.md"):
        for line in code(path):
            called = re.match(r"\s*(?:\$ )?(?:.*\| )?millrace ([a-z]+)", line)
            if called:
                assert called[1] in verbs, line
