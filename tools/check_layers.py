#!/usr/bin/env python3
"""Holds every #include "..." under src/, client/ and embedded/ against src/LAYERS.

  tools/check_layers.py               check this tree
  tools/check_layers.py --self-test   show that violations are caught

src/LAYERS says "layer: layers it may include". A layer is a folder under src/ (or client/ or embedded/, beside src/) and
may include itself. Test files (*_test.cpp, *_test.hpp) may also include the layers in TEST_LAYERS.
"""

import argparse
import pathlib
import re
import sys
import tempfile

import cpp_text

# What a test may stand on whatever its layer: the simulated world and the real one behind runtime's seams.
TEST_LAYERS = {"simulation", "runtime/os"}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


class Problem(Exception):
    """Something is wrong with src/LAYERS itself."""


def read_layers(path):
    layers = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, colon, allowed = line.partition(":")
        if not colon:
            raise Problem(f"src/LAYERS:{number}: expected 'layer: layers it may include', found '{line}'")
        if name in layers:
            raise Problem(f"src/LAYERS:{number}: layer {name} is described twice; merge the two lines")
        unknown = [other for other in allowed.split() if other not in layers]
        if unknown:
            raise Problem(
                f"src/LAYERS:{number}: {name} may include {', '.join(unknown)}, which is described on no line above; "
                "a layer stands below those that include it, so that there are no cycles"
            )
        layers[name] = set(allowed.split())
    return layers


# Layers beside src/: libraries with public headers.
LIBRARIES = ["client", "embedded"]


def layer_of(path, layers):
    """The innermost layer that holds a path given relative to src/, or to the root for a library."""
    for folder in path.parents:
        if str(folder) in layers:
            return str(folder)
    return None


def place(root, name):
    """Where an include leads, relative to src/, or to the root for a library; None when there is no file."""
    if (root / "src" / name).is_file():
        return pathlib.PurePath(name)
    for library in LIBRARIES:
        if (root / library / "include" / name).is_file():
            return pathlib.PurePath(library, "include", name)
        if name.startswith(library + "/") and (root / name).is_file():
            return pathlib.PurePath(name)
    return None


def check_file(root, path, layers):
    relative = path.relative_to(root)
    inside = relative.relative_to("src") if relative.parts[0] == "src" else relative
    layer = layer_of(inside, layers)
    if layer is None:
        yield f"{relative}:1: belongs to no layer; add its folder to src/LAYERS and to CMakeLists.txt, or move the file"
        return
    allowed = layers[layer] | {layer}
    if path.name.endswith(("_test.cpp", "_test.hpp")):
        allowed |= TEST_LAYERS
    text = cpp_text.without_comments(path.read_text(), keep_strings=True)
    for match in _INCLUDE.finditer(text):
        name = match.group(1)
        at = f"{relative}:{cpp_text.line_of(text, match.start(1))}"
        target = place(root, name)
        if target is None:
            yield f'{at}: no src/{name}; write our own headers from src/ ("base/bytes.hpp"), others as <...>'
            continue
        other = layer_of(target, layers)
        if other not in allowed:
            yield (
                f"{at}: {layer} may not include {name} of {other or 'no layer'}; it may include "
                f"{', '.join(sorted(allowed - {layer})) or 'nothing else'}. Move the code to a layer that may, or pass "
                "in what it needs through an interface of this layer"
            )


def check(root):
    try:
        layers = read_layers(root / "src" / "LAYERS")
    except Problem as problem:
        return [str(problem)]
    return [line for path in cpp_text.sources(root, ["src", *LIBRARIES]) for line in check_file(root, path, layers)]


LAYERS_FOR_TEST = "base:\nruntime: base\nruntime/os: base runtime\nsimulation: base runtime\nbroker: base  # no runtime\nclient: base\nembedded: base client\n"

# (what, file, its text, words that the message must have; none when the file is sound)
CASES = [
    ("a lower layer", "src/runtime/a.hpp", '#include "base/b.hpp"\n', None),
    ("itself", "src/broker/a.hpp", '#include "broker/b.hpp"\n', None),
    ("a higher layer", "src/base/a.hpp", '#include <map>\n#include "runtime/b.hpp"\n', "base/a.hpp:2: base may not"),
    ("an undeclared one", "src/broker/a.hpp", '#include "runtime/b.hpp"\n', "broker may not include runtime/b.hpp"),
    ("a nested layer", "src/runtime/a.hpp", '#include "runtime/os/b.hpp"\n', "of runtime/os"),
    ("below a nested layer", "src/runtime/os/deep/a.cpp", '#include "simulation/b.hpp"\n', "runtime/os may not"),
    ("from a test", "src/broker/a_test.cpp", '#include "simulation/b.hpp"\n', None),
    ("from a test, not everything", "src/base/a_test.cpp", '#include "broker/b.hpp"\n', "base may not"),
    ("in a comment", "src/base/a.hpp", '// #include "broker/b.hpp"\n/*\n#include "broker/b.hpp"\n*/\n', None),
    ("relative to the file", "src/runtime/a.hpp", '#include "b.hpp"\n', "no src/b.hpp"),
    ("a private header of the client", "client/src/a.cpp", '#include "client/src/b.hpp"\n', None),
    ("a public header of the client", "client/src/a.cpp", '#include "millrace/b.hpp"\n', None),
    ("from the client, what it may not", "client/a_test.cpp", '#include "broker/b.hpp"\n', "client may not include"),
    ("from embedded, the client", "embedded/src/a.cpp", '#include "client/src/b.hpp"\n', None),
    ("from embedded, what it may not", "embedded/a.cpp", '#include "broker/b.hpp"\n', "embedded may not include"),
    ("embedded, from the client", "client/src/a.cpp", '#include "embedded/src/b.hpp"\n', "of embedded"),
    ("the client, from below", "src/base/a.hpp", '#include "client/src/b.hpp"\n', "of client"),
    ("without a layer", "src/lost/a.hpp", "", "belongs to no layer"),
    ("a cycle", "src/LAYERS", "base: broker\nbroker: base\n", "src/LAYERS:1: base may include broker"),
]


def self_test():
    failures = 0
    for what, name, text, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            files = {f"src/{layer}/b.hpp": "" for layer in ("base", "runtime", "runtime/os", "simulation", "broker")}
            files |= {"client/src/b.hpp": "", "client/include/millrace/b.hpp": "", "embedded/src/b.hpp": ""}
            files |= {"src/LAYERS": LAYERS_FOR_TEST, name: text}
            for path, content in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content)
            found = check(root)
        good = len(found) == 1 and expected in found[0] if expected else not found
        if not good:
            failures += 1
            print(f"self-test '{what}': expected {expected or 'no message'}, got {found}")
    print(f"{len(CASES) - failures} of {len(CASES)} self-tests passed")
    return failures == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return 0 if self_test() else 1
    found = check(options.root)
    print("\n".join(found) if found else "every include keeps to src/LAYERS")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
