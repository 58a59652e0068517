// Two looks at the node, and the rates between them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "broker/statistics.hpp"

namespace millrace::management {

struct Figures {
  std::shared_ptr<const broker::NodeStatistics> now;     // never null
  std::shared_ptr<const broker::NodeStatistics> before;  // null at the first look

  // In a second, between the two looks.
  double rate(std::uint64_t count_now, std::uint64_t count_before) const noexcept {
    if (!before || count_now < count_before) return 0;
    const double seconds = std::chrono::duration<double>(now->taken - before->taken).count();
    return seconds > 0 ? static_cast<double>(count_now - count_before) / seconds : 0;
  }
  // Signed, for what falls as well.
  double change_rate(std::uint64_t count_now, std::uint64_t count_before) const noexcept {
    return count_now >= count_before ? rate(count_now, count_before) : -rate(count_before, count_now);
  }
  const broker::QueueStatistics& of(broker::QueueId queue) const noexcept { return find(now.get(), queue); }
  const broker::QueueStatistics& before_of(broker::QueueId queue) const noexcept {
    // One that was not there counts from nothing.
    return find(before.get(), queue);
  }
  broker::ExchangeCounters of_exchange(const std::string& vhost, const std::string& name) const {
    return find(now.get(), vhost, name);
  }
  broker::ExchangeCounters before_of_exchange(const std::string& vhost, const std::string& name) const {
    return find(before.get(), vhost, name);
  }
  // As it was; null: it was not there.
  const broker::ConnectionStatistics* before_of(broker::ConnectionId connection) const {
    if (!before_by_id) return nullptr;
    const auto found = before_by_id->find(connection.value);
    return found == before_by_id->end() ? nullptr : found->second;
  }

  using ById = boost::unordered_flat_map<std::uint64_t, const broker::ConnectionStatistics*>;
  std::shared_ptr<const ById> before_by_id;  // of before->connections

 private:
  static broker::ExchangeCounters find(const broker::NodeStatistics* in, const std::string& vhost,
                                       const std::string& name) {
    if (in == nullptr) return {};
    const auto found = in->exchanges.find({vhost, name});
    return found == in->exchanges.end() ? broker::ExchangeCounters{} : found->second;
  }
  static const broker::QueueStatistics& find(const broker::NodeStatistics* in,
                                             broker::QueueId queue) noexcept {
    static const broker::QueueStatistics none;
    if (in == nullptr) return none;
    const auto found = in->queues.find(queue.value);
    return found == in->queues.end() ? none : found->second;
  }
};

// What has been counted since `base`. What was not there then counts from nothing; what is not counted, as
// depths, stays.
broker::NodeStatistics since(const broker::NodeStatistics& now, const broker::NodeStatistics& base);

}  // namespace millrace::management
