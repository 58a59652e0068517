#include "server/admissions.hpp"

#include <utility>

#include "net/proxy_header.hpp"
#include "runtime/os/socket_stream.hpp"
#include "server/address.hpp"
#include "server/pump.hpp"
#include "server/tls_stream.hpp"

namespace millrace::server {

using Outcome = runtime::ByteStream::Outcome;

// On its way in: waits for readable bytes, and is deleted in a turn in which it waits for nothing.
class Admissions::Guest final : private runtime::ByteStream::Waiter {
 public:
  Guest(Admissions& admissions, std::uint64_t id, Descriptor socket, const sockaddr_storage& peer,
        Threshold threshold)
      : admissions_(admissions), id_(id), threshold_(std::move(threshold)), real_peer_(peer) {
    info_.peer = to_text(peer);
    info_.peer_is_loopback = is_loopback(peer);
    if (threshold_.proxied) {
      plain_ = std::make_unique<runtime::SocketStream>(std::move(socket));
    } else {
      secure_ = std::make_unique<TlsStream>(std::move(socket), threshold_.tls);
    }
  }
  ~Guest() { admissions_.pump_.loop().cancel(deadline_); }

  void begin() {
    if (!stream().attach(admissions_.pump_.loop(), *this)) return admissions_.refuse(id_, "no memory");
    deadline_ = admissions_.pump_.loop().start(admissions_.timeout_, [this] {
      why_ = plain_ ? "its proxy has not said for whom it connects" : "its TLS handshake takes too long";
      stream().cancel_waits();  // ends in a later turn
    });
    go_on();
  }

 private:
  runtime::ByteStream& stream() {
    if (plain_) return *plain_;
    return *secure_;
  }

  void on_readable() override {
    if (!why_.empty()) return admissions_.refuse(id_, why_);
    go_on();
  }
  void on_writable() override { on_readable(); }

  void go_on() {
    if (plain_ && !read_header()) return;
    if (secure_) return shake_hands();
    plain_->detach();
    admissions_.finish(id_, std::move(plain_), std::move(info_));
  }

  // False: it waits for more, or is gone.
  bool read_header() {
    while (header_.wants() > 0) {
      std::uint8_t bytes[512];
      const auto [outcome, got] = plain_->read({bytes, std::min(header_.wants(), sizeof bytes)});
      if (outcome == Outcome::ended) return leave("its proxy left without a word");
      if (outcome == Outcome::not_now) {
        plain_->wait_readable();
        return false;
      }
      if (header_.feed({bytes, got}) == net::ProxyHeader::State::malformed)
        return leave("it comes from a proxy and does not begin with a PROXY header");
    }
    if (header_.has_source()) {
      info_.peer = to_text(header_.source());
      // The loopback of another machine is not ours.
      info_.peer_is_loopback = is_loopback(header_.source()) && is_loopback(real_peer_);
    } else {
      info_.peer_is_loopback = false;  // who is not known is not known to be near
    }
    if (threshold_.tls) {
      plain_->detach();
      secure_ = std::make_unique<TlsStream>(plain_->release(), threshold_.tls);
      plain_.reset();
      if (!secure_->attach(admissions_.pump_.loop(), *this)) return leave("no memory");
    }
    return true;
  }

  bool leave(const std::string& why) {
    admissions_.refuse(id_, why);
    return false;
  }

  void shake_hands() {
    const net::TlsEngine& engine = secure_->engine();
    switch (secure_->handshake()) {
      case net::TlsEngine::Outcome::not_now:
        if (secure_->has_unsent()) return secure_->wait_writable();
        return secure_->wait_readable();
      case net::TlsEngine::Outcome::ended:
        return admissions_.refuse(id_, "it left during the TLS handshake");
      case net::TlsEngine::Outcome::failed:
        return admissions_.refuse(id_, engine.failure());
      case net::TlsEngine::Outcome::done:
        break;
    }
    auto tls = std::make_shared<broker::TlsPeer>();
    tls->version = engine.version();
    tls->cipher = engine.cipher();
    tls->subject = engine.peer_subject();
    tls->issuer = engine.peer_issuer();
    tls->user = engine.peer_name(threshold_.login_from);
    info_.tls = std::move(tls);
    secure_->detach();
    admissions_.finish(id_, std::move(secure_), std::move(info_));
  }

  Admissions& admissions_;
  std::uint64_t id_;
  Threshold threshold_;
  sockaddr_storage real_peer_;
  broker::ConnectionInfo info_;
  net::ProxyHeader header_;
  // One of the two.
  std::unique_ptr<runtime::SocketStream> plain_;
  std::unique_ptr<TlsStream> secure_;
  runtime::TimerId deadline_;
  std::string why_;  // it is to be refused

  friend class Admissions;
};

Admissions::Admissions(Pump& pump, runtime::Milliseconds timeout, Log log)
    : pump_(pump), timeout_(timeout), log_(std::move(log)) {}

Admissions::~Admissions() = default;

void Admissions::admit(Descriptor socket, const sockaddr_storage& peer, Threshold threshold) {
  if (guests_.size() >= kMax) {
    pump_.give_back_place();
    return complain("too many connections are at their TLS handshake or PROXY header: new ones are closed");
  }
  const std::uint64_t id = ++last_id_;
  auto guest = std::make_unique<Guest>(*this, id, std::move(socket), peer, std::move(threshold));
  Guest& its = *guest;
  guests_.emplace(id, std::move(guest));
  its.begin();
}

void Admissions::finish(std::uint64_t id, std::unique_ptr<runtime::ByteStream> stream,
                        broker::ConnectionInfo info) {
  guests_.erase(id);
  pump_.adopt(std::move(stream), std::move(info));
}

void Admissions::refuse(std::uint64_t id, const std::string& why) {
  const auto found = guests_.find(id);
  complain("connection from " + found->second->info_.peer + " is closed: " + why);
  guests_.erase(found);
  pump_.give_back_place();
}

void Admissions::complain(const std::string& text) {
  if (quiet_) {
    ++unsaid_;
    return;
  }
  quiet_ = true;
  const std::size_t unsaid = std::exchange(unsaid_, 0);
  log_(broker::LogLevel::warning,
       unsaid == 0 ? text : text + " (and " + std::to_string(unsaid) + " others before)");
  pump_.loop().start(kLogInterval, [this] { quiet_ = false; });
}

}  // namespace millrace::server
