// A callable that can be moved but not copied, so that it may own what it needs. Empty after it was moved
// from.
//
// The standard's std::move_only_function needs C++23; this is the part of it we use.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.hpp"

namespace millrace {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) noexcept {}
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> && std::is_invocable_r_v<R, F&, Args...>)
      UniqueFunction(F&& callable)
      : target_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(callable))) {}

  R operator()(Args... args) {
    MILLRACE_ASSERT(target_ != nullptr, "an empty function was called");
    return target_->call(std::forward<Args>(args)...);
  }
  explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  struct Target {
    virtual ~Target() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Target {
    template <class G>
    explicit Holder(G&& g) : callable(std::forward<G>(g)) {}
    R call(Args... args) override { return callable(std::forward<Args>(args)...); }
    F callable;
  };
  std::unique_ptr<Target> target_;
};

using Task = UniqueFunction<void()>;

}  // namespace millrace
