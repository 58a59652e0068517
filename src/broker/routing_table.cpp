#include "broker/routing_table.hpp"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <vector>

#include "base/assert.hpp"
#include "broker/exchange/name_map.hpp"

namespace millrace::broker {
namespace {

// Up to here repeats are looked for one by one, beyond by sorting.
constexpr std::size_t kFewTargets = 16;

// The default exchange is added first and never goes.
constexpr std::uint32_t kDefaultSlot = 0;

struct Binding;

// Bindings by one of their ends; each knows its place, so that it leaves in constant time.
using Bindings = std::vector<Binding*>;

struct ExchangeEntry {
  std::unique_ptr<Exchange> exchange;
  Bindings to_queues;
  Bindings to_exchanges;
  Bindings incoming;
  std::string argument_alternate;  // has precedence over the policy's
  std::string policy_alternate;
  std::uint64_t visited_at = 0;         // the route() that last came by
  std::uint64_t cacheable_version = 0;  // of the answer in `cacheable`
  bool cacheable = false;

  const std::string& alternate() const noexcept {
    return argument_alternate.empty() ? policy_alternate : argument_alternate;
  }
};

struct QueueEntry {
  QueueAddress address;
  Bindings incoming;
};

struct Binding {
  BindingSpec spec;
  ExchangeEntry* source = nullptr;
  ExchangeEntry* exchange = nullptr;  // the destination, when it is one
  Target target;
  std::uint32_t source_place = 0;
  std::uint32_t destination_place = 0;
};

struct BindingHash {
  using is_transparent = void;
  using is_avalanching = void;
  std::size_t operator()(const BindingSpec& spec) const noexcept {
    const NameHash name;
    std::uint64_t sum = hash(spec.arguments) + (spec.to_exchange ? 1 : 0);
    for (const std::string* text : {&spec.source, &spec.destination, &spec.routing_key}) {
      sum = (sum ^ name(*text)) * 0x9e3779b97f4a7c15ull;
      sum ^= sum >> 32;
    }
    return static_cast<std::size_t>(sum);
  }
  std::size_t operator()(const std::unique_ptr<Binding>& binding) const noexcept {
    return (*this)(binding->spec);
  }
};

struct BindingEqual {
  using is_transparent = void;
  bool operator()(const std::unique_ptr<Binding>& a, const std::unique_ptr<Binding>& b) const noexcept {
    return a->spec == b->spec;
  }
  bool operator()(const BindingSpec& a, const std::unique_ptr<Binding>& b) const noexcept {
    return a == b->spec;
  }
  bool operator()(const std::unique_ptr<Binding>& a, const BindingSpec& b) const noexcept {
    return a->spec == b;
  }
};

using BindingSet = boost::unordered_flat_set<std::unique_ptr<Binding>, BindingHash, BindingEqual>;

void enter(Bindings& list, Binding* binding, std::uint32_t Binding::*place) {
  binding->*place = static_cast<std::uint32_t>(list.size());
  list.push_back(binding);
}

void leave(Bindings& list, Binding* binding, std::uint32_t Binding::*place) {
  Binding* last = list.back();
  list[binding->*place] = last;
  last->*place = binding->*place;
  list.pop_back();
}

// The default exchange: every queue is bound to it by its name (AMQP 0-9-1 §3.1.3.1).
class DefaultExchange final : public Exchange {
 public:
  DefaultExchange(ExchangeSpec spec, const NameMap<QueueEntry>& queues)
      : Exchange(std::move(spec)), queues_(queues) {}
  void bind(const Target&, const BindingSpec&) override {}
  void unbind(const Target&, const BindingSpec&) override {}
  bool route(const RoutingInput& input, Targets& out) override {
    const auto found = queues_.find(input.routing_key);
    if (found != queues_.end()) out.push_back({found->second.address, nullptr});
    return true;
  }
  bool by_key_alone() const noexcept override { return true; }
  bool distinct() const noexcept override { return true; }

 private:
  const NameMap<QueueEntry>& queues_;
};

void drop_repeats(QueueTargets& out) {
  if (out.size() < 2) return;
  if (out.size() > kFewTargets) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return;
  }
  auto kept = out.begin();
  for (const QueueAddress& address : out) {
    if (std::find(out.begin(), kept, address) == kept) *kept++ = address;
  }
  out.erase(kept, out.end());
}

}  // namespace

struct RoutingTable::State {
  State(std::string vhost_name, const MessageFormats& message_formats, std::uint64_t seed)
      : vhost(std::move(vhost_name)), formats(message_formats), random(seed) {}

  std::string vhost;
  const MessageFormats& formats;
  Prng random;
  std::uint64_t version = 1;
  std::uint64_t routes = 0;
  NameMap<QueueEntry> queues;
  NameMap<std::uint32_t> exchanges;                     // to their place in `entries`
  std::vector<std::unique_ptr<ExchangeEntry>> entries;  // by Exchange::table_slot; null where one was removed
  std::vector<std::uint32_t> free_slots;
  BindingSet bindings;
  Targets targets;  // of the exchange being routed by; kept for its room

