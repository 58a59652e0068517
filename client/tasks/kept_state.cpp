#include "client/tasks/kept_state.hpp"

#include <thread>
#include <utility>

#include "millrace/json.hpp"

namespace millrace::tasks {
namespace {

constexpr std::int64_t kWeekMs = 7LL * 24 * 3'600'000;

}  // namespace

QueueSpec queue_for_a_week(std::string name) {
  QueueSpec queue(std::move(name));
  queue.arguments = {{"x-expires", kWeekMs}};
  queue.declare_again = false;
  return queue;
}

std::vector<Delivery> take_state(Client& client, const std::string& queue, std::chrono::milliseconds pause,
                                 const std::function<bool()>& is_patient,
                                 const std::function<void(boost::json::value kept)>& see) {
  std::vector<Delivery> taken;
  for (;;) {
    while (Delivery delivery = client.get(queue)) {
      see(parse_json(delivery.body()));
      taken.push_back(std::move(delivery));
    }
    if (!taken.empty() || !is_patient()) return taken;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace millrace::tasks
