#include "checkpoint/slab_tiling.h"

#include <gtest/gtest.h>

#include "checkpoint/test_model.h"

namespace longhaul {
namespace {

using test::message_of;

SlabRecord slab(const TensorSlice& slice) {
  return {"lm_head/weight", DType::bf16, {8, 6}, slice, 0, 0};
}

std::string complaint(const std::vector<SlabRecord>& slabs) {
  std::vector<ShardRecord> shards;
  for (const SlabRecord& one : slabs) {
    const auto number = static_cast<int>(shards.size());
    shards.push_back({"shard_" + std::to_string(number), 0, 0, {one}});
  }
  return message_of([&] { collect_tensors(shards); });
}

TEST(SlabTiling, AcceptsTilesInAnyOrder) {
  EXPECT_EQ(complaint({slab({4, 3, 4, 3}), slab({0, 0, 4, 6}), slab({4, 0, 4, 3})}), "");
  EXPECT_EQ(complaint({slab({0, 3, 8, 3}), slab({5, 0, 3, 3}), slab({0, 0, 5, 3})}), "");
}

TEST(SlabTiling, RefusesWhatDoesNotTile) {
  EXPECT_NE(complaint({slab({0, 0, 4, 6})}).find("hold 24 of its 48 elements"), std::string::npos);
  const std::string overlap =
      complaint({slab({0, 0, 5, 6}), slab({4, 0, 2, 6}), slab({7, 0, 1, 6})});
  EXPECT_NE(overlap.find("shard_0 and shard_1 overlap"), std::string::npos) << overlap;
  EXPECT_NE(overlap.find("lm_head.weight"), std::string::npos) << overlap;
  EXPECT_NE(complaint({slab({0, 0, 9, 6})}).find("reaches outside"), std::string::npos);
  EXPECT_NE(complaint({slab({0, 4, 8, 4})}).find("reaches outside"), std::string::npos);
  SlabRecord other = slab({4, 0, 4, 6});
  other.dtype = DType::f32;
  EXPECT_NE(complaint({slab({0, 0, 4, 6}), other}).find("another rank bfloat16"),
            std::string::npos);
}

TEST(SlabRecord, SurvivesSending) {
  const ShardRecord record{
      "shard_00003.h5", 123456789012, 0xfedcba98, {slab({4, 3, 4, 3}), slab({0, 0, 4, 6})}};
  const ShardRecord back = decode_shard_record(encode(record));
  EXPECT_EQ(back.file_name, record.file_name);
  EXPECT_EQ(back.bytes, record.bytes);
  EXPECT_EQ(back.metadata_crc, record.metadata_crc);
  ASSERT_EQ(back.slabs.size(), 2U);
  EXPECT_EQ(back.slabs[0].path, "lm_head/weight");
  EXPECT_EQ(back.slabs[0].slice, (TensorSlice{4, 3, 4, 3}));
  EXPECT_EQ(back.slabs[1].dtype, DType::bf16);
}

}  // namespace
}  // namespace longhaul
