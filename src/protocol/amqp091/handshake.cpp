// From connection.start to connection.open, and the methods of channel 0 (AMQP 0-9-1 §2.2.4).
#include <algorithm>
#include <utility>

#include "broker/access/authority.hpp"
#include "broker/access/password.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

void Session::send_start() {
  Buffer properties;
  TableBuilder table(properties);
  table.begin_table("capabilities");
  for (const std::string_view capability :
       {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
        "direct_reply_to"}) {
    table.put_bool(capability, true);
  }
  table.end_table();
  table.put_text("cluster_name", options_.cluster_name)
      .put_text("copyright", options_.copyright)
      .put_text("information", options_.information)
      .put_text("platform", options_.platform)
      .put_text("product", options_.product)
      .put_text("version", options_.version);
  std::string mechanisms = "PLAIN AMQPLAIN";
  if (options_.allow_scram) mechanisms += " SCRAM-SHA-256 SCRAM-SHA-512";
  // Clients such as py-amqp take it as soon as it is offered, and certificates are often asked for in
  // addition to a password: who is not a user must be left to send one.
  if (info_.peer_is_owner || (knows_peer() && gate_->has_user(info_.tls->user))) mechanisms += " EXTERNAL";
  if (options_.allow_anonymous) mechanisms += " ANONYMOUS";
  if (options_.allow_challenge_response) mechanisms += " RABBIT-CR-DEMO";
  send(0, connection::Start{0, 9, table.view(), mechanisms, "en_US"});
  state_ = State::starting;
}

// Who it is, its way in says: the program that the broker runs in, or whom its certificate names.
bool Session::knows_peer() const noexcept {
  return info_.peer_is_owner || (info_.tls && !info_.tls->user.empty());
}

void Session::unexpected_method() {
  fail_connection(ReplyCode::channel_error,
                  "unexpected method in connection state " + std::string(state_name(state_)), method_id_);
}

void Session::read_client_properties(TableView properties) {
  if (const auto name = find(properties, "connection_name")) {
    if (const auto text = name->as_text()) info_.client_name = *text;
  }
  const auto capabilities = find(properties, "capabilities");
  const auto table = capabilities ? capabilities->as_table() : std::nullopt;
  if (!table) return;
  const auto has = [&](std::string_view capability) {
    const auto value = find(*table, capability);
    return value && value->as_bool().value_or(false);
  };
  cancel_notify_ = has("consumer_cancel_notify");
  blocked_notify_ = has("connection.blocked");
  login_failure_close_ = has("authentication_failure_close");
}

// RFC 4616: authorization identity, user and password, with a zero octet before the latter two.
bool Session::plain_login(std::string_view response, broker::Credentials& login) const {
  const std::size_t user_at = response.find('\0');
  if (user_at == std::string_view::npos) return false;
  const std::size_t secret_at = response.find('\0', user_at + 1);
  if (secret_at == std::string_view::npos) return false;
  login.user = response.substr(user_at + 1, secret_at - user_at - 1);
  login.secret = std::string(response.substr(secret_at + 1));
  return true;
}

bool Session::amqplain_login(std::string_view response, broker::Credentials& login) {
  const TableView table{as_bytes(response)};
  if (!valid(table)) return false;
  const auto user = find(table, "LOGIN");
  const auto secret = find(table, "PASSWORD");
  if (!user || !secret || !user->as_text() || !secret->as_text()) return false;
  login.user = *user->as_text();
  login.secret = std::string(*secret->as_text());
  return true;
}

void Session::on0(const connection::StartOk& method) {
  if (state_ != State::starting) return unexpected_method();
  if (!valid(method.client_properties)) return unparsed(Parsed::malformed, method_id_);
  read_client_properties(method.client_properties);
  mechanism_ = method.mechanism;
  broker::Credentials login;
  bool readable = false;
  if (mechanism_ == "PLAIN") {
    readable = plain_login(method.response, login);
  } else if (mechanism_ == "AMQPLAIN") {
    readable = amqplain_login(method.response, login);
  } else if (mechanism_ == "EXTERNAL" && knows_peer()) {
    login.by_certificate = !info_.peer_is_owner;
    readable = true;
  } else if (mechanism_ == "SCRAM-SHA-256" && options_.allow_scram) {
    return begin_scram(broker::ScramHash::sha256, method.response);
  } else if (mechanism_ == "SCRAM-SHA-512" && options_.allow_scram) {
    return begin_scram(broker::ScramHash::sha512, method.response);
  } else if (mechanism_ == "ANONYMOUS" && options_.allow_anonymous) {
    login = options_.anonymous_login;
    readable = true;
  } else if (mechanism_ == "RABBIT-CR-DEMO" && options_.allow_challenge_response) {
    challenged_user_ = method.response;
    state_ = State::securing;
    return send(0, connection::Secure{"Please tell me your password"});
  } else {
    return fail_connection(ReplyCode::command_invalid,
                           "unknown authentication mechanism '" + mechanism_ + "'", method_id_);
  }
  if (!readable) return login_refused();
  authenticate(std::move(login));
}

void Session::on0(const connection::SecureOk& method) {
  if (state_ != State::securing) return unexpected_method();
  if (scram_subject_) {
    if (!method.response.empty()) return login_refused();
    return authenticated(std::move(*std::exchange(scram_subject_, std::nullopt)));
  }
  if (scram_) return finish_scram(method.response);
  constexpr std::string_view kAnswer = "My password is ";
  if (!method.response.starts_with(kAnswer)) return login_refused();
  authenticate({challenged_user_, std::string(method.response.substr(kAnswer.size()))});
}

