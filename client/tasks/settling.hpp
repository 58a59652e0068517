// The last step of a call: what follows from it is published, and once all of that is confirmed its delivery
// is acknowledged. If any of it cannot be confirmed the delivery is given back, and the call comes again.
#pragma once

#include <exception>
#include <functional>
#include <memory>

#include "client/tasks/outgoing.hpp"
#include "client/tasks/places.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

// Each send() adds a message; letting go of it says that there are no more.
class Settling {
 public:
  // `settle` is called once, on the client's executor or the caller's thread: to acknowledge, or with an
  // error to give back.
  Settling(Client& client, Places& places, std::function<void(std::exception_ptr)> settle);
  ~Settling();
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

  void send(Outgoing message);
  void send(Address to, Message message);

  // Something else that has to happen before the settlement: call the function once when it has, or with why
  // it could not.
  std::function<void(std::exception_ptr)> wait_for_more();

 private:
  struct State;
  static void one_less(const std::shared_ptr<State>& state, const std::exception_ptr& error);
  const std::shared_ptr<State>& one_more();
  Client& client_;
  Places& places_;
  std::function<void(std::exception_ptr)> settle_;
  std::shared_ptr<State> state_;  // once there is something to wait for
};

}  // namespace millrace::tasks
