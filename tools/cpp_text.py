"""C++ source text for the checks in this folder: comments and literals blanked, every line and column kept."""

import pathlib
import re

_SKIPPED = re.compile(
    r"//(?:\\\n|[^\n])*"  # line comment, continued by a backslash
    r"|/\*.*?\*/"
    r'|R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",  # a character; the quote in 10'000 is none
    re.DOTALL,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(source, keep_strings=False):
    """Blanks comments, and string and character literals unless they are kept."""

    def replace(match):
        text = match.group(0)
        if text.startswith(("//", "/*")):
            return _blank(match)
        return text if keep_strings else text[0] + _blank(match)[1:-1] + text[-1]

    return _SKIPPED.sub(replace, source)


def code_only(source):
    """Also blanks preprocessor directives, which belong to no statement."""
    return _DIRECTIVE.sub(_blank, without_comments(source))


def line_of(source, position):
    return source.count("\n", 0, position) + 1


def sources(root, folders):
    """The C++ files below the folders that exist, sorted."""
    found = []
    for folder in folders:
        found += (p for p in (pathlib.Path(root) / folder).rglob("*") if p.suffix in (".cpp", ".hpp", ".ipp"))
    return sorted(found)
