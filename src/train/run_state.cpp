#include "train/run_state.h"

#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/version.h"

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

// Keys of config.json that change nothing in the numbers of a training run.
constexpr const char* kIrrelevantModelKeys[] = {
    "_name_or_path", "transformers_version", "dtype",        "torch_dtype",
    "use_cache",     "bos_token_id",         "eos_token_id", "pad_token_id",
    "architectures", "_attn_implementation",
};

/// What decides which samples each step sees.
Json data_order(const RunRecord& record) {
  Json data = parse_json<Json>(record.data_identity);
  data["global_bs"] = record.options.global_bs;
  return data;
}

/// Lines "key: theirs -> ours" for every leaf in which two JSON values differ.
void list_differences(const Json& saved, const Json& now, const std::string& path,
                      std::vector<std::string>& lines) {
  if (saved == now) return;
  if (saved.is_object() && now.is_object()) {
    for (const auto& [key, value] : saved.items()) {
      list_differences(value, now.contains(key) ? now[key] : Json(),
                       fmt::format("{}.{}", path, key), lines);
    }
    for (const auto& [key, value] : now.items()) {
      if (!saved.contains(key))
        list_differences(Json(), value, fmt::format("{}.{}", path, key), lines);
    }
    return;
  }
  lines.push_back(fmt::format("  {}: the checkpoint has {}, this run {}", path, dump_json(saved),
                              dump_json(now)));
}

}  // namespace

std::string comparable_model(const std::string& config) {
  Json model = parse_json<Json>(config);
  for (const char* key : kIrrelevantModelKeys) model.erase(key);
  return dump_json(model);
}

std::string to_metadata(const RunState& state, const RunRecord& record) {
  Json json;
  json["program_version"] = kVersion;
  json["step"] = state.step;
  json["time"] = utc_now(TimeDigits::seconds);
  json["state"] = {{"updates", state.updates},
                   {"skipped_in_a_row", state.skipped_in_a_row},
                   {"consumed_samples", state.consumed_samples}};
  json["layout"] = {{"tp", record.layout.tp}, {"cp", record.layout.cp}, {"dp", record.layout.dp}};
  json["backend"] = record.backend;
  json["model"] = parse_json<Json>(record.config.json);
  json["data"] = data_order(record);
  json["args"] = parse_json<Json>(record.options.to_json());
  return dump_json(json);
}

RunState resume_state(const std::string& metadata, const RunRecord& record,
                      const std::string& source) {
  const Json json = parse_json<Json>(metadata);
  if (!json.contains("state")) {
    user_error(
        "{}: was not written by a training run (it holds weights only), so it cannot be resumed; "
        "to "
        "start a new run from its weights, give it as --model and choose another --save",
        source);
  }
  std::vector<std::string> lines;
  list_differences(parse_json<Json>(comparable_model(dump_json(json["model"]))),
                   parse_json<Json>(comparable_model(record.config.json)), "model", lines);
  list_differences(json["data"], data_order(record), "data", lines);
  if (!lines.empty()) {
    user_error(
        "{}: was written by a run that cannot be continued with these settings:\n{}\nGive the same "
        "model and data to resume, or choose another --save directory to start a new run",
        source, fmt::join(lines, "\n"));
  }
  const Json& state = json["state"];
  return {json["step"].get<std::int64_t>(), state["updates"].get<std::int64_t>(),
          state["skipped_in_a_row"].get<int>(), state["consumed_samples"].get<std::int64_t>()};
}

}  // namespace longhaul
