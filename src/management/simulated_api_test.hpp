// The API of a node over simulated disks, asked without a socket, by a clock that does not stand for anything
// but what is waited for.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/base64.hpp"
#include "broker/node/simulated_node_test.hpp"
#include "management/api.hpp"

namespace millrace::management {

class SimulatedApi {
 public:
  SimulatedApi() : node_(files_), home_(node_.shard()) {
    ApiOptions options;
    options.node_name = "millrace@here";
    options.process_figures = [] { return ProcessFigures{}; };
    options.memory_total = [] { return std::uint64_t{1} << 30; };
    options.random = [](std::span<std::uint8_t> out) {
      for (std::uint8_t& byte : out) byte = 7;
    };
    options.wall_ms = [] { return std::int64_t{0}; };
    api_ = std::make_unique<Api>(node_->management(), home_, node_.shard(), std::move(options));
    node_.run_for(runtime::Milliseconds(100));
  }

  // Of guest, unless the call has an authorization of its own.
  Answer ask(std::string method, std::string_view target, std::string body = {}) {
    auto call = make_call(std::move(method), target, std::move(body));
    call->authorization = basic("guest", "guest");
    return ask(call);
  }
  Answer ask(const CallRef& call) {
    std::optional<Answer> answer;
    call->reply = [&answer](Answer given) { answer = std::move(given); };
    api_->admit(call, [this, call](std::optional<Answer> refused) {
      if (refused) return reply(call, std::move(*refused));
      api_->handle(call);
    });
    node_.run_until([&] { return answer.has_value(); });
    return answer ? std::move(*answer) : Answer{};
  }

  static CallRef make_call(std::string method, std::string_view target, std::string body) {
    auto call = std::make_shared<Call>();
    call->method = std::move(method);
    call->target = *parse_target(target);
    call->body = std::move(body);
    call->from.protocol = "HTTP";
    call->from.peer = "127.0.0.1:4711";
    call->from.peer_is_loopback = true;
    return call;
  }
  static std::string basic(std::string_view user, std::string_view password) {
    return "Basic " + encode_base64(std::string(user) + ":" + std::string(password));
  }

  Api& operator*() { return *api_; }
  // Until figures are made anew.
  void age() { node_.run_for(broker::Management::kStatisticsInterval); }
  runtime::Nanoseconds now() const { return node_.now(); }
  // Tasks that were posted to the API's thread.
  std::uint64_t turns() const noexcept { return home_.turns; }

 private:
  struct Home final : runtime::Executor {
    explicit Home(runtime::Executor& on) : shard(on) {}
    void post(Task task) override {
      ++turns;
      shard.post(std::move(task));
    }
    runtime::Executor& shard;
    std::uint64_t turns = 0;
  };

  simulation::FileSystem files_;
  broker::SimulatedNode node_;
  Home home_;
  std::unique_ptr<Api> api_;
};

}  // namespace millrace::management
