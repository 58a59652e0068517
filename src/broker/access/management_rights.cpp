#include "broker/access/management_rights.hpp"

namespace millrace::broker {
namespace {

// The vhost whose policies or parameters the change is about; null for all other changes.
const std::string* policy_vhost(const Change& change) noexcept {
  if (const auto* put = std::get_if<PutPolicy>(&change)) {
    return put->policy.is_operator ? nullptr : &put->policy.vhost;
  }
  if (const auto* gone = std::get_if<DeletePolicy>(&change)) {
    return gone->is_operator ? nullptr : &gone->vhost;
  }
  if (const auto* put = std::get_if<PutParameter>(&change)) return &put->parameter.vhost;
  if (const auto* gone = std::get_if<DeleteParameter>(&change)) return &gone->vhost;
  return nullptr;
}

}  // namespace

bool has_role(const Subject& subject, ManagementRole role) noexcept {
  if (subject.has_tag("administrator")) return true;
  switch (role) {
    case ManagementRole::management:
      return subject.has_tag("management") || subject.has_tag("monitoring") || subject.has_tag("policymaker");
    case ManagementRole::policymaker:
      return subject.has_tag("policymaker");
    case ManagementRole::monitoring:
      return subject.has_tag("monitoring");
    case ManagementRole::administrator:
      return false;
  }
  return false;
}

result<void> authorize_role(const Subject& subject, ManagementRole role) {
  if (has_role(subject, role)) return {};
  switch (role) {
    case ManagementRole::management:
      return fail(Errc::access_refused, "Not management user");
    case ManagementRole::policymaker:
      return fail(Errc::access_refused, "Not policymaker user");
    case ManagementRole::monitoring:
      return fail(Errc::access_refused, "Not monitor user");
    case ManagementRole::administrator:
      return fail(Errc::access_refused, "Not administrator user");
  }
  return fail(Errc::access_refused, "Not administrator user");
}

result<void> authorize_change(const Subject& subject, const Change& change, const AccessControl& access) {
  const std::string* vhost = policy_vhost(change);
  if (vhost == nullptr || has_role(subject, ManagementRole::administrator)) {
    return authorize_role(subject, ManagementRole::administrator);
  }
  if (auto ok = authorize_role(subject, ManagementRole::policymaker); ok.has_error()) return ok;
  if (vhost->empty() || access.authorize_vhost(subject, *vhost).has_value()) return {};
  return fail(Errc::access_refused, "User not authorised to access virtual host");
}

}  // namespace millrace::broker
