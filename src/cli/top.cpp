#include "cli/top.hpp"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <thread>

#include "cli/listing.hpp"
#include "cli/session.hpp"
#include "cli/stop.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "cli/text.hpp"

namespace millrace::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::array<std::string_view, 9> kOrders = {"name", "ready", "unacked", "in",       "out",
                                                     "ack",  "wait",  "hold",    "consumers"};
// Rates are those between two looks, and figures are up to a second old.
constexpr std::chrono::milliseconds kRateInterval{1100};
constexpr std::chrono::milliseconds kKeyInterval{100};

struct Frame {
  json::value overview;
  json::value node;
  std::vector<TopRow> rows;
};

Frame look(Session& session) {
  Api& api = session.api();
  Frame frame;
  frame.overview = api.get(api_path({"overview"}));
  try {
    const json::value nodes = api.get(api_path({"nodes"}));
    if (nodes.is_array() && !nodes.get_array().empty()) frame.node = nodes.get_array().front();
  } catch (const Stop& stop) {
    if (stop.http_status() != 401) throw;  // the node is shown to those who monitor
  }
  frame.rows = top_rows(api.get(list_path(session, "queues")), api.get(list_path(session, "consumers")));
  return frame;
}

bool is_on(const json::value& item, const char* path) {
  const json::value* flag = find_in(item, path);
  return flag != nullptr && flag->is_bool() && flag->get_bool();
}

std::string head_of(const Frame& frame) {
  const auto count = [&](const char* path) {
    return std::to_string(static_cast<std::uint64_t>(number_in(frame.overview, path)));
  };
  const auto rate = [&](const char* path) { return rate_text(number_in(frame.overview, path)); };
  std::string text =
      text_in(frame.overview, "node") + "  " + count("object_totals.connections") + " connections  " +
      count("object_totals.queues") + " queues\n" + count("queue_totals.messages_ready") + " ready  " +
      count("queue_totals.messages_unacknowledged") + " unacked  in " +
      rate("message_stats.publish_details.rate") + "  out " + rate("message_stats.deliver_get_details.rate") +
      "  ack " + rate("message_stats.ack_details.rate");
  if (find_in(frame.node, "mem_used") != nullptr)
    text += "  memory " + bytes_text(number_in(frame.node, "mem_used"));
  std::string shown;
  for (const std::string& line : split(text, '\n')) shown += printable(line) + "\n";
  if (is_on(frame.node, "mem_alarm")) shown += "ALARM: memory is short, publishers are held back\n";
  if (is_on(frame.node, "disk_free_alarm"))
    shown += "ALARM: the disk is nearly full, publishers are held back\n";
  return shown;
}

std::string time_text(const std::optional<double>& us) {
  return us ? latency_text(static_cast<std::uint64_t>(*us * 1000)) : "-";
}

json::value json_time(const std::optional<double>& us) {
  if (!us) return nullptr;
  return *us;
}

// What is narrower has one column for latencies, or none, so that there is room for what holds a queue back.
constexpr std::size_t kWideColumns = 120;
constexpr std::size_t kMiddlingColumns = 96;

Table table_of(const std::vector<TopRow>& rows, std::size_t first, std::size_t count, TopOrder order,
               std::size_t width) {
  const bool wide = width >= kWideColumns;
  const bool middling = width >= kMiddlingColumns;
  const bool one_vhost =
      std::all_of(rows.begin(), rows.end(), [&](const TopRow& row) { return row.vhost == rows[0].vhost; });
  std::vector<Table::Column> columns;
  if (!one_vhost) columns.push_back({"VHOST"});
  const auto title = [&](TopOrder of, std::string text) { return order == of ? "*" + text : text; };
  columns.push_back({title(TopOrder::name, "QUEUE")});
  columns.push_back({title(TopOrder::ready, "READY"), true});
  columns.push_back({title(TopOrder::unacked, "UNACKED"), true});
  columns.push_back({title(TopOrder::in, "IN"), true});
  columns.push_back({title(TopOrder::out, "OUT"), true});
  columns.push_back({title(TopOrder::ack, "ACK"), true});
  if (middling) columns.push_back({title(TopOrder::wait, wide ? "WAIT P50/P99" : "WAIT P99"), true});
  if (wide) columns.push_back({title(TopOrder::hold, "HOLD P50/P99"), true});
  columns.push_back({title(TopOrder::consumers, "CONSUMERS"), true});
  columns.push_back({"HELD BACK BY"});
  Table table(std::move(columns));
  for (std::size_t i = first; i < rows.size() && i - first < count; ++i) {
    const TopRow& row = rows[i];
    std::vector<std::string> cells;
    if (!one_vhost) cells.push_back(row.vhost);
    for (std::string cell : {row.name, std::to_string(row.ready), std::to_string(row.unacked),
                             rate_text(row.in), rate_text(row.out), rate_text(row.ack)}) {
      cells.push_back(std::move(cell));
    }
    if (wide) {
      cells.push_back(time_text(row.wait_p50_us) + " / " + time_text(row.wait_p99_us));
      cells.push_back(time_text(row.ack_p50_us) + " / " + time_text(row.ack_p99_us));
    } else if (middling) {
      cells.push_back(time_text(row.wait_p99_us));
    }
    cells.push_back(std::to_string(row.consumers));
    cells.push_back(row.held_back);
    table.add(std::move(cells));
  }
  return table;
}

