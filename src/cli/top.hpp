// millrace top: the queues, again and again.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::cli {

class Session;

enum class TopOrder : std::uint8_t { name, ready, unacked, in, out, ack, wait, hold, consumers };

struct TopRow {
  std::string vhost;
  std::string name;
  std::uint64_t ready = 0;
  std::uint64_t unacked = 0;
  std::uint64_t consumers = 0;
  double in = 0;
  double out = 0;
  double ack = 0;
  // Of what was delivered, and acknowledged, between the last two looks; none where nothing was.
  std::optional<double> wait_p50_us;
  std::optional<double> wait_p99_us;
  std::optional<double> ack_p50_us;
  std::optional<double> ack_p99_us;
  std::string held_back;  // empty: nothing
};

// Why a queue does not get shorter: no consumer, consumers that hold as many as they asked for (`prefetch`,
// 0: no bound), or more coming than going. Nothing is ready: nothing is held back.
std::string what_holds_back(const TopRow& row, std::uint64_t prefetch);
// From the API's lists of queues and of consumers.
std::vector<TopRow> top_rows(const boost::json::value& queues, const boost::json::value& consumers);
// The largest first, names from A; reversed on request.
void sort_rows(std::vector<TopRow>& rows, TopOrder order, bool reversed);

int top(Session& session);

}  // namespace millrace::cli
