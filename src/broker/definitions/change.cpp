#include "broker/definitions/change.hpp"

#include <array>
#include <utility>

#include "base/varint.hpp"

namespace millrace::broker {
namespace {

// One description of each structure's fields serves writing and reading: `io(field)` does either.

class Writer {
 public:
  explicit Writer(Buffer& out) : out_(out) {}
  void operator()(const std::string& text) { put_sized_text(out_, text); }
  void operator()(bool value) { out_.put_le<std::uint8_t>(value); }
  void operator()(std::int64_t value) { out_.put_le(value); }
  void operator()(std::uint64_t value) { put_varint(out_, value); }
  void operator()(const Arguments& arguments) { put_arguments(out_, arguments); }
  void operator()(const std::vector<std::string>& texts) {
    put_varint(out_, texts.size());
    for (const auto& text : texts) (*this)(text);
  }
  template <class Tag, class Rep>
  void operator()(Strong<Tag, Rep> id) {
    put_varint(out_, static_cast<std::uint64_t>(id.value));
  }

 private:
  Buffer& out_;
};

class Loader {
 public:
  explicit Loader(Reader& in) : in_(in) {}
  void operator()(std::string& text) { text = in_.sized_text(); }
  void operator()(bool& value) { value = in_.u8() != 0; }
  void operator()(std::int64_t& value) { value = in_.le<std::int64_t>(); }
  void operator()(std::uint64_t& value) { value = in_.varint(); }
  void operator()(Arguments& arguments) { arguments = read_arguments(in_); }
  void operator()(std::vector<std::string>& texts) {
    const std::uint64_t count = in_.varint();
    if (count > in_.remaining()) return in_.fail();
    for (std::uint64_t i = 0; i < count && !in_.failed(); ++i) texts.emplace_back(in_.sized_text());
  }
  template <class Tag, class Rep>
  void operator()(Strong<Tag, Rep>& id) {
    id.value = static_cast<Rep>(in_.varint());
  }

 private:
  Reader& in_;
};

template <class Io, class... Fields>
void all(Io& io, Fields&... fields) {
  (io(fields), ...);
}

// But for who declared it.
template <class Io, class Spec>
void queue_fields(Io& io, Spec& q) {
  all(io, q.vhost, q.name, q.durable, q.auto_delete, q.exclusive_owner, q.arguments, q.address.id,
      q.address.shard);
}

// `C` is the change, const when written.
template <class Io, class C>
void fields(Io& io, C& c) {
  using T = std::remove_const_t<C>;
  if constexpr (std::is_same_v<T, PutVhost>) {
    all(io, c.vhost.name, c.vhost.description, c.vhost.tags, c.vhost.default_queue_type);
  } else if constexpr (std::is_same_v<T, DeleteVhost> || std::is_same_v<T, DeleteUser>) {
    all(io, c.name);
  } else if constexpr (std::is_same_v<T, PutExchange>) {
    auto& e = c.exchange;
    all(io, e.vhost, e.name, e.type, e.durable, e.auto_delete, e.internal, e.arguments, e.store, e.owner);
  } else if constexpr (std::is_same_v<T, DeleteExchange>) {
    all(io, c.vhost, c.name);
  } else if constexpr (std::is_same_v<T, PutQueue>) {
    queue_fields(io, *c.queue);
    io(c.queue->declared_by);
  } else if constexpr (std::is_same_v<T, DeleteQueue>) {
    all(io, c.vhost, c.name, c.address.id, c.address.shard);
  } else if constexpr (std::is_same_v<T, PutBinding> || std::is_same_v<T, DeleteBinding>) {
    auto& b = c.binding;
    all(io, b.vhost, b.source, b.destination, b.to_exchange, b.routing_key, b.arguments);
  } else if constexpr (std::is_same_v<T, PutUser>) {
    all(io, c.user.name, c.user.password, c.user.tags);
  } else if constexpr (std::is_same_v<T, PutPermission>) {
    auto& p = c.permission;
    all(io, p.user, p.vhost, p.configure, p.write, p.read);
  } else if constexpr (std::is_same_v<T, DeletePermission>) {
    all(io, c.user, c.vhost);
  } else if constexpr (std::is_same_v<T, PutTopicPermission>) {
    auto& p = c.permission;
    all(io, p.user, p.vhost, p.exchange, p.write, p.read);
  } else if constexpr (std::is_same_v<T, DeleteTopicPermission>) {
    all(io, c.user, c.vhost, c.exchange);
  } else if constexpr (std::is_same_v<T, PutPolicy>) {
    auto& p = c.policy;
    all(io, p.vhost, p.name, p.pattern, p.apply_to, p.priority, p.definition, p.is_operator);
  } else if constexpr (std::is_same_v<T, DeletePolicy>) {
    all(io, c.vhost, c.name, c.is_operator);
  } else if constexpr (std::is_same_v<T, PutLimit>) {
    all(io, c.limit.of_user, c.limit.subject, c.limit.limit, c.limit.value);
  } else if constexpr (std::is_same_v<T, PutParameter>) {
    auto& p = c.parameter;
    all(io, p.vhost, p.component, p.name, p.value);
  } else if constexpr (std::is_same_v<T, DeleteParameter>) {
    all(io, c.vhost, c.component, c.name);
  } else if constexpr (std::is_same_v<T, ProtectVhost>) {
    all(io, c.name, c.is_protected);
  } else {
    static_assert(std::is_same_v<T, NextQueueId>);
    all(io, c.value);
  }
}

template <std::size_t... I>
Change read_alternative(std::size_t index, Reader& in, ChangeForm form, std::index_sequence<I...>) {
  Change change;
  const auto load = [&]<std::size_t K>() {
    if (K != index) return;
    Loader loader(in);
    using T = std::variant_alternative_t<K, Change>;
    if constexpr (std::is_same_v<T, PutQueue>) {
      QueueSpec queue;
      queue_fields(loader, queue);
      if (form == ChangeForm::complete && !in.at_end()) loader(queue.declared_by);
      change.emplace<K>(std::move(queue));
    } else {
      fields(loader, change.emplace<K>());
    }
  };
  (load.template operator()<I>(), ...);
  return change;
}

}  // namespace

void put_change(Buffer& out, const Change& change) {
  out.put_le(static_cast<std::uint8_t>(change.index()));
  Writer writer(out);
  std::visit([&](const auto& c) { fields(writer, c); }, change);
}

Change read_change(Reader& in, ChangeForm form) {
  const std::size_t index = in.u8();
  if (index >= std::variant_size_v<Change>) in.fail();
  if (in.failed()) return {};
  return read_alternative(index, in, form, std::make_index_sequence<std::variant_size_v<Change>>());
}

}  // namespace millrace::broker
