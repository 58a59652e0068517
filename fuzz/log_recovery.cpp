// Any image of the log's files: recovery ends, yields a prefix of dense LSNs, keeps within its memory, and a
// second recovery finds the same; a log that is called corrupt is left as it was.
//
// The input is a list of files: a byte of flags, two bytes of length, the bytes. The flags say whether the
// harness mends the checksums of the header and of the records, without which few inputs would get past the
// first of them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "simulation/file_system.hpp"
#include "simulation/scheduler.hpp"
#include "storage/log.hpp"
#include "storage/log_format.hpp"
#include "storage/numbered_name.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint8_t kMendHeader = 1;
constexpr std::uint8_t kMendRecords = 2;
constexpr std::size_t kMaxFiles = 6;
constexpr std::size_t kFileBytes = 16u << 10;

struct Silent final : LogListener {
  void on_durable(Lsn) override {}
  void on_log_pressure(Lsn) override {}
};

struct Outcome {
  std::vector<std::uint64_t> lsns;
  std::uint64_t hash = 0;
  LogRecovery recovery;
  bool opened = false;
};

Outcome recover(simulation::FileSystem& files, Lsn checkpointed) {
  simulation::Scheduler scheduler(1);
  LogOptions options;
  options.directory = "d";
  options.file_bytes = kFileBytes;
  Silent listener;
  Outcome outcome;
  auto log = Log::open(
      scheduler.add_shard().runtime(files), options, checkpointed, listener,
      [&](const Record& record) {
        outcome.lsns.push_back(record.lsn.value);
        for (const std::uint8_t byte : record.payload) outcome.hash = outcome.hash * 1099511628211u + byte;
      },
      outcome.recovery);
  outcome.opened = log.has_value();
  return outcome;
}

void mend_header(std::vector<std::uint8_t>& image, std::uint64_t number) {
  if (image.size() < kFileHeaderBlockBytes) image.resize(kFileHeaderBlockBytes);
  LogFileHeader header;
  header.salt = image[0];
  header.generation = image[1];
  header.number = number;
  header.first = Lsn(image[2]);
  header.durable = Lsn(image[3]);
  header.epoch = image[4] % 8;
  header.synced = image[5] % 2 != 0;
  encode_file_header(header, image.data());
}

void mend_records(std::vector<std::uint8_t>& image) {
  if (image.size() < kFileHeaderBlockBytes) return;
  const auto salt = load_le<std::uint32_t>(image.data() + 12);
  for (std::size_t at = kFileHeaderBlockBytes; image.size() - at >= kRecordHeaderBytes;) {
    std::uint8_t* const record = image.data() + at;
    const std::size_t bytes = kRecordHeaderBytes + load_le<std::uint32_t>(record) % 64;
    if (image.size() - at < bytes) return;
    store_le(record, static_cast<std::uint32_t>(bytes - kRecordHeaderBytes));
    seal_record(salt, record, bytes);
    at += bytes;
  }
}

using Images = std::vector<std::vector<std::uint8_t>>;
Images images(const simulation::FileSystem& files) {
  Images all;
  for (const auto& path : files.paths()) all.push_back(files.contents(path));
  return all;
}

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "log_recovery: %s\n", what);
  std::abort();
}

void run(ByteView input) {
  simulation::FileSystem files;
  check(files.create_directories("d").has_value(), "no directory");
  if (input.empty()) return;
  const Lsn checkpointed(input[0]);
  input = input.subspan(1);
  for (std::uint64_t number = 1; number <= kMaxFiles && input.size() > 3; ++number) {
    const std::uint8_t flags = input[0];
    const std::size_t bytes =
        std::min<std::size_t>(load_le<std::uint16_t>(input.data() + 1), input.size() - 3);
    std::vector<std::uint8_t> image(input.begin() + 3,
                                    input.begin() + 3 + static_cast<std::ptrdiff_t>(bytes));
    input = input.subspan(3 + bytes);
    if (flags & kMendHeader) {
      // The records lie right behind the few bytes that the header is made from, so that inputs stay small.
      const std::size_t head = std::min<std::size_t>(image.size(), 6);
      std::vector<std::uint8_t> whole(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(head));
      whole.resize(kFileHeaderBlockBytes);
      mend_header(whole, number);
      whole.insert(whole.end(), image.begin() + static_cast<std::ptrdiff_t>(head), image.end());
      image = std::move(whole);
    }
    if (flags & kMendRecords) mend_records(image);
    files.put("d/" + numbered_name("wal-", number), image);
  }

  const Images before = images(files);
  const Outcome first = recover(files, checkpointed);
  for (std::size_t at = 0; at < first.lsns.size(); ++at) {
    check(first.lsns[at] > (at == 0 ? checkpointed.value : first.lsns[at - 1]), "LSNs do not rise");
  }
  if (!first.opened || first.recovery.corrupt) {
    check(!first.recovery.corrupt || images(files) == before, "a corrupt log was changed");
    return;
  }
  const Outcome second = recover(files, checkpointed);
  check(second.opened && !second.recovery.corrupt, "the second recovery fails");
  check(second.lsns == first.lsns && second.hash == first.hash, "the second recovery finds other records");
}

}  // namespace
}  // namespace millrace::storage

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  millrace::storage::run({data, bytes});
  return 0;
}
