// Gives the files that are named, or lie in a folder that is named, to a fuzz target: what a build
// without libFuzzer runs. Of each file also every beginning, so that texts end anywhere.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz_support.h"

namespace {

namespace fs = std::filesystem;

/// Longer files are given whole only.
constexpr std::size_t kLongestForBeginnings = 2000;

void run(std::string_view bytes) {
  // A copy of exactly this size, so that a sanitizer sees a read beyond it.
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::size_t inputs = 0;
  for (const fs::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    std::fprintf(stderr, "%s\n", file.c_str());  // the last one named is the one that fails
    run(bytes);
    ++inputs;
    if (bytes.size() > kLongestForBeginnings) continue;
    for (std::size_t size = 0; size < bytes.size(); ++size, ++inputs) {
      run(std::string_view(bytes).substr(0, size));
    }
  }
  std::printf("%zu files, %zu inputs: no complaint\n", files.size(), inputs);
  return files.empty() ? 1 : 0;
}
