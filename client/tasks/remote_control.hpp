// Celery's remote control: commands come by the fanout exchange `celery.pidbox` to a queue of each worker,
// and answers go to whoever asked.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "millrace/client.hpp"

namespace millrace::tasks {

Address control_address();
ExchangeSpec control_exchange();
boost::json::object command_to_all(const std::string& method, const boost::json::object& arguments);
// Makes every worker forget about a task, and, `terminate`, stop it. Blocks; throws a ClientError.
void revoke_task(Client& client, const std::string& id, bool terminate);

// One worker's side. Commands run on `executor`, one after another.
class RemoteControl {
 public:
  // What is answered: {"ok": ...}, or any object. Throws for arguments that cannot be.
  using Command = std::function<boost::json::value(const boost::json::object& arguments)>;

  RemoteControl(Client& client, std::string host, Executor executor)
      : client_(client), host_(std::move(host)), executor_(std::move(executor)) {}

  void add(std::string name, Command command) { commands_[std::move(name)] = std::move(command); }
  // Blocks until commands arrive; throws a ClientError.
  void start();
  void stop() { consumer_.cancel(); }

 private:
  void on_command(const Delivery& delivery);
  void reply(const boost::json::object& asked, const Delivery& delivery, const boost::json::value& answer);
  bool is_meant(const boost::json::object& asked) const;

  Client& client_;
  const std::string host_;
  const Executor executor_;
  std::map<std::string, Command, std::less<>> commands_;
  Consumer consumer_;
};

}  // namespace millrace::tasks
