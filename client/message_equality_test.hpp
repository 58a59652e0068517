// Two messages compared, property by property.
#pragma once

#include <gtest/gtest.h>

#include "millrace/message.hpp"

namespace millrace {

inline void expect_equal(const Message& got, const Message& expected) {
  EXPECT_EQ(got.body, expected.body);
  EXPECT_EQ(got.content_type, expected.content_type);
  EXPECT_EQ(got.content_encoding, expected.content_encoding);
  EXPECT_EQ(got.persistent, expected.persistent);
  EXPECT_EQ(got.priority, expected.priority);
  EXPECT_EQ(got.correlation_id, expected.correlation_id);
  EXPECT_EQ(got.reply_to, expected.reply_to);
  EXPECT_EQ(got.expiration, expected.expiration);
  EXPECT_EQ(got.message_id, expected.message_id);
  EXPECT_EQ(got.timestamp, expected.timestamp);
  EXPECT_EQ(got.type, expected.type);
  EXPECT_EQ(got.user_id, expected.user_id);
  EXPECT_EQ(got.app_id, expected.app_id);
  EXPECT_EQ(got.headers, expected.headers);
}

}  // namespace millrace
