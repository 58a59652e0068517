// Functions of the program as workers call them: with JSON in and out.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "millrace/tasks/call.hpp"
#include "millrace/tasks/context.hpp"

namespace millrace::tasks::detail {

// The call does not fit the function: nothing that trying again would change.
class BadArguments : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using PlainFunction = std::function<boost::json::value(Context&, const CallData&)>;
using CoroutineFunction =
    std::function<boost::asio::awaitable<boost::json::value>(Context&, const CallData&)>;

template <class T>
struct awaited {
  using type = T;
  static constexpr bool is_awaitable = false;
};
template <class T, class E>
struct awaited<boost::asio::awaitable<T, E>> {
  using type = T;
  static constexpr bool is_awaitable = true;
};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

// The argument at that place, or of that name; null where it may be left out. Throws BadArguments.
const boost::json::value* find_argument(const CallData& call, const std::vector<std::string>& names,
                                        std::size_t index, bool optional);
// Throws when there is an argument that nothing takes.
void check_arguments(const CallData& call, const std::vector<std::string>& names, std::size_t count);
[[noreturn]] void throw_bad_argument(const CallData& call, std::size_t index,
                                     const std::vector<std::string>& names, const std::string& why);

template <class T>
T argument_value(const boost::json::value& given, const CallData& call, const std::vector<std::string>& names,
                 std::size_t index) {
  try {
    return boost::json::value_to<T>(given);
  } catch (const std::exception& error) {
    throw_bad_argument(call, index, names, text_of(error));
  }
}

template <class T>
T argument(const CallData& call, const std::vector<std::string>& names, std::size_t index) {
  const boost::json::value* given = find_argument(call, names, index, is_optional<T>::value);
  if constexpr (is_optional<T>::value) {
    if (given == nullptr || given->is_null()) return std::nullopt;
    return argument_value<typename T::value_type>(*given, call, names, index);
  } else {
    return argument_value<T>(*given, call, names, index);
  }
}

template <class... Args, std::size_t... kIndex>
std::tuple<Args...> arguments(const CallData& call, const std::vector<std::string>& names,
                              std::index_sequence<kIndex...>) {
  check_arguments(call, names, sizeof...(Args));
  return std::tuple<Args...>{argument<Args>(call, names, kIndex)...};
}

template <class F, class Tuple>
decltype(auto) apply(F& function, Context& context, Tuple&& arguments) {
  return std::apply(
      [&](auto&&... each) -> decltype(auto) {
        if constexpr (std::is_invocable_v<F&, Context&, decltype(each)...>)
          return function(context, std::forward<decltype(each)>(each)...);
        else
          return function(std::forward<decltype(each)>(each)...);
      },
      std::forward<Tuple>(arguments));
}

template <class R, class... Args, class F>
PlainFunction plain_function(std::vector<std::string> names, F function) {
  auto shared = std::make_shared<F>(std::move(function));
  return [names = std::move(names), shared](Context& context, const CallData& call) -> boost::json::value {
    auto given = arguments<std::decay_t<Args>...>(call, names, std::index_sequence_for<Args...>());
    if constexpr (std::is_void_v<R>) {
      apply(*shared, context, std::move(given));
      return nullptr;
    } else {
      return boost::json::value_from(R(apply(*shared, context, std::move(given))));
    }
  };
}

template <class R, class F, class Tuple>
boost::asio::awaitable<boost::json::value> run_coroutine(std::shared_ptr<F> function, Context& context,
                                                         Tuple given) {
  if constexpr (std::is_void_v<R>) {
    co_await apply(*function, context, std::move(given));
    co_return nullptr;
  } else {
    R result = co_await apply(*function, context, std::move(given));
    co_return boost::json::value_from(result);
  }
}

template <class R, class... Args, class F>
CoroutineFunction coroutine_function(std::vector<std::string> names, F function) {
  auto shared = std::make_shared<F>(std::move(function));
  return [names = std::move(names), shared](Context& context, const CallData& call) {
    return run_coroutine<R>(
        shared, context, arguments<std::decay_t<Args>...>(call, names, std::index_sequence_for<Args...>()));
  };
}

// What F returns for these arguments, with or without a context in front.
template <class F, class... Args>
auto call_result() {
  if constexpr (std::is_invocable_v<F&, Context&, Args...>)
    return std::type_identity<std::invoke_result_t<F&, Context&, Args...>>();
  else
    return std::type_identity<std::invoke_result_t<F&, Args...>>();
}
template <class F, class... Args>
using call_result_t = typename decltype(call_result<F, Args...>())::type;

}  // namespace millrace::tasks::detail
