// The last step of a call: what follows from it is published, and once all of that is confirmed its delivery
// is acknowledged. If any of it cannot be confirmed the delivery is given back, and the call comes again; or
// it is a dead letter, if that were so each time.
#pragma once

#include <exception>
#include <functional>
#include <memory>

#include "client/tasks/outgoing.hpp"
#include "client/tasks/places.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

// What is to be settled.
class Settled {
 public:
  // Once, on the client's executor or the thread that let go of the Settling: to acknowledge, or with an
  // error to give back.
  virtual void settle(const std::exception_ptr& error) = 0;

 protected:
  ~Settled() = default;
};

// Each send() adds a message; letting go of it says that there are no more.
class Settling {
 public:
  // `owner` is what the client and the places belong to.
  Settling(std::shared_ptr<const void> owner, Client& client, Places& places, std::shared_ptr<Settled> what);
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
  std::shared_ptr<const void> owner_;
  Client& client_;
  Places& places_;
  std::shared_ptr<Settled> what_;
  std::shared_ptr<State> state_;  // once there is something to wait for
};

}  // namespace millrace::tasks
