#!/usr/bin/env python3
"""Makes methods.hpp, and methods_test_fields.hpp for its tests, of src/codec/amqp091/protocol.txt.

  generate_amqp091.py           writes the headers
  generate_amqp091.py --check   exit 1 if a header in the tree is not what would be written

The headers are committed, so a build needs no Python.
"""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "src" / "codec" / "amqp091"
SOURCE = FOLDER / "protocol.txt"

WIDTH = 110  # as .clang-format has it
INTEGERS = {"octet": 8, "short": 16, "long": 32, "longlong": 64}


def camel(name):
    return "".join(part.capitalize() for part in name.split("-"))


def snake(name):
    return name.replace("-", "_")


def read_protocol(text):
    """[(class id, class name, [(method id, name, content, [(field, type)])])]"""
    classes = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "class":
            classes.append((int(words[1]), words[2], []))
            continue
        fields = [tuple(word.split(":")) for word in words[2:] if word != "+content"]
        for _, kind in fields:
            if kind not in ("bit", "shortstr", "longstr", "table", *INTEGERS):
                sys.exit(f"{SOURCE.name}:{number}: unknown type {kind}")
        classes[-1][2].append((int(words[0]), words[1], "+content" in words, fields))
    return classes


def groups(fields):
    """The fields with each run of at most eight bits gathered into one ("bits", [names])."""
    gathered = []
    for name, kind in fields:
        name = snake(name)
        if kind != "bit":
            gathered.append((kind, name))
        elif gathered and gathered[-1][0] == "bits" and len(gathered[-1][1]) < 8:
            gathered[-1][1].append(name)
        else:
            gathered.append(("bits", [name]))
    return gathered


def declaration(name, kind):
    name = snake(name)
    if kind == "bit":
        return f"bool {name} = false;"
    if kind in INTEGERS:
        return f"std::uint{INTEGERS[kind]}_t {name} = 0;"
    return f"{'TableView' if kind == 'table' else 'std::string_view'} {name};"


def size_expression(fields):
    fixed, variable = 0, []
    for kind, name in groups(fields):
        if kind == "bits":
            fixed += 1
        elif kind in INTEGERS:
            fixed += INTEGERS[kind] // 8
        elif kind == "shortstr":
            variable.append(f"wire::short_text_bytes({name})")
        elif kind == "longstr":
            variable.append(f"wire::long_bytes(as_bytes({name}))")
        else:
            variable.append(f"wire::long_bytes({name}.bytes)")
    return " + ".join(([str(fixed)] if fixed or not variable else []) + variable)


