// The pipe between a client and a broker in one process.
#include "client/src/byte_pipe.hpp"

#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "base/prng.hpp"

namespace millrace::client {
namespace {

std::optional<std::size_t> write(BytePipe& pipe, std::string_view text) {
  const ByteView part = as_bytes(text);
  return pipe.write({&part, 1});
}

std::optional<std::string> read(BytePipe& pipe, std::size_t most = BytePipe::kCapacityBytes) {
  std::string text(most, '\0');
  const auto got = pipe.read({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!got) return std::nullopt;
  text.resize(*got);
  return text;
}

TEST(BytePipe, gives_what_was_written_in_order_and_then_nothing) {
  BytePipe pipe;
  const ByteView parts[] = {as_bytes("one "), {}, as_bytes("two")};
  EXPECT_EQ(pipe.write(parts), 7u);
  EXPECT_EQ(read(pipe, 2), "on");
  EXPECT_EQ(read(pipe), "e two");
  EXPECT_EQ(read(pipe), "");
}

TEST(BytePipe, takes_no_more_than_its_bound) {
  BytePipe pipe;
  EXPECT_EQ(write(pipe, std::string(BytePipe::kCapacityBytes + 5, 'x')), BytePipe::kCapacityBytes);
  EXPECT_EQ(write(pipe, "more"), 0u);
  EXPECT_EQ(read(pipe, 3), "xxx");
  EXPECT_EQ(write(pipe, "more"), 3u);
}

TEST(BytePipe, wakes_a_waiting_writer_once_half_of_it_is_free) {
  BytePipe pipe;
  int woken = 0;
  write(pipe, std::string(BytePipe::kCapacityBytes, 'x'));
  pipe.on_writable([&] { ++woken; });
  read(pipe, BytePipe::kRoomToWakeBytes - 1);
  EXPECT_EQ(woken, 0);
  read(pipe, 1);
  EXPECT_EQ(woken, 1);
  read(pipe);
  EXPECT_EQ(woken, 1);
  pipe.on_writable([&] { ++woken; });  // there is room already
  EXPECT_EQ(woken, 2);
}

TEST(BytePipe, wakes_a_waiting_reader_once_unless_it_forgot) {
  BytePipe pipe;
  int woken = 0;
  pipe.on_readable([&] { ++woken; });
  write(pipe, "a");
  write(pipe, "b");
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(pipe.forget_readable());
  read(pipe);
  pipe.on_readable([&] { ++woken; });
  EXPECT_TRUE(pipe.forget_readable());
  write(pipe, "c");
  EXPECT_EQ(woken, 1);
}

TEST(BytePipe, ends_behind_what_was_written_before_the_writer_left) {
  auto [ours, theirs] = PipeEnd::make_pair();
  write(ours.out(), "last words");
  int woken = 0;
  theirs.out().on_writable([] {});
  theirs.out().forget_writable();
  ours.close();
  theirs.in().on_readable([&] { ++woken; });
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(read(theirs.in()), "last words");
  EXPECT_EQ(read(theirs.in()), std::nullopt);
  EXPECT_EQ(write(theirs.out(), "too late"), std::nullopt) << "nobody reads it";
}

TEST(BytePipe, carries_a_stream_between_threads_that_wait_for_each_other) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  BytePipe pipe;
  std::string sent(8u << 20, '\0');
  Prng random(seed);
  for (char& c : sent) c = static_cast<char>(random.next());
  const auto wait = [](auto arm) {
    std::promise<void> woken;
    arm([&woken] { woken.set_value(); });
    woken.get_future().wait();
  };
  std::thread writer([&, luck = random.fork(1)]() mutable {
    for (std::string_view rest = sent; !rest.empty();) {
      const auto taken = write(pipe, rest.substr(0, 1 + luck.below(300'000)));
      rest.remove_prefix(*taken);
      if (*taken == 0) wait([&](Task wake) { pipe.on_writable(std::move(wake)); });
    }
    pipe.close_writer();
  });
  std::string received;
  Prng luck = random.fork(2);
  while (const auto got = read(pipe, 1 + luck.below(300'000))) {
    received += *got;
    if (got->empty()) wait([&](Task wake) { pipe.on_readable(std::move(wake)); });
  }
  writer.join();
  EXPECT_TRUE(received == sent);
}

}  // namespace
}  // namespace millrace::client
