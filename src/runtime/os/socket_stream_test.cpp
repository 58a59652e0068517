#include "runtime/os/socket_stream.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/os/socket_pair_test.hpp"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using runtime_test::socket_pair;
using runtime_test::write_byte;

struct Waits final : ByteStream::Waiter {
  std::atomic<int> readable{0};
  std::atomic<int> writable{0};
  void on_readable() override { ++readable; }
  void on_writable() override { ++writable; }
};

class SocketStreamTest : public testing::Test {
 protected:
  SocketStreamTest() : loop("test"), ends(socket_pair()), stream(std::move(ends[0])) {
    loop.on_turn_end([this](bool) { ++turns; });
    loop.start();
    on_loop([this] { EXPECT_TRUE(stream.attach(loop, waits)); });
  }
  ~SocketStreamTest() override {
    on_loop([this] { stream.close(); });
    loop.stop();
    loop.join();
  }
  void on_loop(Task task) {
    std::atomic<bool> ran{false};
    loop.post([&] {
      task();
      ran = true;
    });
    while (!ran) std::this_thread::yield();
  }
  // The loop's thread: until nothing more can be written.
  void fill() {
    std::vector<char> much(1 << 20);
    const iovec part{much.data(), much.size()};
    while (stream.write({&part, 1}).outcome == ByteStream::Outcome::moved) continue;
  }
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  }

  ShardLoop loop;
  std::array<Descriptor, 2> ends;
  Waits waits;
  SocketStream stream;
  std::atomic<int> turns{0};
};

TEST_F(SocketStreamTest, takes_no_turns_for_a_peer_that_nobody_listens_to) {
  write_byte(ends[1]);
  std::this_thread::sleep_for(20ms);
  ends[1].close();  // an end cannot be left out of what is looked for
  std::this_thread::sleep_for(20ms);
  const int before = turns;
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(turns, before);
  EXPECT_EQ(waits.readable, 0);
  on_loop([this] { stream.wait_readable(); });
  EXPECT_TRUE(eventually([this] { return waits.readable == 1; }));
}

TEST_F(SocketStreamTest, calls_once_for_each_wait) {
  write_byte(ends[1]);
  on_loop([this] { stream.wait_readable(); });
  EXPECT_TRUE(eventually([this] { return waits.readable == 1; }));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(waits.readable, 1) << "what came was not read, but nobody waited again";
  on_loop([this] { stream.wait_writable(); });
  EXPECT_TRUE(eventually([this] { return waits.writable == 1; }));
  on_loop([this] { stream.wait_readable(); });
  EXPECT_TRUE(eventually([this] { return waits.readable == 2; }));
  EXPECT_EQ(waits.writable, 1);
}

TEST_F(SocketStreamTest, ends_each_wait_that_is_cancelled_by_one_call_in_a_later_turn) {
  on_loop([this] {
    fill();
    stream.wait_readable();
    stream.cancel_waits();
    stream.wait_writable();
    stream.cancel_waits();
    stream.close();
    EXPECT_EQ(waits.readable + waits.writable, 0);
  });
  EXPECT_TRUE(eventually([this] { return waits.readable == 1 && waits.writable == 1; }));
  on_loop([] {});
  EXPECT_EQ(waits.readable + waits.writable, 2);
}

TEST_F(SocketStreamTest, tells_both_waits_of_an_end) {
  on_loop([this] {
    fill();
    stream.wait_readable();
    stream.wait_writable();
  });
  ends[1].close();
  EXPECT_TRUE(eventually([this] { return waits.readable == 1 && waits.writable == 1; }));
}

}  // namespace
}  // namespace millrace::runtime
