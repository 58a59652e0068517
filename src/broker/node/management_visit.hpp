// A connection that the HTTP API has for the time of one request.
#pragma once

#include <memory>

#include "broker/node/management_impl.hpp"

namespace millrace::broker {

// One connection of use(): asks for nothing by itself.
struct ManagementImpl::Visit final : ConnectionListener {
  Visit(ManagementImpl& of, std::uint64_t own_id) : management(of), id(own_id) {}

  void on_confirm(std::span<const Confirmation> confirmations) override {
    for (const Confirmation& confirmation : confirmations) {
      if (on_each_confirmed) on_each_confirmed(confirmation.token, confirmation.accepted);
    }
  }
  void on_deliver(ConsumerId, Delivery&&) override {}
  void on_consumer_cancelled(ConsumerId) override {}
  void on_blocked(std::string_view) override {}
  void on_unblocked() override {}
  void on_close_requested(const Error& why) override { management.end_visit(id, why); }
  void on_turn_end() override {}

  ManagementImpl& management;
  std::uint64_t id;
  std::unique_ptr<Connection> connection;
  UniqueFunction<void(PublishToken token, bool accepted)> on_each_confirmed;
  Done<void> done;
  bool ending = false;
};

}  // namespace millrace::broker
