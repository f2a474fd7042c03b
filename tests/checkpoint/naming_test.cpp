#include "checkpoint/naming.h"

#include <gtest/gtest.h>

namespace longhaul {
namespace {

TEST(Naming, PathsFollowHuggingFaceNames) {
  EXPECT_EQ(checkpoint_path("model.layers.0.self_attn.q_proj.weight"),
            "model/layers/0/self_attn/q_proj/weight");
  EXPECT_EQ(checkpoint_path("lm_head.weight"), "lm_head/weight");
  EXPECT_EQ(optimizer_path("exp_avg", "model.norm.weight"), "optimizer/exp_avg/model/norm/weight");
}

TEST(Naming, PathsAreTakenApartAgain) {
  EXPECT_EQ(tensor_name("model/layers/10/mlp/up_proj/weight").hf_name,
            "model.layers.10.mlp.up_proj.weight");
  EXPECT_EQ(tensor_name("model/layers/10/mlp/up_proj/weight").optimizer_kind, "");
  const TensorName state = tensor_name("optimizer/exp_avg_sq/lm_head/weight");
  EXPECT_EQ(state.hf_name, "lm_head.weight");
  EXPECT_EQ(state.optimizer_kind, "exp_avg_sq");
  EXPECT_EQ(display_name("optimizer/master/lm_head/weight"), "master of lm_head.weight");
}

TEST(Naming, OnlyFinalFolderNamesAreSteps) {
  EXPECT_EQ(step_directory_name(50), "step_00000050");
  EXPECT_EQ(step_of_directory_name("step_00000050"), 50);
  EXPECT_EQ(step_of_directory_name(step_directory_name(1234567890)), 1234567890);
  for (const char* name : {"step_00000050.tmp", "step_00000050.old", "step_50", "step_", "runs",
                           "step_0000005x", "step_-0000050", ""}) {
    EXPECT_FALSE(step_of_directory_name(name)) << name;
  }
  EXPECT_EQ(base_name("step_00000050.old.tmp"), "step_00000050");
  EXPECT_EQ(shard_file_name(13), "shard_00013.h5");
}

}  // namespace
}  // namespace longhaul
