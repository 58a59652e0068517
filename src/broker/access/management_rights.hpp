// What the tags of a user allow beyond messaging, as RabbitMQ's management plug-in has them: `administrator`
// may do all; `monitoring` and `policymaker` may do what `management` may, and see all of the node or change
// policies; `management` is for those who only see what is their own.
#pragma once

#include "base/result.hpp"
#include "broker/access/access_control.hpp"
#include "broker/definitions/change.hpp"

namespace millrace::broker {

enum class ManagementRole : std::uint8_t { management, policymaker, monitoring, administrator };

bool has_role(const Subject& subject, ManagementRole role) noexcept;

// access_refused with RabbitMQ's word for it ("Not administrator user").
result<void> authorize_role(const Subject& subject, ManagementRole role);

// Policies and parameters: a policymaker with access to the vhost, if there is one, or an administrator, who
// may import them for a vhost that the same import makes. All else: an administrator.
result<void> authorize_change(const Subject& subject, const Change& change, const AccessControl& access);

}  // namespace millrace::broker
