#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "base/crc32c.hpp"
#include "base/prng.hpp"
#include "base/reader.hpp"
#include "base/result.hpp"
#include "base/strong.hpp"
#include "base/task.hpp"
#include "base/varint.hpp"

namespace millrace {
namespace {

TEST(Crc32c, matches_the_vectors_of_rfc_3720) {
  const std::uint8_t zeros[32] = {};
  EXPECT_EQ(crc32c(0, zeros), 0x8a9136aau);
  std::uint8_t rising[32];
  for (int i = 0; i < 32; ++i) rising[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc32c(0, rising), 0x46dd794eu);
  EXPECT_EQ(crc32c_portable(0, rising), 0x46dd794eu);
}

TEST(Crc32c, extends_over_parts_and_agrees_with_the_portable_form) {
  Prng random(7);
  std::vector<std::uint8_t> bytes(5000);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  for (int round = 0; round < 2000; ++round) {
    // Of some hundred bytes most times, and at any address.
    const std::size_t size = random.below(round % 4 == 0 ? 4900 : 600);
    const ByteView all = ByteView(bytes).subspan(random.below(100), size);
    const std::size_t cut = random.below(size + 1);
    EXPECT_EQ(crc32c(crc32c(1, all.first(cut)), all.subspan(cut)), crc32c_portable(1, all));
  }
}

TEST(Reader, latches_failure_and_never_reads_past_the_end) {
  const std::uint8_t bytes[] = {0x01, 0x02, 0x03};
  Reader reader(bytes);
  EXPECT_EQ(reader.be<std::uint16_t>(), 0x0102);
  EXPECT_EQ(reader.be<std::uint32_t>(), 0u);
  EXPECT_TRUE(reader.failed());
  EXPECT_TRUE(reader.at_end());
}

TEST(Reader, refuses_a_varint_of_more_than_ten_bytes) {
  const std::uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  Reader reader(endless);
  (void)reader.varint();
  EXPECT_TRUE(reader.failed());
}

TEST(Varint, survives_a_round_trip_at_every_width) {
  Buffer out;
  for (unsigned bit = 0; bit < 64; ++bit) put_varint(out, std::uint64_t{1} << bit);
  Reader reader(out.view());
  for (unsigned bit = 0; bit < 64; ++bit) EXPECT_EQ(reader.varint(), std::uint64_t{1} << bit);
  EXPECT_TRUE(reader.at_end() && !reader.failed());
}

TEST(Buffer, keeps_its_content_while_it_slides_and_grows) {
  Buffer buffer;
  std::string expected;
  Prng random(3);
  for (int round = 0; round < 2000; ++round) {
    const std::string piece(random.below(50), static_cast<char>('a' + round % 26));
    buffer.append(piece);
    expected += piece;
    const std::size_t gone = random.below(expected.size() + 1);
    buffer.consume(gone);
    expected.erase(0, gone);
    ASSERT_EQ(as_text(buffer.view()), expected);
  }
}

TEST(UniqueFunction, owns_what_it_captures) {
  auto value = std::make_unique<int>(41);
  UniqueFunction<int(int)> add = [value = std::move(value)](int more) { return *value + more; };
  UniqueFunction<int(int)> moved = std::move(add);
  EXPECT_FALSE(add);
  EXPECT_EQ(moved(1), 42);
}

TEST(Result, carries_a_value_or_an_error) {
  const result<int> good = 3;
  const result<int> bad = fail(Errc::not_found, "no queue 'q' in vhost '/'");
  EXPECT_EQ(good.value(), 3);
  ASSERT_TRUE(bad.has_error());
  EXPECT_EQ(bad.error().code, Errc::not_found);
}

}  // namespace
}  // namespace millrace
