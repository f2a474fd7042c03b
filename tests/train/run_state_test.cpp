#include "train/run_state.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace longhaul {
namespace {

class RunStateTest : public ::testing::Test {
 protected:
  RunStateTest() {
    config_.json = R"({"hidden_size": 64, "rope_theta": 10000.0, "torch_dtype": "float32"})";
  }
  [[nodiscard]] RunRecord record() const { return {options_, config_, {2, 2, 1}, "cpu", data_}; }
  [[nodiscard]] std::string refusal(const std::string& metadata) const {
    try {
      resume_state(metadata, record(), "save/step_00000003");
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  }

  TrainOptions options_;
  ModelConfig config_;
  std::string data_ = R"({"files": ["a.jsonl"], "seed": 42})";
  const RunState state_{7, 6, 1, 50};
};

TEST_F(RunStateTest, ReadsBackWhatItWrote) {
  EXPECT_EQ(resume_state(to_metadata(state_, record()), record(), "x"), state_);
}

TEST_F(RunStateTest, LayoutOptimizerAndDtypeMayChange) {
  const std::string metadata = to_metadata(state_, record());
  options_.lr = 5e-6;
  options_.save_interval = 3;
  config_.json = R"({"hidden_size": 64, "rope_theta": 10000.0, "dtype": "bfloat16"})";
  const RunRecord other{options_, config_, {1, 1, 8}, "cuda", data_};
  EXPECT_EQ(resume_state(metadata, other, "x"), state_);
}

TEST_F(RunStateTest, ListsEverythingThatDiffers) {
  const std::string metadata = to_metadata(state_, record());
  config_.json = R"({"hidden_size": 64, "rope_theta": 5000.0, "head_dim": 16})";
  data_ = R"({"files": ["b.jsonl"], "seed": 42})";
  options_.global_bs = 3;
  const std::string text = refusal(metadata);
  EXPECT_NE(text.find("save/step_00000003"), std::string::npos) << text;
  EXPECT_NE(text.find("model.rope_theta: the checkpoint has 10000.0, this run 5000.0"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("model.head_dim: the checkpoint has null, this run 16"), std::string::npos);
  EXPECT_NE(text.find("data.files"), std::string::npos) << text;
  EXPECT_NE(text.find("data.global_bs: the checkpoint has 64, this run 3"), std::string::npos);
  EXPECT_EQ(text.find("data.seed"), std::string::npos) << text;
}

TEST_F(RunStateTest, WeightsAloneCannotBeResumed) {
  const std::string text = refusal(R"({"step": 0, "model": {}})");
  EXPECT_NE(text.find("--model"), std::string::npos) << text;
}

}  // namespace
}  // namespace longhaul
