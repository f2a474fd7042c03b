#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// A file as one rank sees it.
struct FileFact {
  std::string path;
  std::int64_t bytes = 0;
  std::int64_t modified = 0;  // seconds since 1970
  std::string digest;         // of its beginning and its end
  std::string problem;        // why it cannot be read here; then the rest is not known
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FileFact, path, bytes, modified, digest, problem)

using FileFacts = std::vector<FileFact>;

/// Reads what a FileFact tells of a regular file: little, however large the file. `examine` may
/// look closer; what it throws is the problem.
FileFact look_at_file(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& examine = {});

/// The same files everywhere: each readable, of one size, beginning and end, and, where `what`
/// counts on it, of one time of modification (a warning, because copies may have times of their
/// own). `what` names them: "data file".
enum class Times : std::uint8_t { ignored, compared };
Verdict judge_files(const std::vector<Seen<FileFacts>>& all, const std::string& what, Times times);

/// The files that a run reads of a model: configuration, tokenizer and weights. `weights`: a
/// Hugging Face directory or a step_... folder of a checkpoint; `tokenizer`: the folder of the
/// tokenizer, which may be the same. Throws UserError when one of them cannot be listed or holds
/// none.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& weights,
                                               const std::filesystem::path& tokenizer);

}  // namespace longhaul::preflight