template <class T, class Ask>
void Session::wait_for_login(Ask ask, void (Session::*then)(result<T>)) {
  state_ = State::authenticating;
  login_pending_ = true;
  ask([this, then](result<T> outcome) {
    login_pending_ = false;
    if (disconnected_) return transport_.session_done();
    if (state_ != State::authenticating) return;  // timed out
    (this->*then)(std::move(outcome));
    resume(kWaitsForBroker);
    if (!in_turn_) finish_turn();
  });
  if (login_pending_) pause(kWaitsForBroker);
}

void Session::authenticate(broker::Credentials login) {
  wait_for_login<broker::Subject>(
      [&](auto done) { gate_->authenticate(std::move(login), info_, std::move(done)); },
      &Session::authenticated);
}

// RFC 5802, with a challenge of connection.secure for each message of ours.
void Session::begin_scram(broker::ScramHash hash, std::string_view client_first) {
  wait_for_login<broker::ScramChallenge>(
      [&](auto done) { gate_->begin_scram(hash, client_first, info_, std::move(done)); },
      &Session::scram_challenged);
}

void Session::scram_challenged(result<broker::ScramChallenge> challenge) {
  if (challenge.has_error()) return login_refused();
  scram_ = std::move(challenge->login);
  state_ = State::securing;
  send(0, connection::Secure{challenge->server_first});
}

void Session::finish_scram(std::string_view client_final) {
  wait_for_login<broker::ScramSuccess>(
      [&](auto done) { gate_->finish_scram(std::move(scram_), client_final, info_, std::move(done)); },
      &Session::scram_succeeded);
}

void Session::scram_succeeded(result<broker::ScramSuccess> success) {
  if (success.has_error()) return login_refused();
  scram_subject_ = std::move(success->subject);
  state_ = State::securing;
  send(0, connection::Secure{success->server_final});
}

void Session::authenticated(result<broker::Subject> subject) {
  if (!subject.has_value()) return login_refused();
  subject_ = std::move(*subject);
  state_ = State::tuning;
  send(0, connection::Tune{options_.channel_max, options_.frame_max, options_.heartbeat_s});
}

void Session::login_refused() {
  if (login_failure_close_) {
    return fail_connection(ReplyCode::access_refused,
                           "Login was refused using authentication mechanism " + mechanism_ +
                               ". For details see the broker logfile.",
                           0);
  }
  // All that an older client understands is the end of the connection; not at once, so that guessing is slow.
  state_ = State::ended;
  transport_.cancel_timer(close_timer_);
  close_timer_ = transport_.start_timer(options_.silent_failure_delay_ms, [this] {
    close_timer_ = {};
    transport_.close_now();
  });
}

void Session::on0(const connection::TuneOk& method) {
  if (state_ != State::tuning) return unexpected_method();
  const std::uint32_t lowest = options_.strict_frame_max ? 8192 : kMinFrameMax;
  const auto refuse = [&](std::string_view what, std::uint64_t value, std::string_view relation,
                          std::uint64_t limit) {
    fail_connection(ReplyCode::not_allowed,
                    "negotiated " + std::string(what) + " = " + std::to_string(value) + " is " +
                        std::string(relation) + " allowed value (" + std::to_string(limit) + ")",
                    method_id_);
  };
  // 0 is no limit: above all others.
  if (method.frame_max != 0 && method.frame_max < lowest) {
    return refuse("frame_max", method.frame_max, "lower than the minimum", lowest);
  }
  if (options_.frame_max != 0 && (method.frame_max == 0 || method.frame_max > options_.frame_max)) {
    return refuse("frame_max", method.frame_max, "higher than the maximum", options_.frame_max);
  }
  if (options_.channel_max != 0 && (method.channel_max == 0 || method.channel_max > options_.channel_max)) {
    return refuse("channel_max", method.channel_max, "higher than the maximum", options_.channel_max);
  }
  frame_max_ = method.frame_max;
  channel_max_ = method.channel_max;
  max_message_bytes_ = std::min(gate_->max_message_bytes(), kMessageBytesCap);
  start_heartbeats(method.heartbeat);
  state_ = State::opening;
}

void Session::on0(const connection::Open& method) {
  if (state_ != State::opening) return unexpected_method();
  asks_rights_ = subject_.rights && subject_.rights->asks() != nullptr;
  if (!asks_rights_) return open(method.virtual_host);
  wanted_vhost_ = method.virtual_host;
  wait_for_login<broker::Subject>([&](auto done) { gate_->enter(subject_, wanted_vhost_, std::move(done)); },
                                  &Session::entered);
}

void Session::entered(result<broker::Subject> subject) {
  subject_ = std::move(*subject);
  state_ = State::opening;
  open(wanted_vhost_);
}

void Session::open(std::string_view vhost) {
  auto opened = gate_->open(subject_, vhost, info_, *this);
  if (!opened.has_value()) {
    const Fault fault = fault_of(opened.error());
    return fail_connection(fault.code, fault.text, connection::Open::id);
  }
  connection_ = std::move(*opened);
  blocked_ = connection_->publishers_blocked();
  transport_.cancel_timer(close_timer_);
  close_timer_ = {};
  state_ = State::running;
  send(0, connection::OpenOk{});
}

void Session::on0(const connection::UpdateSecret& method) {
  if (state_ != State::running) return unexpected_method();
  secret_pending_ = true;
  connection_->update_secret(method.new_secret, [this](result<void> outcome) {
    secret_pending_ = false;
    if (broker_closing_) return;
    if (outcome.has_value()) {
      send(0, connection::UpdateSecretOk{});
    } else {
      fail_connection(ReplyCode::not_allowed, "New secret was refused by one of the backends",
                      connection::UpdateSecret::id);
    }
    resume(kWaitsForBroker);
    if (!in_turn_) finish_turn();
  });
  if (secret_pending_) pause(kWaitsForBroker);
}

}  // namespace millrace::amqp091
