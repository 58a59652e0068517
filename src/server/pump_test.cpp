#include "server/pump.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <future>
#include <string>

#include "runtime/os/socket_stream.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

struct SessionLog {
  std::atomic<int> disconnected{0};
  std::atomic<int> written{0};
  std::atomic<int> deleted{0};
  std::atomic<std::size_t> largest_offer{0};
};

// Not asked for anything: its address tells a session where it is.
class NoGate final : public broker::Gate {
 public:
  static NoGate& first() {
    static NoGate gate;
    return gate;
  }
  static NoGate& second() {
    static NoGate gate;
    return gate;
  }
  void authenticate(broker::Credentials, const broker::ConnectionInfo&,
                    broker::Done<broker::Subject>) override {}
  bool has_user(std::string_view) const noexcept override { return false; }
  void begin_scram(broker::ScramHash, std::string_view, const broker::ConnectionInfo&,
                   broker::Done<broker::ScramChallenge>) override {}
  void finish_scram(std::shared_ptr<broker::ScramLogin>, std::string_view, const broker::ConnectionInfo&,
                    broker::Done<broker::ScramSuccess>) override {}
  result<std::unique_ptr<broker::Connection>> open(const broker::Subject&, std::string_view,
                                                   const broker::ConnectionInfo&,
                                                   broker::ConnectionListener&) override {
    return fail(Errc::not_allowed, "nobody opens anything here");
  }
  std::int64_t wall_ms() const noexcept override { return 0; }
  std::uint64_t max_message_bytes() const noexcept override { return 0; }
  broker::BodyBudget& body_budget() noexcept override { return budget_; }

 private:
  broker::BodyBudget budget_{0, [](std::string_view) {}};
};

// Takes whole lines and answers each by itself; some are commands.
class LineSession final : public ByteSession {
 public:
  LineSession(amqp091::Transport& transport, SessionLog& log) : transport_(transport), log_(log) {}
  ~LineSession() override { ++log_.deleted; }

  std::size_t on_bytes(ByteView received) override {
    log_.largest_offer = std::max(log_.largest_offer.load(), received.size());
    std::size_t used = 0;
    while (!paused_ && !ended_) {
      const std::string_view rest = as_text(received.subspan(used));
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      take(rest.substr(0, end + 1));
      used += end + 1;
    }
    return used;
  }
  void on_written() override { ++log_.written; }
  void on_moved(broker::Gate& gate) override {
    transport_.output().tail().append(&gate == &NoGate::second() ? "moved\n" : "lost\n");
    paused_ = false;
    transport_.resume_reading();
    transport_.want_flush();
  }
  void on_disconnected() override {
    ++log_.disconnected;
    transport_.session_done();
  }

 private:
  void take(std::string_view line) {
    ended_ = line == "bye\n" || line == "drop\n";
    if (line == "bye\n") return transport_.close_after_flush();
    if (line == "drop\n") return transport_.close_now();
    if (line == "flood\n") {
      transport_.output().tail().append(std::string(8u << 20, 'f'));
    } else if (line == "pause\n") {
      paused_ = true;
      transport_.pause_reading();
      transport_.start_timer(20, [this] {
        paused_ = false;
        transport_.resume_reading();
      });
    } else if (line == "move\n") {
      transport_.output().tail().append(std::string(2u << 20, 'm'));  // more than the kernel takes at once
      paused_ = true;
      transport_.pause_reading();
      transport_.want_flush();
      transport_.move_to(broker::ShardId(1));
      return;
    } else {
      transport_.output().tail().append(line);
    }
    transport_.want_flush();
  }

  amqp091::Transport& transport_;
  SessionLog& log_;
  bool paused_ = false;
  bool ended_ = false;
};

class PumpTest : public ::testing::Test {
 protected:
  PumpTest() : loop("test"), other_loop("other") {
    const SessionFactory sessions = [this](broker::Gate&, amqp091::Transport& transport,
                                           broker::ConnectionInfo) {
      return std::make_unique<LineSession>(transport, log);
    };
    pumps.push_back(std::make_unique<Pump>(loop, NoGate::first(), sessions));
    pumps.push_back(std::make_unique<Pump>(other_loop, NoGate::second(), sessions));
    loop.on_turn_end([this](bool) { pump().flush(); });
    other_loop.on_turn_end([this](bool) { pumps[1]->flush(); });
    for (const auto& one : pumps) one->know(pumps);
    loop.start();
    other_loop.start();
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    peer = Descriptor(ends[0]);
    pump().reserve();
    auto stream = std::make_unique<runtime::SocketStream>(Descriptor(ends[1]));
    loop.post([this, stream = std::move(stream)]() mutable { pump().adopt(std::move(stream), {}); });
  }
  ~PumpTest() override {
    loop.stop();
    other_loop.stop();
    loop.join();
    other_loop.join();
  }

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else {
        ASSERT_EQ(errno, EAGAIN);
        wait_for(POLLOUT);
      }
    }
  }
  // Up to `bytes`; fewer when the other side closes or nothing comes for long.
  std::string receive(std::size_t bytes) {
    std::string got;
    std::string buffer(1u << 20, '\0');
    while (got.size() < bytes) {
      const ssize_t n = ::recv(peer.get(), buffer.data(), std::min(bytes - got.size(), buffer.size()), 0);
      if (n > 0) {
        got.append(buffer, 0, static_cast<std::size_t>(n));
      } else if (n == 0 || errno != EAGAIN || !wait_for(POLLIN)) {
        break;
      }
    }
    return got;
  }
  bool wait_for(short events) {
    pollfd one{peer.get(), events, 0};
    return ::poll(&one, 1, 10'000) == 1;
  }
  Pump& pump() { return *pumps[0]; }
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    return condition();
  }

  SessionLog log;
  runtime::ShardLoop loop;
  runtime::ShardLoop other_loop;
  std::vector<std::unique_ptr<Pump>> pumps;
  Descriptor peer;
};

