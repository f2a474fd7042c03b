#include "checkpoint/naming.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace longhaul {
namespace {

constexpr std::string_view kOptimizerPrefix = "optimizer/";
constexpr std::string_view kStepPrefix = "step_";
constexpr std::size_t kStepDigits = 8;

std::string with_replaced(std::string_view text, char from, char to) {
  std::string result(text);
  std::replace(result.begin(), result.end(), from, to);
  return result;
}

}  // namespace

std::string checkpoint_path(std::string_view hf_name) { return with_replaced(hf_name, '.', '/'); }

std::string optimizer_path(std::string_view kind, std::string_view hf_name) {
  return fmt::format("{}{}/{}", kOptimizerPrefix, kind, checkpoint_path(hf_name));
}

TensorName tensor_name(std::string_view path) {
  TensorName name;
  if (path.substr(0, kOptimizerPrefix.size()) == kOptimizerPrefix) {
    const std::size_t slash = path.find('/', kOptimizerPrefix.size());
    if (slash != std::string_view::npos) {
      name.optimizer_kind = path.substr(kOptimizerPrefix.size(), slash - kOptimizerPrefix.size());
      path.remove_prefix(slash + 1);
    }
  }
  name.hf_name = with_replaced(path, '/', '.');
  return name;
}

std::string display_name(std::string_view path) {
  const TensorName name = tensor_name(path);
  return name.optimizer_kind.empty() ? name.hf_name
                                     : fmt::format("{} of {}", name.optimizer_kind, name.hf_name);
}

std::string step_directory_name(std::int64_t step) {
  return fmt::format("{}{:0{}}", kStepPrefix, step, kStepDigits);
}

std::optional<std::int64_t> step_of_directory_name(std::string_view name) {
  if (name.substr(0, kStepPrefix.size()) != kStepPrefix) return std::nullopt;
  const std::string_view digits = name.substr(kStepPrefix.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (error != std::errc{} || end != digits.data() + digits.size() || step < 0 ||
      step_directory_name(step) != name) {
    return std::nullopt;
  }
  return step;
}

std::string base_name(std::string_view name) { return std::string(name.substr(0, name.find('.'))); }

std::string shard_file_name(int rank) { return fmt::format("shard_{:05}.h5", rank); }

}  // namespace longhaul
