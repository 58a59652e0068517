// What an operator does to a running node: the watermarks, taking it out of service and back, beginning anew.
#include <algorithm>
#include <boost/json/object.hpp>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/number.hpp"
#include "cli/listing.hpp"
#include "cli/rabbitmqctl/connections.hpp"
#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/stop.hpp"

namespace millrace::cli::rabbitmqctl {
namespace operating {
namespace {

namespace json = boost::json;

// Connections whose handshake was under way when the node was taken out of service come late.
constexpr int kClosingRounds = 20;
constexpr std::chrono::milliseconds kClosingPause{100};

std::string node_of(Ctl& ctl) {
  return text_in(ctl.api().get(api_path({"overview"})), "node");
}

// -- watermarks

[[noreturn]] void bad_argument(std::string_view why = {}) {
  throw Stop(kDataError, "Error (argument validation): Bad argument" +
                             (why.empty() ? std::string(".") : ": " + std::string(why)));
}

double fraction_in(const std::string& text, double most, std::string_view why) {
  double fraction = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, fraction);
  if (error != std::errc() || at != end) bad_argument();
  if (!(fraction >= 0 && fraction <= most)) bad_argument(why);
  return fraction;
}

// "1GB", "512MiB", "1048576": RabbitMQ's units, of 1000 or 1024.
std::int64_t bytes_in(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = whole_number<std::int64_t>(std::string_view(text).substr(0, digits));
  const std::string unit = text.substr(digits);
  constexpr std::string_view kPrefixes = "kmg";
  const std::size_t prefix = unit.empty() ? std::string_view::npos : kPrefixes.find(unit[0]);
  const bool is_decimal = unit.substr(std::min<std::size_t>(1, unit.size())) == "b";
  const bool is_binary = unit.size() == 1 || (unit.size() == 3 && unit.ends_with("ib"));
  const bool is_known = unit.empty() || (prefix != std::string_view::npos && (is_decimal || is_binary));
  if (!number || !is_known) bad_argument();
  const std::int64_t factor = is_decimal ? 1000 : 1024;
  const std::size_t power = unit.empty() ? 0 : prefix + 1;
  std::int64_t bytes = *number;
  for (std::size_t i = 0; i < power; ++i) {
    if (bytes > INT64_MAX / factor) bad_argument();
    bytes *= factor;
  }
  return bytes;
}

std::int64_t part_of_memory(Ctl& ctl, double fraction) {
  const json::value now = ctl.api().get(api_path({"millrace", "watermarks"}));
  return std::llround(number_in(now, "mem_total") * fraction);
}

void put_watermark(Ctl& ctl, const char* field, std::int64_t bytes) {
  ctl.api().put(api_path({"millrace", "watermarks"}), json::object{{field, bytes}});
}

[[noreturn]] void wrong_number_of_words(const char* which) {
  throw Stop(kUsage, std::string("Error (argument validation): ") + which + " arguments.");
}

// Whether it is the word and a value rather than a value alone.
bool begins_with(Ctl& ctl, std::string_view word) {
  const bool given = ctl.word(0) == word;
  if (given && ctl.words().size() == 1) wrong_number_of_words("not enough");
  if (!given && ctl.words().size() == 2) wrong_number_of_words("too many");
  return given;
}

int set_memory_watermark(Ctl& ctl) {
  if (begins_with(ctl, "absolute")) {
    const std::int64_t bytes = bytes_in(ctl.word(1));
    ctl.banner("Setting memory threshold on " + node_of(ctl) + " to " + ctl.word(1) + " bytes ...");
    put_watermark(ctl, "mem_limit", bytes);
    return 0;
  }
  const double fraction =
      fraction_in(ctl.word(0), 1, "The threshold should be a fraction between 0.0 and 1.0");
  ctl.banner("Setting memory threshold on " + node_of(ctl) + " to " + ctl.word(0) + " ...");
  put_watermark(ctl, "mem_limit", part_of_memory(ctl, fraction));
  return 0;
}

int set_disk_free_limit(Ctl& ctl) {
  if (begins_with(ctl, "mem_relative")) {
    constexpr double kMostTimes = 1000;
    const double times = fraction_in(ctl.word(1), kMostTimes, "that is more than any disk has");
    ctl.banner("Setting disk free limit on " + node_of(ctl) + " to " + ctl.word(1) +
               " times the total RAM ...");
    put_watermark(ctl, "disk_free_limit", part_of_memory(ctl, times));
    return 0;
  }
  const std::int64_t bytes = bytes_in(ctl.word(0));
  ctl.banner("Setting disk free limit on " + node_of(ctl) + " to " + ctl.word(0) + " bytes ...");
  put_watermark(ctl, "disk_free_limit", bytes);
  return 0;
}

// -- in service

void put_service(Ctl& ctl, bool on) {
  ctl.api().put(api_path({"millrace", "service"}), json::object{{"on", on}});
}

bool is_in_service(Ctl& ctl) {
  const json::value service = ctl.api().get(api_path({"millrace", "service"}));
  const json::value* on = find_in(service, "on");
  return on != nullptr && on->is_bool() && on->get_bool();
}

int stop_app(Ctl& ctl) {
  ctl.banner("Stopping rabbit application on node " + node_of(ctl) + " ...");
  put_service(ctl, false);
  for (int round = 0; round < kClosingRounds; ++round) {
    if (close_those_at(ctl, api_path({"connections"}) + "?fresh=true", "shutdown") == 0) return 0;
    std::this_thread::sleep_for(kClosingPause);
  }
  return 0;
}

int start_app(Ctl& ctl) {
  ctl.banner("Starting node " + node_of(ctl) + " ...");
  put_service(ctl, true);
  return 0;
}

int reset(Ctl& ctl) {
  if (is_in_service(ctl)) {
    throw Stop(kUsage,
               "Error: this command requires the 'rabbit' app to be stopped on the target node. Stop it with "
               "'rabbitmqctl stop_app'.");
  }
  ctl.banner("Resetting node " + node_of(ctl) + " ...");
  ctl.api().post(api_path({"millrace", "reset"}), {});
  return 0;
}

constexpr Command kCommands[] = {
    {"set_vm_memory_high_watermark", "<fraction> | absolute <value>", 1, 2, set_memory_watermark},
    {"set_disk_free_limit", "<disk_limit> | mem_relative <fraction>", 1, 2, set_disk_free_limit},
    {"stop_app", "", 0, 0, stop_app},
    {"start_app", "", 0, 0, start_app},
    {"reset", "", 0, 0, reset},
    {"force_reset", "", 0, 0, reset},
};

}  // namespace
}  // namespace operating

std::span<const Command> operating_commands() {
  return operating::kCommands;
}

}  // namespace millrace::cli::rabbitmqctl
