// The server's side of one TLS connection, without its socket: takes what the peer sent from a Source, and
// leaves what is to be sent to it in output().
//
// Bounds: output() grows by what is written, the handshake's flights and one record for each key update of
// the peer; more than kKeyUpdatesMax of those (RFC 8446 §4.6.3) end the connection, as they cost us more than
// the peer. Thread: one at a time. Errors: failure() says what went wrong, for the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/buffer.hpp"
#include "base/bytes.hpp"
#include "net/tls_context.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct bio_method_st;

namespace millrace::net {

// Which name in a client's certificate is the user's (RabbitMQ's ssl_cert_login_from).
enum class LoginFrom : std::uint8_t { common_name, distinguished_name, san_dns, san_email, san_uri };

class TlsEngine {
 public:
  static constexpr unsigned kKeyUpdatesMax = 64;
  // A record holds no more (RFC 8446 §5.1).
  static constexpr std::size_t kRecordBytes = 16 * 1024;

  class Source {
   public:
    enum class Outcome : std::uint8_t { moved, not_now, ended };
    struct Received {
      Outcome outcome = Outcome::not_now;
      std::size_t bytes = 0;
    };
    virtual Received receive(std::span<std::uint8_t> into) = 0;

   protected:
    ~Source() = default;
  };

  enum class Speaks : std::uint8_t {
    anything,
    http11,  // a client that offers protocols (ALPN, RFC 7301) must offer http/1.1
  };

  TlsEngine(std::shared_ptr<const TlsContext> context, Source& source, Speaks speaks);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  enum class Outcome : std::uint8_t {
    done,
    not_now,  // the source has nothing more
    ended,    // the peer said goodbye, or is gone
    failed,   // see failure()
  };
  // Until it is done. Sends what output() holds first of all, in any case.
  Outcome handshake();
  struct Got {
    Outcome outcome = Outcome::not_now;
    std::size_t bytes = 0;  // when done
  };
  // As much as there is; when it fills the room there may be more that the source does not tell of.
  Got read(std::span<std::uint8_t> into);
  // False: the connection is broken.
  bool write(ByteView plain);
  // Says goodbye, so that the peer knows that it has all.
  void finish();

  Buffer& output() noexcept { return output_; }
  const std::string& failure() const noexcept { return failure_; }

  // For TlsContext: how OpenSSL reaches an engine.
  static bio_method_st* make_bio_method();
  static void set_callbacks(ssl_ctx_st* context);

  // After the handshake.
  std::string version() const;       // "TLSv1.3"
  std::string cipher() const;        // "TLS_AES_256_GCM_SHA384"
  std::string peer_subject() const;  // RFC 2253; empty: it showed no certificate
  std::string peer_issuer() const;
  // What the certificate, which was verified, calls its holder. Empty: no certificate, no such name in it,
  // or one that holds a zero octet.
  std::string peer_name(LoginFrom which) const;

 private:
  struct Callbacks;
  friend struct Callbacks;
  struct FreeSsl {
    void operator()(ssl_st* ssl) const noexcept;
  };
  Outcome outcome_of(int returned);
  void describe_failure();

  std::shared_ptr<const TlsContext> context_;
  Source& source_;
  Buffer output_;
  std::string failure_;
  Speaks speaks_;
  unsigned key_updates_ = 0;
  bool source_ended_ = false;
  std::uint8_t first_bytes_[4] = {};  // of a peer that may not speak TLS at all
  std::size_t first_count_ = 0;
  std::unique_ptr<ssl_st, FreeSsl> ssl_;
};

}  // namespace millrace::net
