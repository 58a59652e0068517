#include "codec/amqp091/content.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/amqp091/frame.hpp"
#include "codec/amqp091/properties.hpp"

namespace millrace::amqp091 {
namespace {

constexpr std::size_t kShare = OutputQueue::kShareFromBytes;

// What a peer makes of the bytes: the method, the header, and how the body was cut.
struct Received {
  std::vector<FrameType> types;
  std::string method;
  std::uint64_t announced = 0;
  std::string body;
  std::size_t largest_frame = 0;
  std::vector<std::size_t> body_frames;

  void operator()(const basic::Deliver& deliver) {
    method = std::string(deliver.consumer_tag) + ' ' + std::to_string(deliver.delivery_tag) +
             (deliver.redelivered ? " again " : " first ") + std::string(deliver.exchange) + '/' +
             std::string(deliver.routing_key);
  }
  void operator()(const basic::Publish& publish) {
    method = std::string(publish.exchange) + '/' + std::string(publish.routing_key) +
             (publish.mandatory ? " mandatory" : "");
  }
  template <class Other>
  void operator()(const Other&) {
    ADD_FAILURE() << "not expected: " << Other::name;
  }
};

Received receive(ByteView bytes, std::uint32_t frame_max = 0) {
  Received received;
  while (!bytes.empty()) {
    const FrameSplit split = split_frame(bytes, frame_max);
    EXPECT_EQ(split.state, FrameState::complete);
    if (split.state != FrameState::complete) break;
    EXPECT_EQ(split.frame.channel, 9);
    received.types.push_back(split.frame.type);
    received.largest_frame = std::max<std::size_t>(received.largest_frame, split.bytes);
    if (split.frame.type == FrameType::method) {
      std::uint32_t id = 0;
      EXPECT_EQ(visit_method(split.frame.payload, id, received), Parsed::ok);
    } else if (split.frame.type == FrameType::header) {
      ContentHeader header;
      EXPECT_EQ(parse_content_header(split.frame.payload, header), HeaderParsed::ok);
      received.announced = header.body_bytes;
    } else {
      received.body += as_text(split.frame.payload);
      received.body_frames.push_back(split.frame.payload.size());
    }
    bytes = bytes.subspan(split.bytes);
  }
  return received;
}

std::string text_of(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

// A body that tells whether somebody still holds it.
class Body final : public RefCounted {
 public:
  Body(std::size_t bytes, bool& alive) : text_(text_of(bytes)), alive_(alive) { alive_ = true; }
  ~Body() override { alive_ = false; }
  ByteView view() const { return as_bytes(text_); }

 private:
  std::string text_;
  bool& alive_;
};

struct Gathered {
  std::string bytes;
  std::vector<ByteView> pieces;
};

Gathered gather(const OutputQueue& queue) {
  std::vector<iovec> list(64);
  list.resize(queue.gather(list));
  Gathered gathered;
  for (const iovec& piece : list) {
    gathered.pieces.emplace_back(static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len);
    gathered.bytes += as_text(gathered.pieces.back());
  }
  return gathered;
}

TEST(Content, of_a_delivery_arrives_as_method_header_and_body) {
  Buffer out;
  write_deliver(out, 9, "ctag", 77, true, "ex", "key", kNoProperties, as_bytes("hello"), 4096);
  const Received received = receive(out.view(), 4096);
  EXPECT_EQ(received.types, (std::vector{FrameType::method, FrameType::header, FrameType::body}));
  EXPECT_EQ(received.method, "ctag 77 again ex/key");
  EXPECT_EQ(received.announced, 5u);
  EXPECT_EQ(received.body, "hello");
}

TEST(Content, of_a_publish_arrives_as_it_was_sent) {
  Buffer out;
  write_publish(out, 9, "ex", "key", true, kNoProperties, as_bytes("x"), 0);
  const Received received = receive(out.view());
  EXPECT_EQ(received.method, "ex/key mandatory");
  EXPECT_EQ(received.body, "x");
}

TEST(Content, without_a_body_has_no_body_frame) {
  Buffer out;
  write_deliver(out, 9, "c", 1, false, "", "q", kNoProperties, {}, 4096);
  EXPECT_EQ(receive(out.view()).types, (std::vector{FrameType::method, FrameType::header}));
}

// Every size that takes another way through the code that copies small bodies.
TEST(Content, keeps_bodies_of_every_small_size) {
  for (std::size_t bytes = 1; bytes < 100; ++bytes) {
    Buffer out;
    write_deliver(out, 9, text_of(bytes), 1, false, "", "q", kNoProperties, as_bytes(text_of(bytes)), 4096);
    EXPECT_EQ(receive(out.view()).body, text_of(bytes)) << bytes;
    EXPECT_EQ(receive(out.view()).method, text_of(bytes) + " 1 first /q") << bytes;
  }
}

TEST(Content, is_cut_so_that_whole_frames_are_as_large_as_agreed_and_no_larger) {
  const std::size_t part = 4096 - kFrameOverhead;
  struct Case {
    std::size_t body;
    std::vector<std::size_t> frames;
  };
  const Case cases[] = {{part - 1, {part - 1}},
                        {part, {part}},
                        {part + 1, {part, 1}},
                        {2 * part, {part, part}},
                        {2 * part + 5, {part, part, 5}}};
  for (const Case& c : cases) {
    Buffer out;
    write_deliver(out, 9, "c", 1, false, "", "q", kNoProperties, as_bytes(text_of(c.body)), 4096);
    const Received received = receive(out.view(), 4096);
    EXPECT_EQ(received.body_frames, c.frames);
    EXPECT_EQ(received.body, text_of(c.body));
    EXPECT_EQ(received.announced, c.body);
    EXPECT_LE(received.largest_frame, 4096u);
  }
}

TEST(Content, without_a_limit_is_one_frame) {
  Buffer out;
  write_deliver(out, 9, "c", 1, false, "", "q", kNoProperties, as_bytes(text_of(300'000)), 0);
  EXPECT_EQ(receive(out.view()).body_frames, std::vector<std::size_t>{300'000});
}

TEST(Content, of_a_large_body_is_sent_by_reference_and_held_until_it_is_sent) {
  bool alive = false;
  auto body = Ref<const Body>::adopt(new Body(kShare, alive));
  OutputQueue queue;
  write_deliver_header(queue.tail(), 9, "c", 1, false, "", "q", kNoProperties, kShare);
  write_body(queue, 9, body->view(), Ref<const RefCounted>(body.get()), 131072);
  const ByteView view = body->view();
  body = nullptr;
  ASSERT_TRUE(alive);

  const Gathered gathered = gather(queue);
  ASSERT_EQ(gathered.pieces.size(), 3u);  // what goes before, the body itself, the end octet
  EXPECT_EQ(gathered.pieces[1].data(), view.data());
  EXPECT_EQ(gathered.pieces[1].size(), kShare);
  EXPECT_EQ(receive(as_bytes(gathered.bytes)).body, text_of(kShare));

  queue.consume(queue.size() - 2);
  EXPECT_TRUE(alive);
  queue.consume(1);
  EXPECT_FALSE(alive);
}

TEST(Content, of_a_body_below_the_threshold_is_copied) {
  bool alive = false;
  auto body = Ref<const Body>::adopt(new Body(kShare - 1, alive));
  OutputQueue queue;
  write_deliver_header(queue.tail(), 9, "c", 1, false, "", "q", kNoProperties, kShare - 1);
  write_body(queue, 9, body->view(), Ref<const RefCounted>(body.get()), 131072);
  body = nullptr;
  EXPECT_FALSE(alive);
  EXPECT_EQ(gather(queue).pieces.size(), 1u);
  EXPECT_EQ(receive(as_bytes(gather(queue).bytes)).body, text_of(kShare - 1));
}

TEST(Content, by_reference_is_cut_like_content_that_is_copied) {
  bool alive = false;
  const std::size_t bytes = 3 * 16384;
  const auto body = Ref<const Body>::adopt(new Body(bytes, alive));
  OutputQueue shared;
  write_body(shared, 9, body->view(), Ref<const RefCounted>(body.get()), 16384);
  Buffer copied;
  write_body(copied, 9, body->view(), 16384);
  EXPECT_EQ(gather(shared).bytes, as_text(copied.view()));
  const Received received = receive(copied.view(), 16384);
  EXPECT_EQ(received.body_frames, (std::vector<std::size_t>{16376, 16376, 16376, 24}));
  EXPECT_EQ(received.body, text_of(bytes));
}

TEST(ContentDeathTest, asserts_on_a_frame_size_that_holds_nothing) {
  Buffer out;
  EXPECT_DEATH(write_body(out, 1, as_bytes("x"), kFrameOverhead), "holds anything");
}

}  // namespace
}  // namespace millrace::amqp091
