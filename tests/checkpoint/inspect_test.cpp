// longhaul inspect, from its flags to what it prints.
#include <gtest/gtest.h>

#include <cmath>

#include "app/command.h"
#include "checkpoint/index_reader.h"
#include "checkpoint/naming.h"
#include "checkpoint/test_model.h"
#include "checkpoint/thread_ranks.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Result {
  int code = 0;
  std::string out;
  std::string error;
};

Result inspect(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "inspect");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Result result;
  std::string thrown;
  try {
    result.code = run_inspect(static_cast<int>(argv.size()), argv.data());
  } catch (const UserError& error) {
    result.code = kExitUserError;
    thrown = error.what();
  }
  std::fflush(stdout);
  result.out = testing::internal::GetCapturedStdout();
  result.error = testing::internal::GetCapturedStderr() + thrown;
  return result;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)
#define EXPECT_HAS_NOT(text, part) EXPECT_EQ((text).find(part), std::string::npos) << (text)

/// Two ranks: a matrix of the numbers 0..47 by rows, a bfloat16 vector with a NaN, optimizer state.
class Inspect : public testing::Test {
 protected:
  void SetUp() override {
    for (const std::int64_t step : {10, 20}) write(step);
  }

  void write(std::int64_t step) {
    test::run_ranks(2, [&](Coordinator& coordinator) {
      std::vector<float> half(24);
      for (std::size_t i = 0; i < half.size(); ++i) {
        half[i] = static_cast<float>(24 * static_cast<std::size_t>(coordinator.rank()) + i);
      }
      const std::vector<std::uint16_t> ones{0x3f80, 0x4000, 0x7fc0};  // 1, 2, NaN
      const json metadata{{"program_version", "0.1.0"},
                          {"step", step},
                          {"model", {{"model_type", "qwen3"}, {"hidden_size", 12}}},
                          {"layout", {{"tp", 2}, {"cp", 1}, {"dp", 1}}},
                          {"args", {{"lr", 1e-5}, {"dataset", "a.jsonl"}}}};
      const std::int64_t row = 2 * coordinator.rank();
      CheckpointContents contents{step, dump_json(metadata), {}};
      for (const std::string& path : {checkpoint_path("model.layers.10.mlp.up_proj.weight"),
                                      checkpoint_path("model.layers.2.mlp.up_proj.weight"),
                                      optimizer_path("exp_avg", "model.norm.weight")}) {
        contents.slabs.push_back({path, DType::f32, {4, 12}, {row, 0, 2, 12}, half.data(), 12});
      }
      if (coordinator.rank() == 0) {
        contents.slabs.push_back(
            {checkpoint_path("model.norm.weight"), DType::bf16, {3}, {0, 0, 3, 1}, ones.data(), 1});
      }
      test::write_once(coordinator, save_.path(), std::move(contents));
    });
  }
  [[nodiscard]] std::string save() const { return save_.path().string(); }

  test::TemporaryDirectory save_;
};

TEST_F(Inspect, ShowsTheNewestOfASaveDirectory) {
  const Result result = inspect({save()});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.error, "");
  EXPECT_HAS(result.out, "checkpoint  " + save() + "/step_00000020\n");
  EXPECT_HAS(result.out, "step        20\n");
  EXPECT_HAS(result.out, " in 2 shards\n");
  EXPECT_HAS(result.out, "program     0.1.0\n");
  EXPECT_HAS(result.out, "layout      cp 1, dp 1, tp 2\n");
  EXPECT_HAS(result.out, "model       hidden_size 12, model_type qwen3\n");
  EXPECT_HAS(result.out, "args        dataset a.jsonl, lr 1e-05\n");
  // sqrt(0^2 + ... + 47^2) = sqrt(35720)
  EXPECT_HAS(result.out, "model.layers.2.mlp.up_proj.weight   [4, 12]  float32       188.997\n");
  EXPECT_LT(result.out.find("model.layers.2."), result.out.find("model.layers.10."));
  EXPECT_HAS(result.out,
             "model.norm.weight                   [3]      bfloat16      2.23607  1 NaN");
  EXPECT_HAS(result.out, "3 weights, 99 parameters; 1 tensor of optimizer state");
  EXPECT_HAS_NOT(result.out, "exp_avg of");
}

TEST_F(Inspect, OneStepWithTheOptimizerWithoutNorms) {
  const Result result = inspect(
      {"--checkpoint", save() + "/step_00000010/", "--optimizer", "true", "--norms", "false"});
  EXPECT_EQ(result.code, 0);
  EXPECT_HAS(result.out, "step        10\n");
  EXPECT_HAS(result.out, "exp_avg of model.norm.weight");
  EXPECT_HAS_NOT(result.out, "norm\n");
}