  ExchangeEntry* find(std::string_view name) noexcept {
    const auto found = exchanges.find(name);
    return found == exchanges.end() ? nullptr : entries[found->second].get();
  }
  ExchangeEntry& entry_of(const Exchange& exchange) noexcept { return *entries[exchange.table_slot]; }

  ExchangeEntry& add(std::unique_ptr<Exchange> exchange) {
    std::uint32_t slot;
    if (free_slots.empty()) {
      slot = static_cast<std::uint32_t>(entries.size());
      entries.emplace_back();
    } else {
      slot = free_slots.back();
      free_slots.pop_back();
    }
    exchange->table_slot = slot;
    exchanges.emplace(exchange->spec().name, slot);
    entries[slot] = std::make_unique<ExchangeEntry>();
    entries[slot]->exchange = std::move(exchange);
    return *entries[slot];
  }

  Bindings& source_list(Binding* binding) noexcept {
    return binding->exchange != nullptr ? binding->source->to_exchanges : binding->source->to_queues;
  }
  Bindings& destination_list(Binding* binding) noexcept {
    return binding->exchange != nullptr ? binding->exchange->incoming
                                        : queues.find(binding->spec.destination)->second.incoming;
  }

  void unbind(BindingSet::iterator at) {
    Binding* binding = at->get();
    binding->source->exchange->unbind(binding->target, binding->spec);
    leave(source_list(binding), binding, &Binding::source_place);
    leave(destination_list(binding), binding, &Binding::destination_place);
    bindings.erase(at);
  }
  void unbind_all(Bindings& list) {
    while (!list.empty()) unbind(bindings.find(list.back()->spec));
  }

  bool cacheable(ExchangeEntry& start);
  bool route(Exchange& first, std::span<const std::string_view> keys, const Message& message,
             QueueTargets& out, RememberingExchanges* remembering);
};

RoutingTable::RoutingTable(std::string vhost, const MessageFormats& formats, std::uint64_t random_seed)
    : state_(std::make_unique<State>(std::move(vhost), formats, random_seed)) {
  ExchangeSpec spec;
  spec.vhost = state_->vhost;
  spec.type = "direct";
  spec.durable = true;
  state_->add(std::make_unique<DefaultExchange>(std::move(spec), state_->queues));
}

RoutingTable::~RoutingTable() = default;

void RoutingTable::add_exchange(ExchangeSpec spec) {
  if (state_->find(spec.name) != nullptr) return;
  const Value* alternate = spec.arguments.find("alternate-exchange");
  std::string alternate_name;
  if (alternate != nullptr && alternate->as_text() != nullptr) alternate_name = *alternate->as_text();
  ExchangeEntry& entry = state_->add(make_exchange(std::move(spec)));
  entry.argument_alternate = std::move(alternate_name);
  ++state_->version;
}

void RoutingTable::remove_exchange(std::string_view name) {
  const auto found = state_->exchanges.find(name);
  if (found == state_->exchanges.end() || name.empty()) return;
  const std::uint32_t slot = found->second;
  ExchangeEntry& entry = *state_->entries[slot];
  state_->unbind_all(entry.to_queues);
  state_->unbind_all(entry.to_exchanges);
  state_->unbind_all(entry.incoming);
  state_->exchanges.erase(found);
  state_->entries[slot].reset();
  state_->free_slots.push_back(slot);
  ++state_->version;
}

Exchange* RoutingTable::find_exchange(std::string_view name) noexcept {
  ExchangeEntry* entry = state_->find(name);
  return entry == nullptr ? nullptr : entry->exchange.get();
}

void RoutingTable::for_each_exchange(const std::function<void(const Exchange&)>& look) const {
  for (const auto& entry : state_->entries) {
    if (entry) look(*entry->exchange);
  }
}

void RoutingTable::add_queue(std::string_view name, QueueAddress address) {
  const auto found = state_->queues.find(name);
  if (found != state_->queues.end()) {
    if (found->second.address == address) return;
    remove_queue(name);  // another queue of that name: the old one's bindings are not its own
  }
  state_->queues.emplace(std::string(name), QueueEntry{address, {}});
  ++state_->version;
}

void RoutingTable::remove_queue(std::string_view name) {
  const auto found = state_->queues.find(name);
  if (found == state_->queues.end()) return;
  state_->unbind_all(found->second.incoming);
  state_->queues.erase(found);
  ++state_->version;
}

const QueueAddress* RoutingTable::find_queue(std::string_view name) const noexcept {
  const auto found = state_->queues.find(name);
  return found == state_->queues.end() ? nullptr : &found->second.address;
}

