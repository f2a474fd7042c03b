#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace longhaul {

/// Where a weight lies in a checkpoint: "model.layers.0.self_attn.q_proj.weight" ->
/// "model/layers/0/self_attn/q_proj/weight".
std::string checkpoint_path(std::string_view hf_name);

/// Where optimizer state of a weight lies; kind is the optimizer's name for it:
/// ("exp_avg", "lm_head.weight") -> "optimizer/exp_avg/lm_head/weight".
std::string optimizer_path(std::string_view kind, std::string_view hf_name);

/// A path taken apart again.
struct TensorName {
  std::string hf_name;
  std::string optimizer_kind;  // "master", "exp_avg", ...; empty: a weight
};
TensorName tensor_name(std::string_view path);

/// For messages and tables: "lm_head.weight", or "exp_avg of lm_head.weight".
std::string display_name(std::string_view path);

/// "step_00000050"; steps beyond eight digits get more.
std::string step_directory_name(std::int64_t step);
/// The step of "step_00000050"; empty for other names, "step_00000050.tmp" among them.
std::optional<std::int64_t> step_of_directory_name(std::string_view name);
/// "step_00000050" of "step_00000050.tmp": what comes before the first dot.
std::string base_name(std::string_view name);
/// "shard_00013.h5"
std::string shard_file_name(int rank);

inline constexpr const char* kIndexFileName = "index.h5";
inline constexpr const char* kSealFileName = "seal.txt";
inline constexpr const char* kLatestFileName = "latest";
/// What a folder's name ends with while it is being written or deleted.
inline constexpr const char* kTemporarySuffix = ".tmp";
/// ... and while a new checkpoint of the same step takes its place.
inline constexpr const char* kReplacedSuffix = ".old";

}  // namespace longhaul
