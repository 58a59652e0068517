#include "management/metrics_tables.hpp"

#include <memory>
#include <utility>

#include "management/listing.hpp"

namespace millrace::management {
namespace {

struct MetricsRun {
  Api& api;
  CallRef call;
  MetricsText out;
  std::vector<MetricsTable> tables;
  std::size_t table = 0;
  std::size_t row = 0;
  std::size_t reserved = 0;
};

void put_some(MetricsRun& run) {
  for (std::size_t lines = 0; run.table < run.tables.size() && lines < kMetricsLinesPerStep;) {
    const MetricsTable& table = run.tables[run.table];
    if (run.row == 0) {
      run.out.family(table.name, table.type, table.help);
      ++lines;
    }
    if (run.row < table.rows) lines += table.put(run.out, run.row++);
    if (run.row < table.rows) continue;
    run.row = 0;
    ++run.table;
  }
}

void go_on(const std::shared_ptr<MetricsRun>& run) {
  put_some(*run);
  const std::size_t before = std::exchange(run->reserved, run->out.text().size());
  const bool fits =
      run->api.hold_list_bytes(before, run->reserved) && run->reserved <= Listing::kMaxAnswerBytes;
  if (fits && run->table < run->tables.size()) return run->api.home().post([run] { go_on(run); });
  run->api.hold_list_bytes(run->reserved, 0);
  if (!fits) {
    return reply(run->call,
                 refusal(503, "service_unavailable", "there are too many objects to tell of each"));
  }
  Answer answer;
  answer.body = std::move(run->out.text());
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply(run->call, std::move(answer));
}

}  // namespace

void reply_metrics(Api& api, const CallRef& call, MetricsText begun, std::vector<MetricsTable> tables) {
  go_on(std::make_shared<MetricsRun>(MetricsRun{api, call, std::move(begun), std::move(tables)}));
}

}  // namespace millrace::management
