// Every method and every field of every method, for tests that must leave none out. Made from protocol.txt by
// tools/generate_amqp091.py; change those, not this.
#pragma once

#include "codec/amqp091/methods.hpp"

namespace millrace::amqp091 {

template <class Visitor>
void for_each_field(connection::Start& method, Visitor visit) {
  visit(method.version_major);
  visit(method.version_minor);
  visit(method.server_properties);
  visit(method.mechanisms);
  visit(method.locales);
}

template <class Visitor>
void for_each_field(connection::StartOk& method, Visitor visit) {
  visit(method.client_properties);
  visit(method.mechanism);
  visit(method.response);
  visit(method.locale);
}

template <class Visitor>
void for_each_field(connection::Secure& method, Visitor visit) {
  visit(method.challenge);
}

template <class Visitor>
void for_each_field(connection::SecureOk& method, Visitor visit) {
  visit(method.response);
}

template <class Visitor>
void for_each_field(connection::Tune& method, Visitor visit) {
  visit(method.channel_max);
  visit(method.frame_max);
  visit(method.heartbeat);
}

template <class Visitor>
void for_each_field(connection::TuneOk& method, Visitor visit) {
  visit(method.channel_max);
  visit(method.frame_max);
  visit(method.heartbeat);
}

template <class Visitor>
void for_each_field(connection::Open& method, Visitor visit) {
  visit(method.virtual_host);
  visit(method.capabilities);
  visit(method.insist);
}

template <class Visitor>
void for_each_field(connection::OpenOk& method, Visitor visit) {
  visit(method.known_hosts);
}

template <class Visitor>
void for_each_field(connection::Close& method, Visitor visit) {
  visit(method.reply_code);
  visit(method.reply_text);
  visit(method.class_id);
  visit(method.method_id);
}

template <class Visitor>
void for_each_field(connection::CloseOk&, Visitor) {}

template <class Visitor>
void for_each_field(connection::Blocked& method, Visitor visit) {
  visit(method.reason);
}

template <class Visitor>
void for_each_field(connection::Unblocked&, Visitor) {}

template <class Visitor>
void for_each_field(connection::UpdateSecret& method, Visitor visit) {
  visit(method.new_secret);
  visit(method.reason);
}

template <class Visitor>
void for_each_field(connection::UpdateSecretOk&, Visitor) {}

template <class Visitor>
void for_each_field(channel::Open& method, Visitor visit) {
  visit(method.out_of_band);
}

template <class Visitor>
void for_each_field(channel::OpenOk& method, Visitor visit) {
  visit(method.channel_id);
}

template <class Visitor>
void for_each_field(channel::Flow& method, Visitor visit) {
  visit(method.active);
}

template <class Visitor>
void for_each_field(channel::FlowOk& method, Visitor visit) {
  visit(method.active);
}

template <class Visitor>
void for_each_field(channel::Close& method, Visitor visit) {
  visit(method.reply_code);
  visit(method.reply_text);
  visit(method.class_id);
  visit(method.method_id);
}

template <class Visitor>
void for_each_field(channel::CloseOk&, Visitor) {}

template <class Visitor>
void for_each_field(access::Request& method, Visitor visit) {
  visit(method.realm);
  visit(method.exclusive);
  visit(method.passive);
  visit(method.active);
  visit(method.write);
  visit(method.read);
}

template <class Visitor>
void for_each_field(access::RequestOk& method, Visitor visit) {
  visit(method.ticket);
}

template <class Visitor>
void for_each_field(exchange::Declare& method, Visitor visit) {
  visit(method.ticket);
  visit(method.exchange);
  visit(method.type);
  visit(method.passive);
  visit(method.durable);
  visit(method.auto_delete);
  visit(method.internal);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(exchange::DeclareOk&, Visitor) {}

template <class Visitor>
void for_each_field(exchange::Delete& method, Visitor visit) {
  visit(method.ticket);
  visit(method.exchange);
  visit(method.if_unused);
  visit(method.nowait);
}

template <class Visitor>
void for_each_field(exchange::DeleteOk&, Visitor) {}

template <class Visitor>
void for_each_field(exchange::Bind& method, Visitor visit) {
  visit(method.ticket);
  visit(method.destination);
  visit(method.source);
  visit(method.routing_key);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(exchange::BindOk&, Visitor) {}

template <class Visitor>
void for_each_field(exchange::Unbind& method, Visitor visit) {
  visit(method.ticket);
  visit(method.destination);
  visit(method.source);
  visit(method.routing_key);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(exchange::UnbindOk&, Visitor) {}

template <class Visitor>
void for_each_field(queue::Declare& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.passive);
  visit(method.durable);
  visit(method.exclusive);
  visit(method.auto_delete);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(queue::DeclareOk& method, Visitor visit) {
  visit(method.queue);
  visit(method.message_count);
  visit(method.consumer_count);
}

template <class Visitor>
void for_each_field(queue::Bind& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.exchange);
  visit(method.routing_key);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(queue::BindOk&, Visitor) {}

template <class Visitor>
void for_each_field(queue::Purge& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.nowait);
}

template <class Visitor>
void for_each_field(queue::PurgeOk& method, Visitor visit) {
  visit(method.message_count);
}

template <class Visitor>
void for_each_field(queue::Delete& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.if_unused);
  visit(method.if_empty);
  visit(method.nowait);
}

template <class Visitor>
void for_each_field(queue::DeleteOk& method, Visitor visit) {
  visit(method.message_count);
}

template <class Visitor>
void for_each_field(queue::Unbind& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.exchange);
  visit(method.routing_key);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(queue::UnbindOk&, Visitor) {}

template <class Visitor>
void for_each_field(basic::Qos& method, Visitor visit) {
  visit(method.prefetch_size);
  visit(method.prefetch_count);
  visit(method.global);
}

template <class Visitor>
void for_each_field(basic::QosOk&, Visitor) {}

template <class Visitor>
void for_each_field(basic::Consume& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.consumer_tag);
  visit(method.no_local);
  visit(method.no_ack);
  visit(method.exclusive);
  visit(method.nowait);
  visit(method.arguments);
}

template <class Visitor>
void for_each_field(basic::ConsumeOk& method, Visitor visit) {
  visit(method.consumer_tag);
}

template <class Visitor>
void for_each_field(basic::Cancel& method, Visitor visit) {
  visit(method.consumer_tag);
  visit(method.nowait);
}

template <class Visitor>
void for_each_field(basic::CancelOk& method, Visitor visit) {
  visit(method.consumer_tag);
}

template <class Visitor>
void for_each_field(basic::Publish& method, Visitor visit) {
  visit(method.ticket);
  visit(method.exchange);
  visit(method.routing_key);
  visit(method.mandatory);
  visit(method.immediate);
}

template <class Visitor>
void for_each_field(basic::Return& method, Visitor visit) {
  visit(method.reply_code);
  visit(method.reply_text);
  visit(method.exchange);
  visit(method.routing_key);
}

template <class Visitor>
void for_each_field(basic::Deliver& method, Visitor visit) {
  visit(method.consumer_tag);
  visit(method.delivery_tag);
  visit(method.redelivered);
  visit(method.exchange);
  visit(method.routing_key);
}

template <class Visitor>
void for_each_field(basic::Get& method, Visitor visit) {
  visit(method.ticket);
  visit(method.queue);
  visit(method.no_ack);
}

template <class Visitor>
void for_each_field(basic::GetOk& method, Visitor visit) {
  visit(method.delivery_tag);
  visit(method.redelivered);
  visit(method.exchange);
  visit(method.routing_key);
  visit(method.message_count);
}

template <class Visitor>
void for_each_field(basic::GetEmpty& method, Visitor visit) {
  visit(method.cluster_id);
}

template <class Visitor>
void for_each_field(basic::Ack& method, Visitor visit) {
  visit(method.delivery_tag);
  visit(method.multiple);
}

template <class Visitor>
void for_each_field(basic::Reject& method, Visitor visit) {
  visit(method.delivery_tag);
  visit(method.requeue);
}

template <class Visitor>
void for_each_field(basic::RecoverAsync& method, Visitor visit) {
  visit(method.requeue);
}

template <class Visitor>
void for_each_field(basic::Recover& method, Visitor visit) {
  visit(method.requeue);
}

template <class Visitor>
void for_each_field(basic::RecoverOk&, Visitor) {}

template <class Visitor>
void for_each_field(basic::Nack& method, Visitor visit) {
  visit(method.delivery_tag);
  visit(method.multiple);
  visit(method.requeue);
}

template <class Visitor>
void for_each_field(confirm::Select& method, Visitor visit) {
  visit(method.nowait);
}

template <class Visitor>
void for_each_field(confirm::SelectOk&, Visitor) {}

template <class Visitor>
void for_each_field(tx::Select&, Visitor) {}

template <class Visitor>
void for_each_field(tx::SelectOk&, Visitor) {}

template <class Visitor>
void for_each_field(tx::Commit&, Visitor) {}

template <class Visitor>
void for_each_field(tx::CommitOk&, Visitor) {}

template <class Visitor>
void for_each_field(tx::Rollback&, Visitor) {}

template <class Visitor>
void for_each_field(tx::RollbackOk&, Visitor) {}

template <class Visitor>
void for_each_method(Visitor visit) {
  visit(connection::Start{});
  visit(connection::StartOk{});
  visit(connection::Secure{});
  visit(connection::SecureOk{});
  visit(connection::Tune{});
  visit(connection::TuneOk{});
  visit(connection::Open{});
  visit(connection::OpenOk{});
  visit(connection::Close{});
  visit(connection::CloseOk{});
  visit(connection::Blocked{});
  visit(connection::Unblocked{});
  visit(connection::UpdateSecret{});
  visit(connection::UpdateSecretOk{});
  visit(channel::Open{});
  visit(channel::OpenOk{});
  visit(channel::Flow{});
  visit(channel::FlowOk{});
  visit(channel::Close{});
  visit(channel::CloseOk{});
  visit(access::Request{});
  visit(access::RequestOk{});
  visit(exchange::Declare{});
  visit(exchange::DeclareOk{});
  visit(exchange::Delete{});
  visit(exchange::DeleteOk{});
  visit(exchange::Bind{});
  visit(exchange::BindOk{});
  visit(exchange::Unbind{});
  visit(exchange::UnbindOk{});
  visit(queue::Declare{});
  visit(queue::DeclareOk{});
  visit(queue::Bind{});
  visit(queue::BindOk{});
  visit(queue::Purge{});
  visit(queue::PurgeOk{});
  visit(queue::Delete{});
  visit(queue::DeleteOk{});
  visit(queue::Unbind{});
  visit(queue::UnbindOk{});
  visit(basic::Qos{});
  visit(basic::QosOk{});
  visit(basic::Consume{});
  visit(basic::ConsumeOk{});
  visit(basic::Cancel{});
  visit(basic::CancelOk{});
  visit(basic::Publish{});
  visit(basic::Return{});
  visit(basic::Deliver{});
  visit(basic::Get{});
  visit(basic::GetOk{});
  visit(basic::GetEmpty{});
  visit(basic::Ack{});
  visit(basic::Reject{});
  visit(basic::RecoverAsync{});
  visit(basic::Recover{});
  visit(basic::RecoverOk{});
  visit(basic::Nack{});
  visit(confirm::Select{});
  visit(confirm::SelectOk{});
  visit(tx::Select{});
  visit(tx::SelectOk{});
  visit(tx::Commit{});
  visit(tx::CommitOk{});
  visit(tx::Rollback{});
  visit(tx::RollbackOk{});
}

}  // namespace millrace::amqp091