TEST_F(Inspect, PrintsASlice) {
  Result result =
      inspect({save(), "--tensor", "model.layers.2.mlp.up_proj.weight", "--slice", "1:3,-2:"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out,
            "model.layers.2.mlp.up_proj.weight  float32 [4, 12], here [1:3, 10:12]\n"
            "            22            23\n"
            "            34            35\n");
  result = inspect({save(), "--tensor", "/optimizer/exp_avg/model/norm/weight", "--slice", "3, 4"});
  EXPECT_HAS(result.out, "here [3:4, 4:5]\n            40\n");
  result = inspect({save(), "--tensor", "model.norm.weight"});
  EXPECT_HAS(result.out, "             1             2           nan\n");
}

TEST_F(Inspect, PrintsJson) {
  json whole = parse_json<json>(inspect({save(), "--json", "true", "--verify", "true"}).out);
  EXPECT_EQ(whole["step"], 20);
  EXPECT_EQ(whole["verified"], true);
  EXPECT_EQ(whole["metadata"]["layout"]["tp"], 2);
  ASSERT_EQ(whole["tensors"].size(), 3U);
  EXPECT_EQ(whole["tensors"][0]["name"], "model.layers.2.mlp.up_proj.weight");
  EXPECT_DOUBLE_EQ(whole["tensors"][0]["norm"], std::sqrt(35720.0));
  EXPECT_EQ(whole["tensors"][2]["nonfinite"], 1);
  const json slice = parse_json<json>(
      inspect({save(), "--tensor", "model.norm.weight", "--slice", ":", "--json", "true"}).out);
  EXPECT_EQ(slice["values"], (json{1.0, 2.0, nullptr}));
  EXPECT_EQ(slice["dtype"], "bfloat16");
}

TEST_F(Inspect, VerifySaysThatAllIsWell) {
  const Result result = inspect({save(), "--verify", "true"});
  EXPECT_EQ(result.code, 0);
  EXPECT_HAS(result.out, "2 shards, 7 slabs, 582 B: all checksums match\n");
}

TEST_F(Inspect, VerifyListsEveryDamageAndFails) {
  const fs::path step = save_.path() / "step_00000020";
  const CheckpointIndex index = load_index(step);
  for (const std::size_t which : {0, 3}) {
    const SlabRow& slab = index.tables.slabs[which];
    const FileDescriptor fd = open_to_write(index.shard_path(slab));
    const char byte = 0x55;
    write_at(fd, slab.file_offset + 1, &byte, 1, index.shard_path(slab));
  }
  const Result result = inspect({save(), "--verify", "true"});
  EXPECT_EQ(result.code, kExitFailure);
  EXPECT_HAS(result.error, "shard_00000.h5: model.layers.10.mlp.up_proj.weight (rows 0..1");
  EXPECT_HAS(result.error, "shard_00001.h5: model.layers.2.mlp.up_proj.weight (rows 2..3");
  EXPECT_HAS(result.error, "2 damages found; restore the files from a copy");
  EXPECT_EQ(result.out, "");
  const json listed = parse_json<json>(inspect({save(), "--verify", "true", "--json", "true"}).out);
  EXPECT_EQ(listed["damages"].size(), 2U);
}

TEST_F(Inspect, RefusesBadInput) {
  const auto complaint = [&](const std::vector<std::string>& arguments) {
    const Result result = inspect(arguments);
    EXPECT_EQ(result.code, kExitUserError);
    EXPECT_EQ(result.out, "");
    return result.error;
  };
  EXPECT_HAS(complaint({}), "which checkpoint?");
  EXPECT_HAS(complaint({save() + "/nothing"}), "does not exist");
  EXPECT_HAS(complaint({save(), "--slice", "0:1"}), "needs --tensor");
  EXPECT_HAS(complaint({save(), "--tensor", "up_proj"}),
             "no such tensor in " + save() + "/step_00000020; similar are model.layers.10.mlp");
  const std::string matrix = "model.layers.2.mlp.up_proj.weight";
  EXPECT_HAS(complaint({save(), "--tensor", matrix, "--slice", "0:1"}),
             "has 1 part, but " + matrix + " has the shape [4, 12]");
  EXPECT_HAS(complaint({save(), "--tensor", matrix, "--slice", "0:5,0:1"}),
             "0:5 is not a range within 0:4");
  EXPECT_HAS(complaint({save(), "--tensor", matrix, "--slice", "a:5,0:1"}), "'a' is no number");
  EXPECT_HAS(complaint({save(), "--verify", "perhaps"}), "perhaps");
}

TEST_F(Inspect, NotesALatestThatIsWrong) {
  write_text_file(save_.path() / "latest", "step_00000099\n");
  const Result result = inspect({save(), "--norms", "false"});
  EXPECT_EQ(result.code, 0);
  EXPECT_HAS(result.error, "names step_00000099, which is not there");
}

}  // namespace
}  // namespace longhaul
