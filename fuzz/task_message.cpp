// Any message as what a worker is given: it is read, or refused with a reason; and what was read can be
// written, read again as the same call, and followed by what it names.
//
// The first two bytes of an input are the length of its properties, which begin behind them; the rest is the
// body.

#include <boost/json/src.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "client/src/fields.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/dag.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/task_message.hpp"
#include "codec/amqp091/properties.hpp"
#include "millrace/error.hpp"

namespace millrace::tasks {
namespace {

// The client hands on nothing else.
bool is_well_formed(ByteView properties) {
  amqp091::Properties parsed;
  return amqp091::parse_properties(properties, parsed);
}

void check_call(const CallData& call) {
  const Message message = encode_call(call, "replies", "fuzz");
  // As Boost.JSON writes what 1e999 is to it.
  if (message.body.find("Infinity") != std::string::npos) return;
  const auto again = decode_call(message);
  const Request* request = std::get_if<Request>(&again);
  MILLRACE_ASSERT(request != nullptr, "what was read and written cannot be read");
  MILLRACE_ASSERT(request->call.id == call.id && request->call.args == call.args, "it is another call now");
  MILLRACE_ASSERT(request->call.next.size() == call.next.size(), "what follows it is lost");
  for (const CallData& next : call.next) (void)signature_of(next, "");
  if (!call.barrier.is_null()) (void)call_from_signature(read_barrier(call.barrier).last);
}

void check_message(ByteView properties, std::string_view body) {
  const auto decoded = decode_call(properties, body);
  if (const auto* request = std::get_if<Request>(&decoded)) return check_call(request->call);
  MILLRACE_ASSERT(!std::get<std::string>(decoded).empty(), "it is refused without a reason");
  Message message{std::string(body)};
  MILLRACE_ASSERT(client::read_message_properties(properties, message),
                  "well-formed properties are not read");
  (void)read_step_result(message, "queue");
}

}  // namespace
}  // namespace millrace::tasks

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::ByteView;
  constexpr std::size_t kLengthBytes = 2;
  if (size < kLengthBytes) return 0;
  const std::size_t length = data[0] + data[1] * 256U;
  const std::uint8_t* bytes = data + kLengthBytes;
  size -= kLengthBytes;
  if (length > size) return 0;
  const ByteView properties(bytes, length);
  if (!millrace::tasks::is_well_formed(properties)) return 0;
  millrace::tasks::check_message(
      properties, std::string_view(reinterpret_cast<const char*>(bytes) + length, size - length));
  return 0;
}
