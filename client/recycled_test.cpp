// Memory that goes from thread to thread.
#include "millrace/detail/recycled.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace millrace::detail {
namespace {

// Each piece is filled when it is taken: two owners of one would see each other's bytes.
std::vector<unsigned char*> take(std::size_t count, std::size_t bytes, unsigned char mark) {
  std::vector<unsigned char*> taken;
  for (std::size_t i = 0; i < count; ++i) {
    taken.push_back(static_cast<unsigned char*>(take_recycled(bytes)));
    std::memset(taken.back(), mark, bytes);
  }
  return taken;
}

void give_back(const std::vector<unsigned char*>& taken, std::size_t bytes, unsigned char mark) {
  for (unsigned char* piece : taken) {
    EXPECT_TRUE(std::all_of(piece, piece + bytes, [mark](unsigned char one) { return one == mark; }));
    recycle(piece, bytes);
  }
}

TEST(Recycled, gives_what_another_thread_let_go_of) {
  constexpr std::size_t kBytes = 1000;
  const auto first = take(256, kBytes, 1);
  std::thread([&] { give_back(first, kBytes, 1); }).join();
  const auto second = take(256, kBytes, 2);
  const std::set<unsigned char*> before(first.begin(), first.end());
  std::size_t again = 0;
  for (unsigned char* piece : second) again += before.count(piece);
  EXPECT_GE(again, 128U) << "all but what that thread kept at hand";
  give_back(second, kBytes, 2);
}

TEST(Recycled, never_gives_one_piece_to_two) {
  for (const std::size_t bytes : {1, 64, 65, 500, 1152, 1153}) {
    std::vector<std::thread> threads;
    for (unsigned char mark = 1; mark <= 4; ++mark) {
      threads.emplace_back([bytes, mark] {
        std::vector<unsigned char*> kept;
        for (int round = 0; round < 20; ++round) {
          const auto taken = take(70, bytes, mark);
          give_back(kept, bytes, mark);
          kept = taken;
        }
        // Another thread lets go of these.
        std::thread([&] { give_back(kept, bytes, mark); }).join();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Recycled, gives_objects_the_alignment_that_they_ask_for) {
  struct Plain : Recycled {
    double value = 0;
  };
  struct alignas(256) Wide : Recycled {
    double value = 0;
  };
  for (int i = 0; i < 100; ++i) {
    const auto plain = std::make_unique<Plain>();
    const auto wide = std::make_unique<Wide>();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(plain.get()) % alignof(Plain), 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(wide.get()) % alignof(Wide), 0U);
  }
}

}  // namespace
}  // namespace millrace::detail
