#include "comm/communicators.h"

#include "core/error.h"

namespace longhaul {

Communicators::Communicators(const std::function<std::unique_ptr<Communicator>(Group)>& make) {
  for (const Group group : kTensorGroups) groups_[index_of(group)] = make(group);
}

Communicator& Communicators::operator[](Group group) const {
  Communicator* const found = groups_[index_of(group)].get();
  LONGHAUL_CHECK(found != nullptr, "there is no communicator for group '{}'", name_of(group));
  return *found;
}

void Communicators::poll_errors() const {
  for (const auto& group : groups_) {
    if (group != nullptr) group->poll_errors();
  }
}

PendingOperation Communicators::oldest_unfinished() const {
  PendingOperation oldest;
  for (const auto& group : groups_) {
    const auto found = group != nullptr ? group->oldest_unfinished() : std::nullopt;
    if (found && (oldest.order == 0 || found->order < oldest.order)) oldest = *found;
  }
  return oldest;
}

void Communicators::abort() const noexcept {
  for (const auto& group : groups_) {
    if (group != nullptr) group->abort();
  }
}

Communicators make_self_communicators() {
  return Communicators([](Group) { return make_self_communicator(); });
}

}  // namespace longhaul
