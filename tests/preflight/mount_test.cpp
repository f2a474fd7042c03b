#include "preflight/mount.h"

#include <gtest/gtest.h>

namespace longhaul::preflight {
namespace {

constexpr const char* kMounts =
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 22 0:40 / /home rw shared:5 master:1 - nfs4 server:/export/home rw,vers=4.2\n"
    "31 30 0:41 / /home/ann/with\\040blank rw - tmpfs tmpfs rw\n"
    "32 22 0:42 / /homework rw - xfs /dev/vdb rw\n"
    "33 22 0:43 / /home rw - lustre mgs:/fs rw\n"
    "damaged line\n";

TEST(FindMount, TheLongestPlaceCountsAndTheLastOfEqualOnes) {
  EXPECT_EQ(find_mount(kMounts, "/data/run"), "ext4 /dev/vda");
  EXPECT_EQ(find_mount(kMounts, "/home/bob"), "lustre mgs:/fs");
  EXPECT_EQ(find_mount(kMounts, "/home"), "lustre mgs:/fs");
  EXPECT_EQ(find_mount(kMounts, "/homework/a"), "xfs /dev/vdb");
  EXPECT_EQ(find_mount(kMounts, "/homeless"), "ext4 /dev/vda");
  EXPECT_EQ(find_mount(kMounts, "/home/ann/with blank/x"), "tmpfs");
  EXPECT_EQ(find_mount("", "/a"), "");
}

TEST(MountOf, KnowsThisSystem) { EXPECT_FALSE(mount_of(".").empty()); }

}  // namespace
}  // namespace longhaul::preflight
