// Python's h5py reads a checkpoint without this program, and our specification is enough to check
// its checksums. Needs an interpreter with h5py, named by
// the environment variable LONGHAUL_PYTHON.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "checkpoint/test_model.h"

namespace longhaul {
namespace {

TEST(H5py, ReadsEveryTensor) {
  const char* python = std::getenv("LONGHAUL_PYTHON");
  if (python == nullptr || *python == '\0') {
    GTEST_SKIP() << "LONGHAUL_PYTHON is not set; set it to a Python that has h5py and numpy";
  }
  const test::TemporaryDirectory save;
  test::write_test_checkpoint(save.path(), {2, 3}, 50);
  const auto expected = save.path() / "expected";
  std::filesystem::create_directory(expected);
  const auto model = test::test_model();
  for (const test::TestTensor& tensor : model) {
    std::string name = tensor.path + ".bin";
    for (char& c : name) c = c == '/' ? '#' : c;
    const auto bytes = test::expected_bytes(tensor, whole_tensor(tensor.shape), 50);
    std::ofstream(expected / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  const std::string command = std::string(python) + " " + H5PY_CHECK + " " +
                              (save.path() / "step_00000050").string() + " " + expected.string() +
                              " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  EXPECT_EQ(::pclose(pipe), 0) << text;
  EXPECT_EQ(text, std::to_string(model.size()) + " tensors equal, all checksums match\n");
}

}  // namespace
}  // namespace longhaul
