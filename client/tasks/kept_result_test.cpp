#include "client/tasks/kept_result.hpp"

#include <gtest/gtest.h>

#include "client/tasks/result_message.hpp"

namespace millrace::tasks {
namespace {

using namespace std::chrono_literals;

Field expiry_for(Milliseconds time) {
  return kept_result_queue("an-id", time).arguments.at("x-expires");
}

Request a_request() {
  Request request;
  request.call.id = "an-id";
  request.call.keep_result_for = 1h;
  return request;
}

Status success(boost::json::value value) {
  Status status;
  status.state = State::success;
  status.name = "SUCCESS";
  status.value = std::move(value);
  return status;
}

TEST(KeptResult, has_a_durable_queue_that_goes_by_itself_and_holds_the_last_one) {
  const QueueSpec queue = kept_result_queue("an-id", 1h);
  EXPECT_EQ(queue.name, "millrace.result.an-id");
  EXPECT_TRUE(queue.durable);
  EXPECT_FALSE(queue.declare_again) << "a client that reconnects brings none back whose time is over";
  EXPECT_EQ(queue.arguments.at("x-expires"), Field(std::int64_t{3'600'000}));
  EXPECT_EQ(queue.arguments.at("x-max-length"), Field(1));
}

TEST(KeptResult, is_kept_for_a_time_that_brokers_take) {
  EXPECT_EQ(expiry_for(1ms), Field(1000));
  EXPECT_EQ(expiry_for(24h * 365), Field(std::int64_t{4'294'967'295}));
}

TEST(KeptResult, is_persistent_and_has_to_arrive) {
  const Message message = kept_result(a_request(), success(5), {});
  EXPECT_TRUE(message.persistent);
  EXPECT_TRUE(message.mandatory);
  const auto read = decode_result(message);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, "an-id");
  EXPECT_EQ(read->status.value, 5);
}

TEST(KeptResult, that_is_too_large_is_a_failure_that_says_so) {
  const std::size_t around = kept_result(a_request(), success(""), {}).body.size();
  const auto kept = [](std::size_t size) {
    return decode_result(kept_result(a_request(), success(std::string(size, 'x').c_str()), {}));
  };
  EXPECT_EQ(kept(kKeptBytesMax - around)->status.state, State::success);
  const auto read = kept(kKeptBytesMax - around + 1);
  EXPECT_EQ(read->status.state, State::failure);
  EXPECT_EQ(read->status.error_type, "ResultTooLarge");
  EXPECT_EQ(read->status.error_text, "it ended as SUCCESS with 16777217 bytes, and 16777216 are kept");
}

}  // namespace
}  // namespace millrace::tasks
