#include "broker/node/large_bodies.hpp"

#include <algorithm>

namespace millrace::broker {

result<std::unique_ptr<LargeBodies>> LargeBodies::open(runtime::ShardRuntime runtime,
                                                       const std::string& directory, Enqueue enqueue) {
  auto files = storage::BodyFiles::open(runtime, directory);
  if (files.has_error()) return files.error();
  return std::unique_ptr<LargeBodies>(new LargeBodies(runtime, std::move(*files), std::move(enqueue)));
}

void LargeBodies::stage(StagedPublish&& publish) {
  const std::uint64_t connection = publish.confirm.connection.value;
  staged_bytes_ += publish.message->body().size();
  std::deque<StagedPublish>& waiting = staged_[connection];
  waiting.push_back(std::move(publish));
  if (waiting.size() == 1) write(connection);
}

void LargeBodies::write(std::uint64_t connection) {
  const MessageRef message = staged_[connection].front().message;
  files_->write(
      message->body(), [message] {},
      [this, connection](result<storage::BodyFileId> written) {
        if (written.has_error()) {
          runtime_.timers.start(kRetry, [this, connection] { write(connection); });
          return;
        }
        std::deque<StagedPublish>& waiting = staged_[connection];
        StagedPublish publish = std::move(waiting.front());
        waiting.pop_front();
        pass_on(std::move(publish), *written);
        go_on(connection);
      });
}

void LargeBodies::pass_on(StagedPublish&& publish, storage::BodyFileId body) {
  staged_bytes_ -= publish.message->body().size();
  if (publish.then) return publish.then(body);
  enqueue_(std::move(publish), body);
}

void LargeBodies::go_on(std::uint64_t connection) {
  std::deque<StagedPublish>& waiting = staged_[connection];
  while (!waiting.empty() && !waiting.front().large) {
    StagedPublish publish = std::move(waiting.front());
    waiting.pop_front();
    pass_on(std::move(publish), storage::BodyFileId());
  }
  if (waiting.empty()) {
    staged_.erase(connection);
  } else {
    write(connection);
  }
}

void LargeBodies::logged(storage::Lsn lsn, storage::BodyFileId body, std::uint64_t bytes) {
  logged_.push_back({lsn, body, bytes});
  logged_bytes_ += bytes;
}

void LargeBodies::released(storage::Lsn through) {
  while (!logged_.empty() && logged_.front().lsn <= through) {
    logged_bytes_ -= logged_.front().bytes;
    files_->remove(logged_.front().body);
    logged_.pop_front();
  }
}

result<MessageRef> LargeBodies::recover(storage::Lsn lsn, ByteView head, storage::BodyFileId body) {
  files_->keep_number(body);
  const Ref<Message> message = read_message_head(head);
  if (!message) return MessageRef();
  const std::size_t bytes = message->body().size();
  if (auto read = files_->read_now(body, {message->body_room(), bytes}); read.has_error())
    return read.error();
  logged(lsn, body, bytes);
  return MessageRef(message);
}

void LargeBodies::finish_recovery() {
  for (const storage::BodyFileId body : files_->list()) {
    const bool named = std::any_of(logged_.begin(), logged_.end(),
                                   [&](const Logged& logged) { return logged.body == body; });
    if (!named) files_->remove(body);
  }
}

}  // namespace millrace::broker
