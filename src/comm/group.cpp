#include "comm/group.h"

namespace longhaul {

const char* name_of(Group group) {
  switch (group) {
    case Group::host:
      return "all ranks";
    case Group::tp:
      return "tp";
    case Group::cp:
      return "cp";
    case Group::dp_cp:
      return "dp_cp";
    case Group::weights:
      return "weights";
    case Group::world:
      return "world";
  }
  return "";
}

}  // namespace longhaul
