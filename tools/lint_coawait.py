#!/usr/bin/env python3
"""Finds what g++ 12 miscompiles: a capturing lambda, or braces, inside a statement that awaits.

  tools/lint_coawait.py               check src/, client/, embedded/, tests/ and bench/
  tools/lint_coawait.py FILE...       check these files
  tools/lint_coawait.py --self-test   show that violations are caught

g++ 12.2 destroys such temporaries twice. Braces are refused without asking which type they make, because the rule
must be one that a reader can apply. Name the object in a statement of its own, then std::move it into the awaited one.
"""

import argparse
import pathlib
import re
import sys

import cpp_text

FOLDERS = ["src", "client", "embedded", "tests", "bench", "examples", "fuzz"]

_OPEN = {"(": ")", "[": "]", "{": "}"}
_CLOSE = {")": "(", "]": "[", "}": "{"}
_CONTROL = re.compile(r"\b(?:if(?:\s+constexpr)?|while|switch|for|catch)\s*$")
# Text after which "{" opens a block of statements rather than an initializer.
_BLOCK = re.compile(
    r"(?:^|[;{}]|\)|(?<!:):|\b(?:else|do|try|mutable|noexcept|const|override|final)"
    r"|(?<![\w)\]])\[[^\[\]]*\]"  # a lambda without parameters
    r"|\)[^;{}=]*->[^;{}=]*"  # a return type
    r"|\b(?:namespace|struct|class|union|enum|extern)\b[^;{}()=]*"
    r"|\)\s*requires\b[^;{}]*)\s*$"
)
_AFTER_KEYWORD = re.compile(r"\b(?:return|co_return|co_await|co_yield|throw|case|else)\s*$")


def opens_block(code, brace):
    return _BLOCK.search(code[max(0, brace - 400) : brace]) is not None


def opening_of(code, closer):
    """Position of the bracket that the one at `closer` closes."""
    depth = 0
    for i in range(closer, -1, -1):
        if code[i] in _CLOSE:
            depth += 1
        elif code[i] in _OPEN:
            depth -= 1
            if depth == 0:
                return i
    return -1


def closing_of(code, opener):
    depth = 0
    for i in range(opener, len(code)):
        if code[i] in _OPEN:
            depth += 1
        elif code[i] in _CLOSE:
            depth -= 1
            if depth == 0:
                return i
    return len(code)


def start_of_statement(code, position):
    """Start of the full expression that holds `position`, which may stand inside calls and initializers."""
    i = position - 1
    while i >= 0:
        c = code[i]
        if c == ";":
            return i + 1
        if c == "}":
            opener = opening_of(code, i)
            if opens_block(code, opener) and not is_lambda_body(code, opener):
                return i + 1
            i = opener
        elif c in _CLOSE:
            i = opening_of(code, i)
        elif c == "{" and opens_block(code, i):
            return i + 1
        elif c == "(" and _CONTROL.search(code[:i][-40:]):
            return i + 1
        i -= 1
    return 0


def is_lambda_body(code, brace):
    """Whether a block's brace follows [captures], [captures](parameters) or these with specifiers."""
    before = code[:brace].rstrip()
    tail = re.search(r"\)\s*(?:(?:mutable|noexcept|constexpr)\s*)*(?:->[^;{}=]*)?$", before[-400:])
    if tail:
        opener = opening_of(code, len(before[:-400]) + tail.start() if len(before) > 400 else tail.start())
        before = code[:opener].rstrip()
    return before.endswith("]") and is_lambda_introducer(code, opening_of(code, len(before) - 1))


def is_lambda_introducer(code, bracket):
    if bracket < 0 or code[bracket + 1 : bracket + 2] == "[" or code[bracket - 1 : bracket] == "[":
        return False  # an attribute
    before = code[max(0, bracket - 40) : bracket].rstrip()
    return not before or not re.search(r"[\w)\]]$", before) or _AFTER_KEYWORD.search(before) is not None


def problem_in(code, start):
    """(position, what) of the first violation in the full expression that begins at `start`, or None."""
    depth = 0
    i = start
    while i < len(code):
        c = code[i]
        if c == "[" and is_lambda_introducer(code, i):
            end = closing_of(code, i)
            if code[i + 1 : end].strip():
                return i, "a capturing lambda"
            body = re.compile(r"[{;]").search(code, end)  # its parameters and its body hold statements of their own
            if body and body.group(0) == "{":
                i = closing_of(code, body.start())
        elif c == "{":
            if depth == 0 and opens_block(code, i):
                return None
            return i, "braces"
        elif c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth -= 1
            if depth < 0:
                return None
        elif c == ";" and depth == 0:
            return None
        i += 1
    return None


