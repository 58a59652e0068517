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

namespace connection {

struct Start {
  static constexpr std::uint32_t id = 0x000a000a;
  static constexpr std::string_view name = "connection.start";
  static constexpr bool has_content = false;

  std::uint8_t version_major = 0;
  std::uint8_t version_minor = 0;
  TableView server_properties;
  std::string_view mechanisms;
  std::string_view locales;

  std::size_t argument_bytes() const noexcept {
    return 2 + wire::long_bytes(server_properties.bytes) + wire::long_bytes(as_bytes(mechanisms)) +
           wire::long_bytes(as_bytes(locales));
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, version_major);
    at = wire::put(at, version_minor);
    at = wire::put_long_bytes(at, server_properties.bytes);
    at = wire::put_long_bytes(at, as_bytes(mechanisms));
    at = wire::put_long_bytes(at, as_bytes(locales));
    return at;
  }
  static bool parse(Reader& in, Start& out) noexcept {
    out.version_major = in.be<std::uint8_t>();
    out.version_minor = in.be<std::uint8_t>();
    out.server_properties.bytes = in.bytes(in.be<std::uint32_t>());
    out.mechanisms = in.text(in.be<std::uint32_t>());
    out.locales = in.text(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct StartOk {
  static constexpr std::uint32_t id = 0x000a000b;
  static constexpr std::string_view name = "connection.start-ok";
  static constexpr bool has_content = false;

  TableView client_properties;
  std::string_view mechanism;
  std::string_view response;
  std::string_view locale;

  std::size_t argument_bytes() const noexcept {
    return wire::long_bytes(client_properties.bytes) + wire::short_text_bytes(mechanism) +
           wire::long_bytes(as_bytes(response)) + wire::short_text_bytes(locale);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_long_bytes(at, client_properties.bytes);
    at = wire::put_short_text(at, mechanism);
    at = wire::put_long_bytes(at, as_bytes(response));
    at = wire::put_short_text(at, locale);
    return at;
  }
  static bool parse(Reader& in, StartOk& out) noexcept {
    out.client_properties.bytes = in.bytes(in.be<std::uint32_t>());
    out.mechanism = in.text(in.u8());
    out.response = in.text(in.be<std::uint32_t>());
    out.locale = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Secure {
  static constexpr std::uint32_t id = 0x000a0014;
  static constexpr std::string_view name = "connection.secure";
  static constexpr bool has_content = false;

  std::string_view challenge;

  std::size_t argument_bytes() const noexcept { return wire::long_bytes(as_bytes(challenge)); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_long_bytes(at, as_bytes(challenge));
    return at;
  }
  static bool parse(Reader& in, Secure& out) noexcept {
    out.challenge = in.text(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct SecureOk {
  static constexpr std::uint32_t id = 0x000a0015;
  static constexpr std::string_view name = "connection.secure-ok";
  static constexpr bool has_content = false;

  std::string_view response;

  std::size_t argument_bytes() const noexcept { return wire::long_bytes(as_bytes(response)); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_long_bytes(at, as_bytes(response));
    return at;
  }
  static bool parse(Reader& in, SecureOk& out) noexcept {
    out.response = in.text(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct Tune {
  static constexpr std::uint32_t id = 0x000a001e;
  static constexpr std::string_view name = "connection.tune";
  static constexpr bool has_content = false;

  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;

  std::size_t argument_bytes() const noexcept { return 8; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, channel_max);
    at = wire::put(at, frame_max);
    at = wire::put(at, heartbeat);
    return at;
  }
  static bool parse(Reader& in, Tune& out) noexcept {
    out.channel_max = in.be<std::uint16_t>();
    out.frame_max = in.be<std::uint32_t>();
    out.heartbeat = in.be<std::uint16_t>();
    return in.at_end() && !in.failed();
  }
};

struct TuneOk {
  static constexpr std::uint32_t id = 0x000a001f;
  static constexpr std::string_view name = "connection.tune-ok";
  static constexpr bool has_content = false;

  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;

  std::size_t argument_bytes() const noexcept { return 8; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, channel_max);
    at = wire::put(at, frame_max);
    at = wire::put(at, heartbeat);
    return at;
  }
  static bool parse(Reader& in, TuneOk& out) noexcept {
    out.channel_max = in.be<std::uint16_t>();
    out.frame_max = in.be<std::uint32_t>();
    out.heartbeat = in.be<std::uint16_t>();
    return in.at_end() && !in.failed();
  }
};

struct Open {
  static constexpr std::uint32_t id = 0x000a0028;
  static constexpr std::string_view name = "connection.open";
  static constexpr bool has_content = false;

  std::string_view virtual_host;
  std::string_view capabilities;
  bool insist = false;

  std::size_t argument_bytes() const noexcept {
    return 1 + wire::short_text_bytes(virtual_host) + wire::short_text_bytes(capabilities);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, virtual_host);
    at = wire::put_short_text(at, capabilities);
    at = wire::put(at, static_cast<std::uint8_t>(insist));
    return at;
  }
  static bool parse(Reader& in, Open& out) noexcept {
    out.virtual_host = in.text(in.u8());
    out.capabilities = in.text(in.u8());
    out.insist = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct OpenOk {
  static constexpr std::uint32_t id = 0x000a0029;
  static constexpr std::string_view name = "connection.open-ok";
  static constexpr bool has_content = false;

  std::string_view known_hosts;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(known_hosts); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, known_hosts);
    return at;
  }
  static bool parse(Reader& in, OpenOk& out) noexcept {
    out.known_hosts = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Close {
  static constexpr std::uint32_t id = 0x000a0032;
  static constexpr std::string_view name = "connection.close";
  static constexpr bool has_content = false;

  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;

  std::size_t argument_bytes() const noexcept { return 6 + wire::short_text_bytes(reply_text); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, reply_code);
    at = wire::put_short_text(at, reply_text);
    at = wire::put(at, class_id);
    at = wire::put(at, method_id);
    return at;
  }
  static bool parse(Reader& in, Close& out) noexcept {
    out.reply_code = in.be<std::uint16_t>();
    out.reply_text = in.text(in.u8());
    out.class_id = in.be<std::uint16_t>();
    out.method_id = in.be<std::uint16_t>();
    return in.at_end() && !in.failed();
  }
};

struct CloseOk {
  static constexpr std::uint32_t id = 0x000a0033;
  static constexpr std::string_view name = "connection.close-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, CloseOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Blocked {
  static constexpr std::uint32_t id = 0x000a003c;
  static constexpr std::string_view name = "connection.blocked";
  static constexpr bool has_content = false;

  std::string_view reason;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(reason); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, reason);
    return at;
  }
  static bool parse(Reader& in, Blocked& out) noexcept {
    out.reason = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Unblocked {
  static constexpr std::uint32_t id = 0x000a003d;
  static constexpr std::string_view name = "connection.unblocked";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, Unblocked&) noexcept { return in.at_end() && !in.failed(); }
};

struct UpdateSecret {
  static constexpr std::uint32_t id = 0x000a0046;
  static constexpr std::string_view name = "connection.update-secret";
  static constexpr bool has_content = false;

  std::string_view new_secret;
  std::string_view reason;

  std::size_t argument_bytes() const noexcept {
    return wire::long_bytes(as_bytes(new_secret)) + wire::short_text_bytes(reason);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_long_bytes(at, as_bytes(new_secret));
    at = wire::put_short_text(at, reason);
    return at;
  }
  static bool parse(Reader& in, UpdateSecret& out) noexcept {
    out.new_secret = in.text(in.be<std::uint32_t>());
    out.reason = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct UpdateSecretOk {
  static constexpr std::uint32_t id = 0x000a0047;
  static constexpr std::string_view name = "connection.update-secret-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, UpdateSecretOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace connection

namespace channel {

struct Open {
  static constexpr std::uint32_t id = 0x0014000a;
  static constexpr std::string_view name = "channel.open";
  static constexpr bool has_content = false;

  std::string_view out_of_band;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(out_of_band); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, out_of_band);
    return at;
  }
  static bool parse(Reader& in, Open& out) noexcept {
    out.out_of_band = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct OpenOk {
  static constexpr std::uint32_t id = 0x0014000b;
  static constexpr std::string_view name = "channel.open-ok";
  static constexpr bool has_content = false;

  std::string_view channel_id;

  std::size_t argument_bytes() const noexcept { return wire::long_bytes(as_bytes(channel_id)); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_long_bytes(at, as_bytes(channel_id));
    return at;
  }
  static bool parse(Reader& in, OpenOk& out) noexcept {
    out.channel_id = in.text(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct Flow {
  static constexpr std::uint32_t id = 0x00140014;
  static constexpr std::string_view name = "channel.flow";
  static constexpr bool has_content = false;

  bool active = false;

  std::size_t argument_bytes() const noexcept { return 1; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, static_cast<std::uint8_t>(active));
    return at;
  }
  static bool parse(Reader& in, Flow& out) noexcept {
    out.active = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct FlowOk {
  static constexpr std::uint32_t id = 0x00140015;
  static constexpr std::string_view name = "channel.flow-ok";
  static constexpr bool has_content = false;

  bool active = false;

  std::size_t argument_bytes() const noexcept { return 1; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, static_cast<std::uint8_t>(active));
    return at;
  }
  static bool parse(Reader& in, FlowOk& out) noexcept {
    out.active = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct Close {
  static constexpr std::uint32_t id = 0x00140028;
  static constexpr std::string_view name = "channel.close";
  static constexpr bool has_content = false;

  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;

  std::size_t argument_bytes() const noexcept { return 6 + wire::short_text_bytes(reply_text); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, reply_code);
    at = wire::put_short_text(at, reply_text);
    at = wire::put(at, class_id);
    at = wire::put(at, method_id);
    return at;
  }
  static bool parse(Reader& in, Close& out) noexcept {
    out.reply_code = in.be<std::uint16_t>();
    out.reply_text = in.text(in.u8());
    out.class_id = in.be<std::uint16_t>();
    out.method_id = in.be<std::uint16_t>();
    return in.at_end() && !in.failed();
  }
};

struct CloseOk {
  static constexpr std::uint32_t id = 0x00140029;
  static constexpr std::string_view name = "channel.close-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, CloseOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace channel

namespace access {

struct Request {
  static constexpr std::uint32_t id = 0x001e000a;
  static constexpr std::string_view name = "access.request";
  static constexpr bool has_content = false;

  std::string_view realm;
  bool exclusive = false;
  bool passive = false;
  bool active = false;
  bool write = false;
  bool read = false;

  std::size_t argument_bytes() const noexcept { return 1 + wire::short_text_bytes(realm); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, realm);
    std::uint8_t bits = 0;
    if (exclusive) bits |= 1;
    if (passive) bits |= 2;
    if (active) bits |= 4;
    if (write) bits |= 8;
    if (read) bits |= 16;
    at = wire::put(at, bits);
    return at;
  }
  static bool parse(Reader& in, Request& out) noexcept {
    out.realm = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.exclusive = (bits & 1) != 0;
    out.passive = (bits & 2) != 0;
    out.active = (bits & 4) != 0;
    out.write = (bits & 8) != 0;
    out.read = (bits & 16) != 0;
    return in.at_end() && !in.failed();
  }
};

struct RequestOk {
  static constexpr std::uint32_t id = 0x001e000b;
  static constexpr std::string_view name = "access.request-ok";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;

  std::size_t argument_bytes() const noexcept { return 2; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    return at;
  }
  static bool parse(Reader& in, RequestOk& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    return in.at_end() && !in.failed();
  }
};

}  // namespace access

namespace exchange {

struct Declare {
  static constexpr std::uint32_t id = 0x0028000a;
  static constexpr std::string_view name = "exchange.declare";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view exchange;
  std::string_view type;
  bool passive = false;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(exchange) + wire::short_text_bytes(type) +
           wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, type);
    std::uint8_t bits = 0;
    if (passive) bits |= 1;
    if (durable) bits |= 2;
    if (auto_delete) bits |= 4;
    if (internal) bits |= 8;
    if (nowait) bits |= 16;
    at = wire::put(at, bits);
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Declare& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.exchange = in.text(in.u8());
    out.type = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.passive = (bits & 1) != 0;
    out.durable = (bits & 2) != 0;
    out.auto_delete = (bits & 4) != 0;
    out.internal = (bits & 8) != 0;
    out.nowait = (bits & 16) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct DeclareOk {
  static constexpr std::uint32_t id = 0x0028000b;
  static constexpr std::string_view name = "exchange.declare-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, DeclareOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Delete {
  static constexpr std::uint32_t id = 0x00280014;
  static constexpr std::string_view name = "exchange.delete";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view exchange;
  bool if_unused = false;
  bool nowait = false;

  std::size_t argument_bytes() const noexcept { return 3 + wire::short_text_bytes(exchange); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, exchange);
    std::uint8_t bits = 0;
    if (if_unused) bits |= 1;
    if (nowait) bits |= 2;
    at = wire::put(at, bits);
    return at;
  }
  static bool parse(Reader& in, Delete& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.exchange = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.if_unused = (bits & 1) != 0;
    out.nowait = (bits & 2) != 0;
    return in.at_end() && !in.failed();
  }
};

struct DeleteOk {
  static constexpr std::uint32_t id = 0x00280015;
  static constexpr std::string_view name = "exchange.delete-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, DeleteOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Bind {
  static constexpr std::uint32_t id = 0x0028001e;
  static constexpr std::string_view name = "exchange.bind";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view destination;
  std::string_view source;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(destination) + wire::short_text_bytes(source) +
           wire::short_text_bytes(routing_key) + wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, destination);
    at = wire::put_short_text(at, source);
    at = wire::put_short_text(at, routing_key);
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Bind& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.destination = in.text(in.u8());
    out.source = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    out.nowait = (in.u8() & 1) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct BindOk {
  static constexpr std::uint32_t id = 0x0028001f;
  static constexpr std::string_view name = "exchange.bind-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, BindOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Unbind {
  static constexpr std::uint32_t id = 0x00280028;
  static constexpr std::string_view name = "exchange.unbind";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view destination;
  std::string_view source;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(destination) + wire::short_text_bytes(source) +
           wire::short_text_bytes(routing_key) + wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, destination);
    at = wire::put_short_text(at, source);
    at = wire::put_short_text(at, routing_key);
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Unbind& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.destination = in.text(in.u8());
    out.source = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    out.nowait = (in.u8() & 1) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct UnbindOk {
  static constexpr std::uint32_t id = 0x00280033;
  static constexpr std::string_view name = "exchange.unbind-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, UnbindOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace exchange

namespace queue {

struct Declare {
  static constexpr std::uint32_t id = 0x0032000a;
  static constexpr std::string_view name = "queue.declare";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  bool passive = false;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(queue) + wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    std::uint8_t bits = 0;
    if (passive) bits |= 1;
    if (durable) bits |= 2;
    if (exclusive) bits |= 4;
    if (auto_delete) bits |= 8;
    if (nowait) bits |= 16;
    at = wire::put(at, bits);
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Declare& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.passive = (bits & 1) != 0;
    out.durable = (bits & 2) != 0;
    out.exclusive = (bits & 4) != 0;
    out.auto_delete = (bits & 8) != 0;
    out.nowait = (bits & 16) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct DeclareOk {
  static constexpr std::uint32_t id = 0x0032000b;
  static constexpr std::string_view name = "queue.declare-ok";
  static constexpr bool has_content = false;

  std::string_view queue;
  std::uint32_t message_count = 0;
  std::uint32_t consumer_count = 0;

  std::size_t argument_bytes() const noexcept { return 8 + wire::short_text_bytes(queue); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, queue);
    at = wire::put(at, message_count);
    at = wire::put(at, consumer_count);
    return at;
  }
  static bool parse(Reader& in, DeclareOk& out) noexcept {
    out.queue = in.text(in.u8());
    out.message_count = in.be<std::uint32_t>();
    out.consumer_count = in.be<std::uint32_t>();
    return in.at_end() && !in.failed();
  }
};

struct Bind {
  static constexpr std::uint32_t id = 0x00320014;
  static constexpr std::string_view name = "queue.bind";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view exchange;
  std::string_view routing_key;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(queue) + wire::short_text_bytes(exchange) +
           wire::short_text_bytes(routing_key) + wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Bind& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    out.nowait = (in.u8() & 1) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct BindOk {
  static constexpr std::uint32_t id = 0x00320015;
  static constexpr std::string_view name = "queue.bind-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, BindOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Purge {
  static constexpr std::uint32_t id = 0x0032001e;
  static constexpr std::string_view name = "queue.purge";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  bool nowait = false;

  std::size_t argument_bytes() const noexcept { return 3 + wire::short_text_bytes(queue); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    return at;
  }
  static bool parse(Reader& in, Purge& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    out.nowait = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct PurgeOk {
  static constexpr std::uint32_t id = 0x0032001f;
  static constexpr std::string_view name = "queue.purge-ok";
  static constexpr bool has_content = false;

  std::uint32_t message_count = 0;

  std::size_t argument_bytes() const noexcept { return 4; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, message_count);
    return at;
  }
  static bool parse(Reader& in, PurgeOk& out) noexcept {
    out.message_count = in.be<std::uint32_t>();
    return in.at_end() && !in.failed();
  }
};

struct Delete {
  static constexpr std::uint32_t id = 0x00320028;
  static constexpr std::string_view name = "queue.delete";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  bool if_unused = false;
  bool if_empty = false;
  bool nowait = false;

  std::size_t argument_bytes() const noexcept { return 3 + wire::short_text_bytes(queue); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    std::uint8_t bits = 0;
    if (if_unused) bits |= 1;
    if (if_empty) bits |= 2;
    if (nowait) bits |= 4;
    at = wire::put(at, bits);
    return at;
  }
  static bool parse(Reader& in, Delete& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.if_unused = (bits & 1) != 0;
    out.if_empty = (bits & 2) != 0;
    out.nowait = (bits & 4) != 0;
    return in.at_end() && !in.failed();
  }
};

struct DeleteOk {
  static constexpr std::uint32_t id = 0x00320029;
  static constexpr std::string_view name = "queue.delete-ok";
  static constexpr bool has_content = false;

  std::uint32_t message_count = 0;

  std::size_t argument_bytes() const noexcept { return 4; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, message_count);
    return at;
  }
  static bool parse(Reader& in, DeleteOk& out) noexcept {
    out.message_count = in.be<std::uint32_t>();
    return in.at_end() && !in.failed();
  }
};

struct Unbind {
  static constexpr std::uint32_t id = 0x00320032;
  static constexpr std::string_view name = "queue.unbind";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view exchange;
  std::string_view routing_key;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 2 + wire::short_text_bytes(queue) + wire::short_text_bytes(exchange) +
           wire::short_text_bytes(routing_key) + wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Unbind& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct UnbindOk {
  static constexpr std::uint32_t id = 0x00320033;
  static constexpr std::string_view name = "queue.unbind-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, UnbindOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace queue

namespace basic {

struct Qos {
  static constexpr std::uint32_t id = 0x003c000a;
  static constexpr std::string_view name = "basic.qos";
  static constexpr bool has_content = false;

  std::uint32_t prefetch_size = 0;
  std::uint16_t prefetch_count = 0;
  bool global = false;

  std::size_t argument_bytes() const noexcept { return 7; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, prefetch_size);
    at = wire::put(at, prefetch_count);
    at = wire::put(at, static_cast<std::uint8_t>(global));
    return at;
  }
  static bool parse(Reader& in, Qos& out) noexcept {
    out.prefetch_size = in.be<std::uint32_t>();
    out.prefetch_count = in.be<std::uint16_t>();
    out.global = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct QosOk {
  static constexpr std::uint32_t id = 0x003c000b;
  static constexpr std::string_view name = "basic.qos-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, QosOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Consume {
  static constexpr std::uint32_t id = 0x003c0014;
  static constexpr std::string_view name = "basic.consume";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  std::string_view consumer_tag;
  bool no_local = false;
  bool no_ack = false;
  bool exclusive = false;
  bool nowait = false;
  TableView arguments;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(queue) + wire::short_text_bytes(consumer_tag) +
           wire::long_bytes(arguments.bytes);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    at = wire::put_short_text(at, consumer_tag);
    std::uint8_t bits = 0;
    if (no_local) bits |= 1;
    if (no_ack) bits |= 2;
    if (exclusive) bits |= 4;
    if (nowait) bits |= 8;
    at = wire::put(at, bits);
    at = wire::put_long_bytes(at, arguments.bytes);
    return at;
  }
  static bool parse(Reader& in, Consume& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    out.consumer_tag = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.no_local = (bits & 1) != 0;
    out.no_ack = (bits & 2) != 0;
    out.exclusive = (bits & 4) != 0;
    out.nowait = (bits & 8) != 0;
    out.arguments.bytes = in.bytes(in.be<std::uint32_t>());
    return in.at_end() && !in.failed();
  }
};

struct ConsumeOk {
  static constexpr std::uint32_t id = 0x003c0015;
  static constexpr std::string_view name = "basic.consume-ok";
  static constexpr bool has_content = false;

  std::string_view consumer_tag;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(consumer_tag); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, consumer_tag);
    return at;
  }
  static bool parse(Reader& in, ConsumeOk& out) noexcept {
    out.consumer_tag = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Cancel {
  static constexpr std::uint32_t id = 0x003c001e;
  static constexpr std::string_view name = "basic.cancel";
  static constexpr bool has_content = false;

  std::string_view consumer_tag;
  bool nowait = false;

  std::size_t argument_bytes() const noexcept { return 1 + wire::short_text_bytes(consumer_tag); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, consumer_tag);
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    return at;
  }
  static bool parse(Reader& in, Cancel& out) noexcept {
    out.consumer_tag = in.text(in.u8());
    out.nowait = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct CancelOk {
  static constexpr std::uint32_t id = 0x003c001f;
  static constexpr std::string_view name = "basic.cancel-ok";
  static constexpr bool has_content = false;

  std::string_view consumer_tag;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(consumer_tag); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, consumer_tag);
    return at;
  }
  static bool parse(Reader& in, CancelOk& out) noexcept {
    out.consumer_tag = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Publish {
  static constexpr std::uint32_t id = 0x003c0028;
  static constexpr std::string_view name = "basic.publish";
  static constexpr bool has_content = true;

  std::uint16_t ticket = 0;
  std::string_view exchange;
  std::string_view routing_key;
  bool mandatory = false;
  bool immediate = false;

  std::size_t argument_bytes() const noexcept {
    return 3 + wire::short_text_bytes(exchange) + wire::short_text_bytes(routing_key);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    std::uint8_t bits = 0;
    if (mandatory) bits |= 1;
    if (immediate) bits |= 2;
    at = wire::put(at, bits);
    return at;
  }
  static bool parse(Reader& in, Publish& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    const std::uint8_t bits = in.u8();
    out.mandatory = (bits & 1) != 0;
    out.immediate = (bits & 2) != 0;
    return in.at_end() && !in.failed();
  }
};

struct Return {
  static constexpr std::uint32_t id = 0x003c0032;
  static constexpr std::string_view name = "basic.return";
  static constexpr bool has_content = true;

  std::uint16_t reply_code = 0;
  std::string_view reply_text;
  std::string_view exchange;
  std::string_view routing_key;

  std::size_t argument_bytes() const noexcept {
    return 2 + wire::short_text_bytes(reply_text) + wire::short_text_bytes(exchange) +
           wire::short_text_bytes(routing_key);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, reply_code);
    at = wire::put_short_text(at, reply_text);
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    return at;
  }
  static bool parse(Reader& in, Return& out) noexcept {
    out.reply_code = in.be<std::uint16_t>();
    out.reply_text = in.text(in.u8());
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Deliver {
  static constexpr std::uint32_t id = 0x003c003c;
  static constexpr std::string_view name = "basic.deliver";
  static constexpr bool has_content = true;

  std::string_view consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;

  std::size_t argument_bytes() const noexcept {
    return 9 + wire::short_text_bytes(consumer_tag) + wire::short_text_bytes(exchange) +
           wire::short_text_bytes(routing_key);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, consumer_tag);
    at = wire::put(at, delivery_tag);
    at = wire::put(at, static_cast<std::uint8_t>(redelivered));
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    return at;
  }
  static bool parse(Reader& in, Deliver& out) noexcept {
    out.consumer_tag = in.text(in.u8());
    out.delivery_tag = in.be<std::uint64_t>();
    out.redelivered = (in.u8() & 1) != 0;
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Get {
  static constexpr std::uint32_t id = 0x003c0046;
  static constexpr std::string_view name = "basic.get";
  static constexpr bool has_content = false;

  std::uint16_t ticket = 0;
  std::string_view queue;
  bool no_ack = false;

  std::size_t argument_bytes() const noexcept { return 3 + wire::short_text_bytes(queue); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, ticket);
    at = wire::put_short_text(at, queue);
    at = wire::put(at, static_cast<std::uint8_t>(no_ack));
    return at;
  }
  static bool parse(Reader& in, Get& out) noexcept {
    out.ticket = in.be<std::uint16_t>();
    out.queue = in.text(in.u8());
    out.no_ack = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct GetOk {
  static constexpr std::uint32_t id = 0x003c0047;
  static constexpr std::string_view name = "basic.get-ok";
  static constexpr bool has_content = true;

  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;
  std::uint32_t message_count = 0;

  std::size_t argument_bytes() const noexcept {
    return 13 + wire::short_text_bytes(exchange) + wire::short_text_bytes(routing_key);
  }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, delivery_tag);
    at = wire::put(at, static_cast<std::uint8_t>(redelivered));
    at = wire::put_short_text(at, exchange);
    at = wire::put_short_text(at, routing_key);
    at = wire::put(at, message_count);
    return at;
  }
  static bool parse(Reader& in, GetOk& out) noexcept {
    out.delivery_tag = in.be<std::uint64_t>();
    out.redelivered = (in.u8() & 1) != 0;
    out.exchange = in.text(in.u8());
    out.routing_key = in.text(in.u8());
    out.message_count = in.be<std::uint32_t>();
    return in.at_end() && !in.failed();
  }
};

struct GetEmpty {
  static constexpr std::uint32_t id = 0x003c0048;
  static constexpr std::string_view name = "basic.get-empty";
  static constexpr bool has_content = false;

  std::string_view cluster_id;

  std::size_t argument_bytes() const noexcept { return wire::short_text_bytes(cluster_id); }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put_short_text(at, cluster_id);
    return at;
  }
  static bool parse(Reader& in, GetEmpty& out) noexcept {
    out.cluster_id = in.text(in.u8());
    return in.at_end() && !in.failed();
  }
};

struct Ack {
  static constexpr std::uint32_t id = 0x003c0050;
  static constexpr std::string_view name = "basic.ack";
  static constexpr bool has_content = false;

  std::uint64_t delivery_tag = 0;
  bool multiple = false;

  std::size_t argument_bytes() const noexcept { return 9; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, delivery_tag);
    at = wire::put(at, static_cast<std::uint8_t>(multiple));
    return at;
  }
  static bool parse(Reader& in, Ack& out) noexcept {
    out.delivery_tag = in.be<std::uint64_t>();
    out.multiple = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct Reject {
  static constexpr std::uint32_t id = 0x003c005a;
  static constexpr std::string_view name = "basic.reject";
  static constexpr bool has_content = false;

  std::uint64_t delivery_tag = 0;
  bool requeue = false;

  std::size_t argument_bytes() const noexcept { return 9; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, delivery_tag);
    at = wire::put(at, static_cast<std::uint8_t>(requeue));
    return at;
  }
  static bool parse(Reader& in, Reject& out) noexcept {
    out.delivery_tag = in.be<std::uint64_t>();
    out.requeue = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct RecoverAsync {
  static constexpr std::uint32_t id = 0x003c0064;
  static constexpr std::string_view name = "basic.recover-async";
  static constexpr bool has_content = false;

  bool requeue = false;

  std::size_t argument_bytes() const noexcept { return 1; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, static_cast<std::uint8_t>(requeue));
    return at;
  }
  static bool parse(Reader& in, RecoverAsync& out) noexcept {
    out.requeue = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct Recover {
  static constexpr std::uint32_t id = 0x003c006e;
  static constexpr std::string_view name = "basic.recover";
  static constexpr bool has_content = false;

  bool requeue = false;

  std::size_t argument_bytes() const noexcept { return 1; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, static_cast<std::uint8_t>(requeue));
    return at;
  }
  static bool parse(Reader& in, Recover& out) noexcept {
    out.requeue = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct RecoverOk {
  static constexpr std::uint32_t id = 0x003c006f;
  static constexpr std::string_view name = "basic.recover-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, RecoverOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Nack {
  static constexpr std::uint32_t id = 0x003c0078;
  static constexpr std::string_view name = "basic.nack";
  static constexpr bool has_content = false;

  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  bool requeue = false;

  std::size_t argument_bytes() const noexcept { return 9; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, delivery_tag);
    std::uint8_t bits = 0;
    if (multiple) bits |= 1;
    if (requeue) bits |= 2;
    at = wire::put(at, bits);
    return at;
  }
  static bool parse(Reader& in, Nack& out) noexcept {
    out.delivery_tag = in.be<std::uint64_t>();
    const std::uint8_t bits = in.u8();
    out.multiple = (bits & 1) != 0;
    out.requeue = (bits & 2) != 0;
    return in.at_end() && !in.failed();
  }
};

}  // namespace basic

namespace confirm {

struct Select {
  static constexpr std::uint32_t id = 0x0055000a;
  static constexpr std::string_view name = "confirm.select";
  static constexpr bool has_content = false;

  bool nowait = false;

  std::size_t argument_bytes() const noexcept { return 1; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept {
    at = wire::put(at, static_cast<std::uint8_t>(nowait));
    return at;
  }
  static bool parse(Reader& in, Select& out) noexcept {
    out.nowait = (in.u8() & 1) != 0;
    return in.at_end() && !in.failed();
  }
};

struct SelectOk {
  static constexpr std::uint32_t id = 0x0055000b;
  static constexpr std::string_view name = "confirm.select-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, SelectOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace confirm

namespace tx {

struct Select {
  static constexpr std::uint32_t id = 0x005a000a;
  static constexpr std::string_view name = "tx.select";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, Select&) noexcept { return in.at_end() && !in.failed(); }
};

struct SelectOk {
  static constexpr std::uint32_t id = 0x005a000b;
  static constexpr std::string_view name = "tx.select-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, SelectOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Commit {
  static constexpr std::uint32_t id = 0x005a0014;
  static constexpr std::string_view name = "tx.commit";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, Commit&) noexcept { return in.at_end() && !in.failed(); }
};

struct CommitOk {
  static constexpr std::uint32_t id = 0x005a0015;
  static constexpr std::string_view name = "tx.commit-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, CommitOk&) noexcept { return in.at_end() && !in.failed(); }
};

struct Rollback {
  static constexpr std::uint32_t id = 0x005a001e;
  static constexpr std::string_view name = "tx.rollback";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, Rollback&) noexcept { return in.at_end() && !in.failed(); }
};

struct RollbackOk {
  static constexpr std::uint32_t id = 0x005a001f;
  static constexpr std::string_view name = "tx.rollback-ok";
  static constexpr bool has_content = false;

  std::size_t argument_bytes() const noexcept { return 0; }
  std::uint8_t* put_arguments(std::uint8_t* at) const noexcept { return at; }
  static bool parse(Reader& in, RollbackOk&) noexcept { return in.at_end() && !in.failed(); }
};

}  // namespace tx

enum class MethodId : std::uint32_t {
  connection_start = 0x000a000a,
  connection_start_ok = 0x000a000b,
  connection_secure = 0x000a0014,
  connection_secure_ok = 0x000a0015,
  connection_tune = 0x000a001e,
  connection_tune_ok = 0x000a001f,
  connection_open = 0x000a0028,
  connection_open_ok = 0x000a0029,
  connection_close = 0x000a0032,
  connection_close_ok = 0x000a0033,
  connection_blocked = 0x000a003c,
  connection_unblocked = 0x000a003d,
  connection_update_secret = 0x000a0046,
  connection_update_secret_ok = 0x000a0047,
  channel_open = 0x0014000a,
  channel_open_ok = 0x0014000b,
  channel_flow = 0x00140014,
  channel_flow_ok = 0x00140015,
  channel_close = 0x00140028,
  channel_close_ok = 0x00140029,
  access_request = 0x001e000a,
  access_request_ok = 0x001e000b,
  exchange_declare = 0x0028000a,
  exchange_declare_ok = 0x0028000b,
  exchange_delete = 0x00280014,
  exchange_delete_ok = 0x00280015,
  exchange_bind = 0x0028001e,
  exchange_bind_ok = 0x0028001f,
  exchange_unbind = 0x00280028,
  exchange_unbind_ok = 0x00280033,
  queue_declare = 0x0032000a,
  queue_declare_ok = 0x0032000b,
  queue_bind = 0x00320014,
  queue_bind_ok = 0x00320015,
  queue_purge = 0x0032001e,
  queue_purge_ok = 0x0032001f,
  queue_delete = 0x00320028,
  queue_delete_ok = 0x00320029,
  queue_unbind = 0x00320032,
  queue_unbind_ok = 0x00320033,
  basic_qos = 0x003c000a,
  basic_qos_ok = 0x003c000b,
  basic_consume = 0x003c0014,
  basic_consume_ok = 0x003c0015,
  basic_cancel = 0x003c001e,
  basic_cancel_ok = 0x003c001f,
  basic_publish = 0x003c0028,
  basic_return = 0x003c0032,
  basic_deliver = 0x003c003c,
  basic_get = 0x003c0046,
  basic_get_ok = 0x003c0047,
  basic_get_empty = 0x003c0048,
  basic_ack = 0x003c0050,
  basic_reject = 0x003c005a,
  basic_recover_async = 0x003c0064,
  basic_recover = 0x003c006e,
  basic_recover_ok = 0x003c006f,
  basic_nack = 0x003c0078,
  confirm_select = 0x0055000a,
  confirm_select_ok = 0x0055000b,
  tx_select = 0x005a000a,
  tx_select_ok = 0x005a000b,
  tx_commit = 0x005a0014,
  tx_commit_ok = 0x005a0015,
  tx_rollback = 0x005a001e,
  tx_rollback_ok = 0x005a001f,
};

// "basic.publish" and so on; empty if there is no such method.
constexpr std::string_view method_name(std::uint32_t id) noexcept {
  switch (id) {
    case connection::Start::id:
      return connection::Start::name;
    case connection::StartOk::id:
      return connection::StartOk::name;
    case connection::Secure::id:
      return connection::Secure::name;
    case connection::SecureOk::id:
      return connection::SecureOk::name;
    case connection::Tune::id:
      return connection::Tune::name;
    case connection::TuneOk::id:
      return connection::TuneOk::name;
    case connection::Open::id:
      return connection::Open::name;
    case connection::OpenOk::id:
      return connection::OpenOk::name;
    case connection::Close::id:
      return connection::Close::name;
    case connection::CloseOk::id:
      return connection::CloseOk::name;
    case connection::Blocked::id:
      return connection::Blocked::name;
    case connection::Unblocked::id:
      return connection::Unblocked::name;
    case connection::UpdateSecret::id:
      return connection::UpdateSecret::name;
    case connection::UpdateSecretOk::id:
      return connection::UpdateSecretOk::name;
    case channel::Open::id:
      return channel::Open::name;
    case channel::OpenOk::id:
      return channel::OpenOk::name;
    case channel::Flow::id:
      return channel::Flow::name;
    case channel::FlowOk::id:
      return channel::FlowOk::name;
    case channel::Close::id:
      return channel::Close::name;
    case channel::CloseOk::id:
      return channel::CloseOk::name;
    case access::Request::id:
      return access::Request::name;
    case access::RequestOk::id:
      return access::RequestOk::name;
    case exchange::Declare::id:
      return exchange::Declare::name;
    case exchange::DeclareOk::id:
      return exchange::DeclareOk::name;
    case exchange::Delete::id:
      return exchange::Delete::name;
    case exchange::DeleteOk::id:
      return exchange::DeleteOk::name;
    case exchange::Bind::id:
      return exchange::Bind::name;
    case exchange::BindOk::id:
      return exchange::BindOk::name;
    case exchange::Unbind::id:
      return exchange::Unbind::name;
    case exchange::UnbindOk::id:
      return exchange::UnbindOk::name;
    case queue::Declare::id:
      return queue::Declare::name;
    case queue::DeclareOk::id:
      return queue::DeclareOk::name;
    case queue::Bind::id:
      return queue::Bind::name;
    case queue::BindOk::id:
      return queue::BindOk::name;
    case queue::Purge::id:
      return queue::Purge::name;
    case queue::PurgeOk::id:
      return queue::PurgeOk::name;
    case queue::Delete::id:
      return queue::Delete::name;
    case queue::DeleteOk::id:
      return queue::DeleteOk::name;
    case queue::Unbind::id:
      return queue::Unbind::name;
    case queue::UnbindOk::id:
      return queue::UnbindOk::name;
    case basic::Qos::id:
      return basic::Qos::name;
    case basic::QosOk::id:
      return basic::QosOk::name;
    case basic::Consume::id:
      return basic::Consume::name;
    case basic::ConsumeOk::id:
      return basic::ConsumeOk::name;
    case basic::Cancel::id:
      return basic::Cancel::name;
    case basic::CancelOk::id:
      return basic::CancelOk::name;
    case basic::Publish::id:
      return basic::Publish::name;
    case basic::Return::id:
      return basic::Return::name;
    case basic::Deliver::id:
      return basic::Deliver::name;
    case basic::Get::id:
      return basic::Get::name;
    case basic::GetOk::id:
      return basic::GetOk::name;
    case basic::GetEmpty::id:
      return basic::GetEmpty::name;
    case basic::Ack::id:
      return basic::Ack::name;
    case basic::Reject::id:
      return basic::Reject::name;
    case basic::RecoverAsync::id:
      return basic::RecoverAsync::name;
    case basic::Recover::id:
      return basic::Recover::name;
    case basic::RecoverOk::id:
      return basic::RecoverOk::name;
    case basic::Nack::id:
      return basic::Nack::name;
    case confirm::Select::id:
      return confirm::Select::name;
    case confirm::SelectOk::id:
      return confirm::SelectOk::name;
    case tx::Select::id:
      return tx::Select::name;
    case tx::SelectOk::id:
      return tx::SelectOk::name;
    case tx::Commit::id:
      return tx::Commit::name;
    case tx::CommitOk::id:
      return tx::CommitOk::name;
    case tx::Rollback::id:
      return tx::Rollback::name;
    case tx::RollbackOk::id:
      return tx::RollbackOk::name;
    default:
      return {};
  }
}

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
    case connection::Start::id:
      return as(connection::Start{});
    case connection::StartOk::id:
      return as(connection::StartOk{});
    case connection::Secure::id:
      return as(connection::Secure{});
    case connection::SecureOk::id:
      return as(connection::SecureOk{});
    case connection::Tune::id:
      return as(connection::Tune{});
    case connection::TuneOk::id:
      return as(connection::TuneOk{});
    case connection::Open::id:
      return as(connection::Open{});
    case connection::OpenOk::id:
      return as(connection::OpenOk{});
    case connection::Close::id:
      return as(connection::Close{});
    case connection::CloseOk::id:
      return as(connection::CloseOk{});
    case connection::Blocked::id:
      return as(connection::Blocked{});
    case connection::Unblocked::id:
      return as(connection::Unblocked{});
    case connection::UpdateSecret::id:
      return as(connection::UpdateSecret{});
    case connection::UpdateSecretOk::id:
      return as(connection::UpdateSecretOk{});
    case channel::Open::id:
      return as(channel::Open{});
    case channel::OpenOk::id:
      return as(channel::OpenOk{});
    case channel::Flow::id:
      return as(channel::Flow{});
    case channel::FlowOk::id:
      return as(channel::FlowOk{});
    case channel::Close::id:
      return as(channel::Close{});
    case channel::CloseOk::id:
      return as(channel::CloseOk{});
    case access::Request::id:
      return as(access::Request{});
    case access::RequestOk::id:
      return as(access::RequestOk{});
    case exchange::Declare::id:
      return as(exchange::Declare{});
    case exchange::DeclareOk::id:
      return as(exchange::DeclareOk{});
    case exchange::Delete::id:
      return as(exchange::Delete{});
    case exchange::DeleteOk::id:
      return as(exchange::DeleteOk{});
    case exchange::Bind::id:
      return as(exchange::Bind{});
    case exchange::BindOk::id:
      return as(exchange::BindOk{});
    case exchange::Unbind::id:
      return as(exchange::Unbind{});
    case exchange::UnbindOk::id:
      return as(exchange::UnbindOk{});
    case queue::Declare::id:
      return as(queue::Declare{});
    case queue::DeclareOk::id:
      return as(queue::DeclareOk{});
    case queue::Bind::id:
      return as(queue::Bind{});
    case queue::BindOk::id:
      return as(queue::BindOk{});
    case queue::Purge::id:
      return as(queue::Purge{});
    case queue::PurgeOk::id:
      return as(queue::PurgeOk{});
    case queue::Delete::id:
      return as(queue::Delete{});
    case queue::DeleteOk::id:
      return as(queue::DeleteOk{});
    case queue::Unbind::id:
      return as(queue::Unbind{});
    case queue::UnbindOk::id:
      return as(queue::UnbindOk{});
    case basic::Qos::id:
      return as(basic::Qos{});
    case basic::QosOk::id:
      return as(basic::QosOk{});
    case basic::Consume::id:
      return as(basic::Consume{});
    case basic::ConsumeOk::id:
      return as(basic::ConsumeOk{});
    case basic::Cancel::id:
      return as(basic::Cancel{});
    case basic::CancelOk::id:
      return as(basic::CancelOk{});
    case basic::Publish::id:
      return as(basic::Publish{});
    case basic::Return::id:
      return as(basic::Return{});
    case basic::Deliver::id:
      return as(basic::Deliver{});
    case basic::Get::id:
      return as(basic::Get{});
    case basic::GetOk::id:
      return as(basic::GetOk{});
    case basic::GetEmpty::id:
      return as(basic::GetEmpty{});
    case basic::Ack::id:
      return as(basic::Ack{});
    case basic::Reject::id:
      return as(basic::Reject{});
    case basic::RecoverAsync::id:
      return as(basic::RecoverAsync{});
    case basic::Recover::id:
      return as(basic::Recover{});
    case basic::RecoverOk::id:
      return as(basic::RecoverOk{});
    case basic::Nack::id:
      return as(basic::Nack{});
    case confirm::Select::id:
      return as(confirm::Select{});
    case confirm::SelectOk::id:
      return as(confirm::SelectOk{});
    case tx::Select::id:
      return as(tx::Select{});
    case tx::SelectOk::id:
      return as(tx::SelectOk{});
    case tx::Commit::id:
      return as(tx::Commit{});
    case tx::CommitOk::id:
      return as(tx::CommitOk{});
    case tx::Rollback::id:
      return as(tx::Rollback{});
    case tx::RollbackOk::id:
      return as(tx::RollbackOk{});
    default:
      return Parsed::unknown_method;
  }
}

}  // namespace millrace::amqp091