def wrapped(indent, head, parts, joint):
    """`head` and the parts on one line, or broken between parts where it would pass column 110."""
    lines, line = [], " " * indent + head
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        piece = part + (";" if last else joint)
        if len(line) + len(piece.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = " " * (indent + len(head)) + piece
        else:
            line += piece
    return lines + [line]


def put_lines(fields):
    for kind, name in groups(fields):
        if kind == "bits":
            bits = [f"{bit} << {index}" if index else bit for index, bit in enumerate(name)]
            if len(bits) == 1:
                yield f"    at = wire::put(at, static_cast<std::uint8_t>({bits[0]}));"
            else:
                yield "    std::uint8_t bits = 0;"
                for index, bit in enumerate(name):
                    yield f"    if ({bit}) bits |= {1 << index};"
                yield "    at = wire::put(at, bits);"
        elif kind in INTEGERS:
            yield f"    at = wire::put(at, {name});"
        elif kind == "shortstr":
            yield f"    at = wire::put_short_text(at, {name});"
        elif kind == "longstr":
            yield f"    at = wire::put_long_bytes(at, as_bytes({name}));"
        else:
            yield f"    at = wire::put_long_bytes(at, {name}.bytes);"


def parse_lines(fields):
    for kind, name in groups(fields):
        if kind == "bits":
            if len(name) == 1:
                yield f"    out.{name[0]} = (in.u8() & 1) != 0;"
            else:
                yield "    const std::uint8_t bits = in.u8();"
                for index, bit in enumerate(name):
                    yield f"    out.{bit} = (bits & {1 << index}) != 0;"
        elif kind in INTEGERS:
            yield f"    out.{name} = in.be<std::uint{INTEGERS[kind]}_t>();"
        elif kind == "shortstr":
            yield f"    out.{name} = in.text(in.u8());"
        elif kind == "longstr":
            yield f"    out.{name} = in.text(in.be<std::uint32_t>());"
        else:
            yield f"    out.{name}.bytes = in.bytes(in.be<std::uint32_t>());"


def struct(class_id, class_name, method):
    method_id, name, content, fields = method
    used = bool(fields)
    yield f"struct {camel(name)} {{"
    yield f"  static constexpr std::uint32_t id = 0x{class_id << 16 | method_id:08x};"
    yield f'  static constexpr std::string_view name = "{class_name}.{name}";'
    yield f"  static constexpr bool has_content = {'true' if content else 'false'};"
    if used:
        yield ""
        for field in fields:
            yield "  " + declaration(*field)
    yield ""
    if used:
        size = size_expression(fields)
        line = f"  std::size_t argument_bytes() const noexcept {{ return {size}; }}"
        if len(line) <= WIDTH:
            yield line
        else:
            yield "  std::size_t argument_bytes() const noexcept {"
            yield from wrapped(4, "return ", size.split(" + "), " + ")
            yield "  }"
        yield "  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {"
        yield from put_lines(fields)
        yield "    return at;"
        yield "  }"
        yield f"  static bool parse(Reader& in, {camel(name)}& out) noexcept {{"
        yield from parse_lines(fields)
        yield "    return in.at_end() && !in.failed();"
        yield "  }"
    else:
        yield "  std::size_t argument_bytes() const noexcept { return 0; }"
        yield "  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }"
        yield f"  static bool parse(Reader& in, {camel(name)}&) noexcept {{ return in.at_end() && !in.failed(); }}"
    yield "};"


HEAD = """\
// The methods of AMQP 0-9-1. Made from protocol.txt by tools/generate_amqp091.py; change those, not this.
//
// Parsed texts and tables are views into the bytes received. Tables are not looked into: see valid() in
// table.hpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "codec/amqp091/constants.hpp"
#include "codec/amqp091/table.hpp"
#include "codec/amqp091/wire.hpp"

namespace millrace::amqp091 {
"""

TAIL = """\
namespace wire {

template <class Method>
std::size_t method_frame_bytes(const Method& method) noexcept {
  return kFrameOverhead + sizeof Method::id + method.argument_bytes();
}

template <class Method>
std::uint8_t* put_method_frame(std::uint8_t* at, std::uint16_t channel, const Method& method) noexcept {
  std::uint8_t* const size_at = at + kFrameHeaderBytes - 4;
  at = put_frame_header(at, FrameType::method, channel, 0);
  at = method.put_arguments(put(at, Method::id));
  store_be(size_at, static_cast<std::uint32_t>(at - size_at - 4));
  *at = kFrameEnd;
  return at + 1;
}

}  // namespace wire

// Writes the whole METHOD frame. Texts of type shortstr are cut at 255 bytes.
template <class Method>
void encode(Buffer& out, std::uint16_t channel, const Method& method) {
  wire::put_method_frame(out.extend(wire::method_frame_bytes(method)), channel, method);
}

enum class Parsed : std::uint8_t { ok, malformed, unknown_method };

// Reads the payload of a METHOD frame and calls visitor(const M&) with the method it holds. The answer is not
// `ok` where it was not called: `malformed` if the arguments are too short or too long, `unknown_method` if
// no method has these numbers (`id` tells which).
template <class Visitor>
Parsed visit_method(ByteView payload, std::uint32_t& id, Visitor&& visitor) {
  Reader in(payload);
  id = in.be<std::uint32_t>();
  if (in.failed()) return Parsed::malformed;
  const auto as = [&]<class Method>(Method method) {
    if (!Method::parse(in, method)) return Parsed::malformed;
    visitor(static_cast<const Method&>(method));
    return Parsed::ok;
  };
  switch (id) {
"""


def generate(classes):
    lines = [HEAD.rstrip("\n")]
    for class_id, class_name, methods in classes:
        lines += ["", f"namespace {class_name} {{"]
        for method in methods:
            lines += ["", *struct(class_id, class_name, method)]
        lines += ["", f"}}  // namespace {class_name}"]
    every = [(c, cn, m, n) for c, cn, methods in classes for m, n, _, _ in methods]
    lines += ["", "enum class MethodId : std::uint32_t {"]
    lines += [f"  {snake(cn)}_{snake(n)} = 0x{c << 16 | m:08x}," for c, cn, m, n in every]
    lines += ["};", ""]
    lines += ['// "basic.publish" and so on; empty if there is no such method.']
    lines += ["constexpr std::string_view method_name(std::uint32_t id) noexcept {", "  switch (id) {"]
    for _, cn, _, n in every:
        lines += [f"    case {cn}::{camel(n)}::id:", f"      return {cn}::{camel(n)}::name;"]
    lines += ["    default:", "      return {};", "  }", "}", ""]
    lines += [TAIL.rstrip("\n")]
    for _, cn, _, n in every:
        lines += [f"    case {cn}::{camel(n)}::id:", f"      return as({cn}::{camel(n)}{{}});"]
    lines += ["    default:", "      return Parsed::unknown_method;", "  }", "}", ""]
    lines += ["}  // namespace millrace::amqp091"]
    return "\n".join(lines) + "\n"


TEST_HEAD = """\
// Every method and every field of every method, for tests that must leave none out. Made from protocol.txt by
// tools/generate_amqp091.py; change those, not this.
#pragma once

#include "codec/amqp091/methods.hpp"

namespace millrace::amqp091 {
"""


def generate_test_fields(classes):
    lines = [TEST_HEAD]
    every = [(f"{cn}::{camel(n)}", fields) for _, cn, methods in classes for _, n, _, fields in methods]
    for name, fields in every:
        lines += ["template <class Visitor>"]
        if fields:
            lines += [f"void for_each_field({name}& method, Visitor visit) {{"]
            lines += [f"  visit(method.{snake(field)});" for field, _ in fields]
            lines += ["}"]
        else:
            lines += [f"void for_each_field({name}&, Visitor) {{}}"]
        lines += [""]
    lines += ["template <class Visitor>", "void for_each_method(Visitor visit) {"]
    lines += [f"  visit({name}{{}});" for name, _ in every]
    lines += ["}", "", "}  // namespace millrace::amqp091"]
    return "\n".join(lines) + "\n"


def main():
    classes = read_protocol(SOURCE.read_text())
    made = {"methods.hpp": generate(classes), "methods_test_fields.hpp": generate_test_fields(classes)}
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    for name, text in made.items():
        target = FOLDER / name
        if not sys.argv[1:]:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            sys.exit(f"{target} is out of date: run tools/generate_amqp091.py")


if __name__ == "__main__":
    main()