def violations(source):
    code = cpp_text.code_only(source)
    found = {}
    for match in re.finditer(r"\bco_await\b", code):
        problem = problem_in(code, start_of_statement(code, match.start()))
        if problem:
            found.setdefault(problem[0], problem[1])
    return [(cpp_text.line_of(code, position), what) for position, what in sorted(found.items())]


# (source, line of the violation or None)
CASES = [
    ("void f() { co_await g(x); }", None),
    ("void f() { co_await g([x] { use(x); }); }", 1),
    ("void f() {\n  co_await\n  g([this](int a) mutable { a = b_; });\n}", 3),
    ("void f() { auto r = co_await g(a[i], b()[j]); }", None),
    ("void f() { co_await g([](int a) { return a; }); }", None),
    ("void f() { co_await g([] { return S{1}; }); }", None),
    ("void f() { co_await g([]() -> int { return 1; }, [&] { stop(); }); }", 1),
    ("void f() { co_await g(Config{.size = 3}); }", 1),
    ("void f() { co_await g({}); }", 1),
    ("void f() { auto r{co_await g()}; }", 1),
    ("void f() { h(Config{1}, co_await g()); }", 1),
    ("void f() { h([a] { a(); }, co_await g()); }", 1),
    ("void f() { if (co_await g()) { h(); } }", None),
    ("void f() { if (auto r = co_await g(); !r) { h({1}); } }", None),
    ("void f() { if (co_await g(S{})) h(); }", 1),
    ("void f() { while (co_await g()) { h(S{1}); } }", None),
    ("void f() { for (auto& x : co_await g()) { h(S{x}); } }", None),
    ("void f() { S s{1}; co_await g(std::move(s)); }", None),
    ("void f() { auto l = [s] { s(); }; co_await g(std::move(l)); }", None),
    ("void f() { if (x) { h(); } co_await g(x); }", None),
    ("void f() { spawn([self]() -> Awaitable<void> { co_await g(self); }, detached); }", None),
    ("void f() { spawn([self] { co_await g(S{1}); }, detached); }", 1),
    ("Awaitable<int> f() noexcept { co_return co_await g(); }", None),
    ("Awaitable<int> f() { co_return co_await g([n] { return n; }); }", 1),
    ("auto f() -> Awaitable<std::vector<int>> { co_await g(); }", None),
    ("struct A { B b{1}; Awaitable<void> f() { co_await g(); } };", None),
    ("void f() { switch (x) { case 1: co_await g(); break; default: { co_await h(); } } }", None),
    ("void f() { // co_await g({1});\n  /* co_await g({1}); */ h(\"co_await g({1});\"); }", None),
    ("void f() { co_await g(10'000, '{'); co_await h(R\"(x{y})\"); }", None),
    ("void f() { [[maybe_unused]] auto r = co_await g(); }", None),
    ("void f() { try { co_await g(); } catch (const E& e) { h({e}); } }", None),
    ("void f() { do { co_await g(); } while (h(S{1})); }", None),
    ("#define X {1}\nvoid f() { co_await g(X); }", None),
    ("void f() { auto r = co_await g(std::vector<int>{1, 2}) ; }", 1),
    ("void f() { co_await (a || b([p = std::move(p)] { p(); })); }", 1),
]


def self_test():
    failures = 0
    for source, expected in CASES:
        found = [line for line, _ in violations(source)]
        if found != ([expected] if expected else []):
            failures += 1
            print(f"self-test: expected line {expected}, got {found}:\n{source}")
    print(f"{len(CASES) - failures} of {len(CASES)} self-tests passed")
    return failures == 0


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 0 if self_test() else 1
    bad = False
    for path in options.files or cpp_text.sources(root, FOLDERS):
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        for line, what in violations(path.read_text()):
            bad = True
            print(f"{shown}:{line}: {what} in a co_await statement; name it in a statement before, then std::move it")
    if not bad:
        print("no lambda captures and no braces in a co_await statement")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
