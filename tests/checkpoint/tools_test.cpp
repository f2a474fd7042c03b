// HDF5's own programs understand a checkpoint: names, types and values.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "checkpoint/naming.h"
#include "checkpoint/test_model.h"
#include "checkpoint/thread_ranks.h"

namespace longhaul {
namespace {

using test::TemporaryDirectory;

/// What a command prints, both streams; fails the test when its exit code is not 0.
std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << text;
  return text;
}

bool installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
}

/// Four ranks hold quarters of a matrix of the numbers 0, 0.5, 1, ... and halves of a vector.
class Tools : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("h5ls") || !installed("h5dump")) {
      GTEST_SKIP() << "h5ls and h5dump are not installed (package hdf5-tools)";
    }
    test::run_ranks(4, [&](Coordinator& coordinator) {
      const int rank = coordinator.rank();
      std::vector<float> matrix(4);
      std::vector<std::uint16_t> bits(3);
      const std::int64_t row = 2 * (rank / 2);
      const std::int64_t col = 2 * (rank % 2);
      for (std::int64_t i = 0; i < 4; ++i) {
        matrix[static_cast<std::size_t>(i)] =
            0.5F * static_cast<float>((row + i / 2) * 4 + col + i % 2);
      }
      for (std::size_t i = 0; i < 3; ++i) {  // bfloat16 of 1, 2, 4, ... 32
        bits[i] =
            static_cast<std::uint16_t>(0x3f80 + 0x80 * (3 * static_cast<std::size_t>(rank) + i));
      }
      CheckpointContents contents{50, R"({"model": {"hidden_size": 4}, "time": "now"})", {}};
      contents.slabs.push_back({optimizer_path("exp_avg", "model.layers.0.mlp.up_proj.weight"),
                                DType::f32,
                                {4, 4},
                                {row, col, 2, 2},
                                matrix.data(),
                                2});
      if (rank < 2) {
        contents.slabs.push_back({checkpoint_path("model.norm.weight"),
                                  DType::bf16,
                                  {6},
                                  {3 * rank, 0, 3, 1},
                                  bits.data(),
                                  1});
      }
      test::write_once(coordinator, save_.path(), std::move(contents));
    });
  }
  [[nodiscard]] std::string index() const {
    return (save_.path() / "step_00000050" / "index.h5").string();
  }

  TemporaryDirectory save_;
};

TEST_F(Tools, H5lsShowsWholeTensorsUnderTheirNames) {
  const std::string text = output_of("h5ls -r " + index());
  EXPECT_NE(text.find("/model/norm/weight       Dataset {6}"), std::string::npos) << text;
  EXPECT_NE(text.find("/optimizer/exp_avg/model/layers/0/mlp/up_proj/weight Dataset {4, 4}"),
            std::string::npos)
      << text;
  const std::string shard =
      output_of("h5ls -r " + save_.path().string() + "/step_00000050/shard_00003.h5");
  EXPECT_NE(shard.find("up_proj/weight/2_2 Dataset {2, 2}"), std::string::npos) << shard;
}

TEST_F(Tools, H5dumpShowsTheNumbers) {
  // From another folder: the shards are found next to the index.
  const std::string matrix = output_of(
      "cd / && h5dump -d /optimizer/exp_avg/model/layers/0/mlp/up_proj/weight " + index());
  EXPECT_NE(matrix.find("(0,0): 0, 0.5, 1, 1.5,"), std::string::npos) << matrix;
  EXPECT_NE(matrix.find("(3,0): 6, 6.5, 7, 7.5"), std::string::npos) << matrix;
  EXPECT_NE(matrix.find("H5T_IEEE_F32LE"), std::string::npos) << matrix;
  const std::string vector = output_of("h5dump -d /model/norm/weight " + index());
  EXPECT_NE(vector.find("(0): 1, 2, 4, 8, 16, 32"), std::string::npos) << vector;
  EXPECT_NE(vector.find("/checkpoint/bfloat16"), std::string::npos) << vector;
}

TEST_F(Tools, H5dumpShowsTheBookkeeping) {
  const std::string metadata = output_of("h5dump -d /checkpoint/metadata " + index());
  EXPECT_NE(metadata.find(R"({"model": {"hidden_size": 4}, "time": "now"})"), std::string::npos)
      << metadata;
  const std::string step = output_of("h5dump -a /step " + index());
  EXPECT_NE(step.find("(0): 50"), std::string::npos) << step;
  const std::string slabs = output_of("h5dump -d /checkpoint/slabs " + index());
  EXPECT_NE(slabs.find("\"crc32c\""), std::string::npos) << slabs;
  EXPECT_NE(slabs.find("( 6 ) / ( 6 )"), std::string::npos) << slabs;
}

}  // namespace
}  // namespace longhaul
