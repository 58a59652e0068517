// One change of the definitions: what the definitions log holds, what every shard's replica is brought up to
// date with, and what a snapshot is a list of.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "base/buffer.hpp"
#include "base/reader.hpp"
#include "broker/specs.hpp"

namespace millrace::broker {

struct PutVhost {
  VhostSpec vhost;
};
struct DeleteVhost {
  std::string name;
};
struct PutExchange {
  ExchangeSpec exchange;
};
struct DeleteExchange {
  std::string vhost, name;
};
// Shared by all who hold definitions: there may be very many.
struct PutQueue {
  std::shared_ptr<const QueueSpec> queue;

  explicit PutQueue(QueueSpec spec) : queue(std::make_shared<const QueueSpec>(std::move(spec))) {}
  explicit PutQueue(std::shared_ptr<const QueueSpec> spec) noexcept : queue(std::move(spec)) {}
};
struct DeleteQueue {
  std::string vhost, name;
  QueueAddress address;
};
struct PutBinding {
  BindingSpec binding;
};
struct DeleteBinding {
  BindingSpec binding;
};
struct PutUser {
  UserSpec user;
};
struct DeleteUser {
  std::string name;
};
struct PutPermission {
  PermissionSpec permission;
};
struct DeletePermission {
  std::string user, vhost;
};
struct PutTopicPermission {
  TopicPermissionSpec permission;
};
struct DeleteTopicPermission {
  std::string user, vhost, exchange;
};
struct PutPolicy {
  PolicySpec policy;
};
struct DeletePolicy {
  std::string vhost, name;
  bool is_operator = false;
};
struct PutLimit {
  LimitSpec limit;
};
// The next queue id to give out, so that ids of deleted queues are not given again.
struct NextQueueId {
  std::uint64_t value = 1;
};

struct PutParameter {
  ParameterSpec parameter;
};
struct DeleteParameter {
  std::string vhost, component, name;
};
// Whether the vhost must not be deleted. Apart from PutVhost, which describes it anew and leaves this as it
// is.
struct ProtectVhost {
  std::string name;
  bool is_protected = false;
};

// Stored on disk by index: new alternatives go at the end.
using Change = std::variant<PutVhost, DeleteVhost, PutExchange, DeleteExchange, PutQueue, DeleteQueue,
                            PutBinding, DeleteBinding, PutUser, DeleteUser, PutPermission, DeletePermission,
                            PutTopicPermission, DeleteTopicPermission, PutPolicy, DeletePolicy, PutLimit,
                            NextQueueId, PutParameter, DeleteParameter, ProtectVhost>;

// Who declared a queue stands at the end of its PutQueue, and was not written down at first.
enum class ChangeForm : std::uint8_t {
  without_declarers,  // of checkpoints of before: something else follows, so only their version tells
  complete,           // a record that ends in front of the declarer is one of before
};

void put_change(Buffer& out, const Change& change);
// Latches failure in the reader when malformed.
Change read_change(Reader& in, ChangeForm form = ChangeForm::complete);

}  // namespace millrace::broker