json::array json_of(const std::vector<TopRow>& rows) {
  json::array items;
  for (const TopRow& row : rows) {
    items.push_back(json::object{{"vhost", row.vhost},
                                 {"name", row.name},
                                 {"ready", row.ready},
                                 {"unacked", row.unacked},
                                 {"in", row.in},
                                 {"out", row.out},
                                 {"ack", row.ack},
                                 {"wait_p50_us", json_time(row.wait_p50_us)},
                                 {"wait_p99_us", json_time(row.wait_p99_us)},
                                 {"ack_p50_us", json_time(row.ack_p50_us)},
                                 {"ack_p99_us", json_time(row.ack_p99_us)},
                                 {"consumers", row.consumers},
                                 {"held_back_by", row.held_back}});
  }
  return items;
}

int print_once(Session& session, TopOrder order) {
  (void)look(session);
  std::this_thread::sleep_for(kRateInterval);
  Frame frame = look(session);
  sort_rows(frame.rows, order, false);
  if (session.wants_json()) {
    print(json::serialize(json_of(frame.rows)) + "\n");
    return kOk;
  }
  print(head_of(frame) + table_of(frame.rows, 0, frame.rows.size(), order, output_width())
                             .text(output_width(), output_has_colour()));
  return kOk;
}

// The terminal as top needs it, given back as it was however top ends.
class Screen {
 public:
  Screen() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C stays a signal
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    print("\x1b[?1049h\x1b[?25l");
  }
  ~Screen() {
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

 private:
  termios before_{};
};

struct View {
  TopOrder order = TopOrder::ready;
  bool reversed = false;
  std::size_t first = 0;
  bool ended = false;
};

void turn(View& view, int by) {
  const int count = static_cast<int>(kOrders.size());
  view.order = static_cast<TopOrder>((static_cast<int>(view.order) + by + count) % count);
}

void obey(View& view, std::string_view keys) {
  while (!keys.empty()) {
    if (keys.starts_with("\x1b[") || keys.starts_with("\x1bO")) {
      const char arrow = keys.size() > 2 ? keys[2] : '\0';
      if (arrow == 'A' && view.first > 0) --view.first;
      if (arrow == 'B') ++view.first;
      if (arrow == 'C') turn(view, 1);
      if (arrow == 'D') turn(view, -1);
      keys.remove_prefix(std::min<std::size_t>(3, keys.size()));
      continue;
    }
    if (keys[0] == 'q' || keys[0] == '\x04') view.ended = true;
    if (keys[0] == 'r') view.reversed = !view.reversed;
    if (keys[0] == 's') turn(view, 1);
    keys.remove_prefix(1);
  }
}

void draw(Frame& frame, View& view, const std::string& trouble) {
  const TerminalSize size = terminal_size();
  sort_rows(frame.rows, view.order, view.reversed);
  view.first = std::min(view.first, frame.rows.empty() ? 0 : frame.rows.size() - 1);
  const std::string head = head_of(frame);
  const auto head_lines = static_cast<std::size_t>(std::count(head.begin(), head.end(), '\n'));
  const std::size_t room = size.rows > head_lines + 3 ? size.rows - head_lines - 3 : 1;
  std::string text = head + "\n" +
                     table_of(frame.rows, view.first, room, view.order, size.columns)
                         .text(size.columns, output_has_colour());
  std::string screen = "\x1b[H";
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size() && lines + 1 < size.rows; ++lines) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    screen += (line.find('\x1b') == std::string::npos ? cut_to(line, size.columns) : line) + "\x1b[K\n";
    at = end + 1;
  }
  const std::string foot =
      trouble.empty() ? "q ends  left/right or s: order  r: reverse  up/down: scroll" : printable(trouble);
  print(screen + "\x1b[J\x1b[" + std::to_string(size.rows) + ";1H" + cut_to(foot, size.columns) + "\x1b[K");
}

int watch(Session& session, TopOrder order, std::chrono::milliseconds interval) {
  Frame frame = look(session);  // what is wrong with the login is said on the ordinary screen
  const Interrupts interrupts;
  const Screen screen;
  View view;
  view.order = order;
  std::string trouble;
  auto next = Clock::now();
  while (!view.ended && Interrupts::seen() == 0) {
    if (Clock::now() >= next) {
      try {
        frame = look(session);
        trouble.clear();
      } catch (const Stop& stop) {
        if (stop.status() != kUnreachable) throw;
        trouble = split(stop.text(), '\n').front();  // a broker that restarts comes back
      }
      next = Clock::now() + interval;
      draw(frame, view, trouble);
    }
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, static_cast<int>(kKeyInterval.count())) <= 0) continue;
    char keys[64];
    const ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    if (n <= 0) break;  // the terminal is gone
    obey(view, std::string_view(keys, static_cast<std::size_t>(n)));
    if (!view.ended) draw(frame, view, trouble);
  }
  return kOk;
}

}  // namespace

int top(Session& session) {
  TopOrder order = TopOrder::ready;
  if (const auto wanted = session.given.find("sort")) {
    const auto found = std::find(kOrders.begin(), kOrders.end(), *wanted);
    if (found == kOrders.end()) {
      throw Stop(kBadUse, "--sort takes name, ready, unacked, in, out, ack, wait, hold or consumers, not '" +
                              *wanted + "'");
    }
    order = static_cast<TopOrder>(found - kOrders.begin());
  }
  const std::uint64_t seconds = session.given.number("interval", 1, 3600);
  if (seconds == 0) throw Stop(kBadUse, "--interval takes at least 1");
  if (session.given.has("once")) return print_once(session, order);
  if (session.wants_json()) throw Stop(kBadUse, "--json goes with --once");
  if (!output_is_terminal() || !input_is_terminal()) {
    throw Stop(kBadUse, "top needs a terminal; --once prints one table");
  }
  return watch(session, order, std::chrono::seconds(seconds));
}

}  // namespace millrace::cli
