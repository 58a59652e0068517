// trace
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"
#include "cli/verb.hpp"

namespace millrace::cli {
namespace trace {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookInterval{200};
constexpr std::uint64_t kMostSeconds = 86'400;

constexpr Option kTrace[] = {
    {"--message-id", "ID", "Messages with this id"},
    {"--correlation-id", "ID", "Messages with this correlation id"},
    {"--routing-key", "PATTERN", "Messages whose routing key fits, as a topic exchange's binding does"},
    {"-p,--vhost", "VHOST", "Of this virtual host alone (default: all)"},
    {"--count", "N", "End after so many steps"},
    {"--seconds", "N", "End after so long (default: with Ctrl-C)"},
};

// "2026-11-21T17:01:02.003456Z"
std::string time_of(std::int64_t us) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(us)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string quoted(const std::string& name) {
  return "'" + printable(name) + "'";
}

std::string names_of(const json::value& event) {
  std::string names;
  if (const json::value* targets = find_in(event, "targets"); targets != nullptr && targets->is_array()) {
    for (const json::value& target : targets->get_array()) {
      names += (names.empty() ? "" : ", ") + quoted(std::string(target.as_string()));
    }
  }
  return names.empty() ? "nowhere" : names;
}

std::string line_of(const json::value& event) {
  const std::string step = text_in(event, "step");
  std::string padded = step;
  padded.resize(std::max<std::size_t>(padded.size(), 13), ' ');
  std::string text = time_of(static_cast<std::int64_t>(number_in(event, "at_us"))) + "  " + padded + "  ";
  const std::string seq = "#" + std::to_string(static_cast<std::uint64_t>(number_in(event, "seq")));
  if (step == "published") {
    text += "exchange " + quoted(text_in(event, "exchange")) + " key " +
            quoted(text_in(event, "routing_key")) + " to " + names_of(event);
  } else if (step == "dead-lettered") {
    text += "queue " + quoted(text_in(event, "queue")) + " " + seq + ", exchange " +
            quoted(text_in(event, "exchange")) + " key " + quoted(text_in(event, "routing_key")) + " to " +
            names_of(event);
  } else {
    text += "queue " + quoted(text_in(event, "queue")) + " " + seq;
  }
  if (const json::value* again = find_in(event, "redelivered");
      again && again->is_bool() && again->get_bool())
    text += ", redelivered";
  const auto add = [&](const char* what, const char* path) {
    const std::string value = text_in(event, path);
    if (!value.empty()) text += std::string("  ") + what + "=" + printable(value);
  };
  add("user", "user");
  add("peer", "peer");
  add("message-id", "message_id");
  add("correlation-id", "correlation_id");
  return text + "\n";
}

int trace(Session& session) {
  json::object wanted;
  const auto want = [&](const char* option, const char* field) {
    if (const auto value = session.given.find(option)) wanted[field] = *value;
  };
  want("message-id", "message_id");
  want("correlation-id", "correlation_id");
  want("routing-key", "routing_key");
  if (wanted.empty()) {
    throw Stop(kBadUse,
               "trace wants --message-id, --correlation-id or --routing-key; all: --routing-key '#'");
  }
  want("vhost", "vhost");
  const std::uint64_t count = session.given.number("count", 0, UINT64_MAX);
  const std::uint64_t seconds = session.given.number("seconds", 0, kMostSeconds);
  const Interrupts interrupts;
  Api& api = session.api();
  const auto id =
      static_cast<std::uint64_t>(number_in(api.post(api_path({"millrace", "traces"}), wanted), "id"));
  const std::string path = api_path({"millrace", "traces", std::to_string(id)});
  if (!session.wants_json() && errors_are_terminal()) std::fputs("Following. Ctrl-C ends it.\n", stderr);
  const auto until = Clock::now() + std::chrono::seconds(seconds);
  std::uint64_t after = 0, shown = 0, missed = 0;
  const auto look = [&] {
    const json::value read = api.get(path + "?after=" + std::to_string(after));
    after = static_cast<std::uint64_t>(number_in(read, "next"));
    for (const json::value& event : find_in(read, "events")->as_array()) {
      if (count != 0 && shown == count) break;
      print(session.wants_json() ? json::serialize(event) + "\n" : line_of(event));
      ++shown;
    }
    const auto now_missed = static_cast<std::uint64_t>(number_in(read, "missed"));
    if (now_missed > missed) {
      std::fprintf(stderr, "%llu steps came too fast to be shown\n",
                   static_cast<unsigned long long>(now_missed - missed));
      missed = now_missed;
    }
  };
  bool more = true;
  while (more) {
    // What came until then is shown as well: it is told a moment later.
    more = Interrupts::seen() == 0 && (seconds == 0 || Clock::now() < until);
    std::this_thread::sleep_for(kLookInterval);
    look();
    if (count != 0 && shown == count) break;
  }
  api.remove(path);
  return kOk;
}

constexpr Verb kVerbs[] = {
    {"trace",
     "Follow messages through exchanges, queues and consumers",
     {},
     kTrace,
     "millrace trace --message-id 4711\nmillrace trace --routing-key 'orders.#' --json\n"
     "millrace trace --correlation-id req-1 --count 10",
     trace},
};

}  // namespace
}  // namespace trace

std::span<const Verb> trace_verbs() {
  using namespace trace;
  return kVerbs;
}

}  // namespace millrace::cli