TEST_F(PumpTest, offers_what_was_left_over_with_what_follows) {
  send("on");
  std::this_thread::sleep_for(20ms);
  send("e\ntwo\nthr");
  EXPECT_EQ(receive(8), "one\ntwo\n");
  send("ee\n");
  EXPECT_EQ(receive(6), "three\n");
}

TEST_F(PumpTest, carries_lines_larger_than_its_buffer_that_come_in_pieces) {
  std::string line(3 * Pump::kReadBytes + 17, 'x');
  for (std::size_t i = 0; i < line.size(); ++i) line[i] = static_cast<char>('a' + i % 23);
  line += '\n';
  std::future<std::string> received = std::async([&] { return receive(line.size()); });
  for (std::size_t i = 0; i < line.size(); i += 7001) send(std::string_view(line).substr(i, 7001));
  EXPECT_EQ(received.get(), line);
}

TEST_F(PumpTest, sends_the_rest_when_the_peer_reads_again_and_tells_of_the_room) {
  send("flood\n");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(log.written, 0);
  EXPECT_EQ(receive(8u << 20).size(), 8u << 20);
  EXPECT_TRUE(eventually([&] { return log.written == 1; }));
}

TEST_F(PumpTest, does_not_read_from_a_peer_that_asks_and_does_not_read) {
  send("flood\n");
  std::this_thread::sleep_for(50ms);
  send("more and more\n");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(log.largest_offer, 6u) << "the second line was not read";
  EXPECT_EQ(receive((8u << 20) + 14).substr(8u << 20), "more and more\n");
}

TEST_F(PumpTest, offers_nothing_while_reading_is_paused) {
  send("pause\nlater\n");
  EXPECT_EQ(receive(6), "later\n");
}

TEST_F(PumpTest, moves_with_all_that_is_unsent_and_unread) {
  send("before\nmove\nafter\nhalf");
  EXPECT_EQ(receive(7), "before\n");
  EXPECT_TRUE(eventually([&] { return pump().connections() == 0 && pumps[1]->connections() == 1; }));
  send(" a line\n");
  EXPECT_EQ(receive((2u << 20) + 24), std::string(2u << 20, 'm') + "moved\nafter\nhalf a line\n");
  EXPECT_EQ(log.disconnected, 0);
}

TEST_F(PumpTest, lets_go_where_it_moved_to) {
  send("move\n");
  EXPECT_TRUE(eventually([&] { return pumps[1]->connections() == 1; }));
  peer.close();
  EXPECT_TRUE(
      eventually([&] { return log.disconnected == 1 && log.deleted == 1 && pumps[1]->connections() == 0; }));
}

TEST_F(PumpTest, may_stop_while_a_connection_is_on_its_way) {
  other_loop.stop();
  other_loop.join();
  send("move\n");
  EXPECT_TRUE(eventually([&] { return pump().connections() == 0; }));
}

TEST_F(PumpTest, closes_after_all_was_sent) {
  send("flood\nbye\n");
  send("ignored\n");
  EXPECT_EQ(receive(64u << 20).size(), 8u << 20);
  peer.close();
  EXPECT_TRUE(
      eventually([&] { return log.disconnected == 1 && log.deleted == 1 && pump().connections() == 0; }));
}

TEST_F(PumpTest, drops_what_is_unsent_when_told_to) {
  send("flood\ndrop\n");
  EXPECT_LT(receive(64u << 20).size(), 8u << 20);
  EXPECT_TRUE(
      eventually([&] { return log.disconnected == 1 && log.deleted == 1 && pump().connections() == 0; }));
}

TEST_F(PumpTest, lets_go_when_the_peer_leaves) {
  send("half a li");
  peer.close();
  EXPECT_TRUE(
      eventually([&] { return log.disconnected == 1 && log.deleted == 1 && pump().connections() == 0; }));
}

}  // namespace
}  // namespace millrace::server