void RoutingTable::bind(const BindingSpec& spec) {
  if (spec.source.empty() || state_->bindings.contains(spec)) return;
  auto binding = std::make_unique<Binding>();
  binding->source = state_->find(spec.source);
  if (binding->source == nullptr) return;
  if (spec.to_exchange) {
    if (spec.destination.empty()) return;
    binding->exchange = state_->find(spec.destination);
    if (binding->exchange == nullptr) return;
    binding->target.exchange = binding->exchange->exchange.get();
  } else {
    const QueueAddress* queue = find_queue(spec.destination);
    if (queue == nullptr) return;
    binding->target.queue = *queue;
  }
  binding->spec = spec;
  enter(state_->source_list(binding.get()), binding.get(), &Binding::source_place);
  enter(state_->destination_list(binding.get()), binding.get(), &Binding::destination_place);
  binding->source->exchange->bind(binding->target, binding->spec);
  state_->bindings.insert(std::move(binding));
  ++state_->version;
}

void RoutingTable::unbind(const BindingSpec& spec) {
  const auto found = state_->bindings.find(spec);
  if (found == state_->bindings.end()) return;
  state_->unbind(found);
  ++state_->version;
}

bool RoutingTable::State::route(Exchange& first, std::span<const std::string_view> keys,
                                const Message& message, QueueTargets& out,
                                RememberingExchanges* remembering) {
  RoutingInput input;
  input.message = &message;
  input.formats = &formats;
  input.random = &random;

  // One exchange and one key, as nearly always: no bookkeeping.
  ExchangeEntry& entry = entry_of(first);
  ++routes;
  entry.visited_at = routes;
  bool distinct = keys.size() == 1 && first.distinct();
  boost::container::small_vector<ExchangeEntry*, 8> work;
  work.push_back(&entry);
  const auto visit = [&](ExchangeEntry& next) {
    distinct = false;
    if (next.visited_at == routes) return;
    next.visited_at = routes;
    if (remembering != nullptr && next.exchange->remembers()) {
      remembering->push_back(next.exchange.get());
    } else {
      work.push_back(&next);
    }
  };
  for (std::size_t i = 0; i < work.size(); ++i) {
    ExchangeEntry& current = *work[i];
    targets.clear();
    for (const std::string_view key : keys) {
      input.routing_key = key;
      if (!current.exchange->route(input, targets)) return false;
    }
    for (const Target& target : targets) {
      if (target.exchange == nullptr) {
        out.push_back(target.queue);
      } else {
        visit(entry_of(*target.exchange));
      }
    }
    if (targets.empty() && !current.alternate().empty()) {
      if (ExchangeEntry* alternate = find(current.alternate())) visit(*alternate);
    }
  }
  if (!distinct) drop_repeats(out);
  return true;
}

bool RoutingTable::route(Exchange& exchange, std::span<const std::string_view> keys, const Message& message,
                         QueueTargets& out, RememberingExchanges* remembering) {
  out.clear();
  if (remembering != nullptr) remembering->clear();
  if (exchange.table_slot == kDefaultSlot && keys.size() == 1) {  // the most frequent of all
    if (const QueueAddress* queue = find_queue(keys.front())) out.push_back(*queue);
    return true;
  }
  if (state_->route(exchange, keys, message, out, remembering)) return true;
  out.clear();
  if (remembering != nullptr) remembering->clear();
  return false;
}

std::uint64_t RoutingTable::version() const noexcept {
  return state_->version;
}

bool RoutingTable::State::cacheable(ExchangeEntry& start) {
  if (start.cacheable_version == version) return start.cacheable;
  start.cacheable_version = version;
  start.cacheable = false;
  ++routes;
  start.visited_at = routes;
  std::vector<ExchangeEntry*> work{&start};
  const auto visit = [&](ExchangeEntry* next) {
    if (next == nullptr || next->visited_at == routes) return;
    next->visited_at = routes;
    work.push_back(next);
  };
  for (std::size_t i = 0; i < work.size(); ++i) {
    if (!work[i]->exchange->by_key_alone()) return false;
    for (const Binding* binding : work[i]->to_exchanges) visit(binding->exchange);
    if (!work[i]->alternate().empty()) visit(find(work[i]->alternate()));
  }
  return start.cacheable = true;
}

bool RoutingTable::leads_nowhere(const Exchange& exchange) const noexcept {
  const ExchangeEntry& entry = state_->entry_of(exchange);
  return entry.to_queues.empty() && entry.to_exchanges.empty() && entry.alternate().empty();
}

bool RoutingTable::cacheable(const Exchange& exchange) const noexcept {
  return state_->cacheable(state_->entry_of(exchange));
}

void RoutingTable::set_alternate(std::string_view exchange, std::string alternate) {
  ExchangeEntry* entry = state_->find(exchange);
  if (entry == nullptr || exchange.empty() || entry->policy_alternate == alternate) return;
  entry->policy_alternate = std::move(alternate);
  ++state_->version;
}

}  // namespace millrace::broker
