#include "data/dataset/dataset_record.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace longhaul {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kReportName = "data_report.json";

Json source_json(const DataSource& source, const DataFile& file, const std::string& sha256) {
  Json json{{"path", source.path.string()}, {"bytes", file.bytes}, {"sha256", sha256}};
  if (source.draw) json["draw"] = *source.draw;
  return json;
}

std::optional<std::int64_t> optional_integer(const Json& json, const char* key) {
  if (!json.contains(key)) return std::nullopt;
  return json.at(key).get<std::int64_t>();
}

void read_source(const Json& json, std::vector<DataSource>& sources, DataScan& scan) {
  const fs::path path = json.at("path").get<std::string>();
  sources.emplace_back(path, optional_integer(json, "draw"));
  scan.files.push_back({path, json.at("bytes").get<std::int64_t>()});
  scan.file_hashes.push_back(json.at("sha256").get<std::string>());
}

RunPlan read_run(const Json& json) {
  RunPlan run;
  run.global_bs = json.at("global_bs").get<std::int64_t>();
  run.micro_bs = json.at("micro_bs").get<std::int64_t>();
  run.epochs = optional_integer(json, "epochs");
  run.train_iters = optional_integer(json, "train_iters");
  const Json& layout = json.at("layout");
  run.layout = {layout.at("tp").get<int>(), layout.at("cp").get<int>(), layout.at("dp").get<int>()};
  return run;
}

/// Where the cache is now: where it was, or in the save directory, which may have been moved.
fs::path find_cache(const fs::path& save, const fs::path& recorded) {
  std::error_code ignored;
  fs::path moved = save / "cache" / recorded.filename();
  if (!fs::exists(recorded, ignored) && fs::exists(moved, ignored)) return moved;
  return recorded;
}

/// What no run can have written would end as a bug here.
void check_ranges(const fs::path& save, const DatasetOptions& options) {
  const auto drawable = [](const DataSource& source) {
    return !source.draw || (*source.draw >= 1 && *source.draw <= kMostDrawnRows);
  };
  const ParallelLayout& layout = options.run.layout;
  const bool good =
      options.max_length >= 1 && layout.tp >= 1 && layout.cp >= 1 && layout.dp >= 1 &&
      !options.files.empty() && std::all_of(options.files.begin(), options.files.end(), drawable) &&
      std::all_of(options.validation_files.begin(), options.validation_files.end(), drawable);
  if (good) return;
  user_error(
      "{}: damaged: a setting in \"order\" is out of range; longhaul data prepare makes it anew",
      (save / kReportName).string());
}

RecordedDataset open_order(const fs::path& save, const Json& order) {
  DatasetOptions options;
  DataScan scan;
  for (const Json& file : order.at("dataset")) read_source(file, options.files, scan);
  for (const Json& file : order.at("val_dataset")) {
    read_source(file, options.validation_files, scan);
  }
  options.split_dataset_ratio = order.at("split_dataset_ratio").get<double>();
  options.seed = order.at("seed").get<std::uint64_t>();
  options.max_length = order.at("max_length").get<std::int64_t>();
  options.truncation =
      parse_truncation_strategy(order.at("truncation_strategy").get<std::string>());
  options.packing = parse_packing(order.at("packing").get<std::string>());
  options.run = read_run(order);
  check_ranges(save, options);
  const fs::path cache = find_cache(save, order.at("token_cache").get<std::string>());
  std::unique_ptr<TokenCache> opened;
  try {
    opened = std::make_unique<TokenCache>(cache, order.at("token_cache_key").get<std::string>());
    const std::int64_t samples = opened->samples();
    if (samples > 0 && opened->file(samples - 1) >= static_cast<int>(scan.files.size())) {
      throw ColumnFileError(fmt::format("{}: has rows of more files", cache.string()));
    }
  } catch (const ColumnFileError& error) {
    user_error(
        "{}; {} refers to this token cache, which longhaul data prepare or train with the same "
        "flags makes anew",
        error.what(), (save / kReportName).string());
  }
  return {options,
          Dataset(std::move(opened), scan, order.at("encoder").get<std::string>(), options)};
}

}  // namespace

std::string dataset_record(const Dataset& dataset) {
  const DatasetOptions& options = dataset.options();
  Json order;
  std::size_t file = 0;
  for (const bool validation : {false, true}) {
    Json& list = order[validation ? "val_dataset" : "dataset"] = Json::array();
    for (const DataSource& source : validation ? options.validation_files : options.files) {
      list.push_back(source_json(source, dataset.files()[file], dataset.file_hashes()[file]));
      ++file;
    }
  }
  order["encoder"] = dataset.encoder_fingerprint();
  order["max_length"] = options.max_length;
  order["truncation_strategy"] = name_of(options.truncation);
  order["packing"] = name_of(options.packing);
  order["split_dataset_ratio"] = options.split_dataset_ratio;
  order["seed"] = options.seed;
  order["global_bs"] = options.run.global_bs;
  order["micro_bs"] = options.run.micro_bs;
  if (options.run.epochs) order["epochs"] = *options.run.epochs;
  if (options.run.train_iters) order["train_iters"] = *options.run.train_iters;
  const ParallelLayout& layout = options.run.layout;
  order["layout"] = {{"tp", layout.tp}, {"cp", layout.cp}, {"dp", layout.dp}};
  order["token_cache"] = fs::absolute(dataset.cache().path()).string();
  order["token_cache_key"] = dataset.cache().key();
  order["identity"] = dataset.fingerprint();
  return dump_json(order, -1, InvalidUtf8::replace);
}

RecordedDataset open_recorded_dataset(const fs::path& save) {
  const fs::path report = save / kReportName;
  std::error_code ignored;
  if (!fs::exists(report, ignored)) {
    user_error(
        "{}: there is no such file; longhaul train and longhaul data prepare write it when they "
        "have prepared the data: name their --save directory",
        report.string());
  }
  const Json json = parse_json_or_discard<Json>(read_text_file(report));
  if (!json.is_object() || json.value("format", "") != "longhaul data report" ||
      !json.contains("order")) {
    user_error(
        "{}: is not a data report; start the run again, or longhaul data prepare, to make it",
        report.string());
  }
  if (json.value("version", 0) != 1) {
    user_error("{}: is of another version of this program; longhaul data prepare makes it anew",
               report.string());
  }
  try {
    const Json& order = json.at("order");
    RecordedDataset recorded = open_order(save, order);
    if (recorded.dataset.fingerprint() != order.at("identity").get<std::string>()) {
      user_error(
          "{}: its settings lead to other samples than those it was written for: it has been "
          "changed, or is of another version of this program; longhaul data prepare makes it anew",
          report.string());
    }
    return recorded;
  } catch (const Json::exception& error) {
    user_error("{}: damaged: {}; longhaul data prepare makes it anew", report.string(),
               error.what());
  }
}

}  // namespace longhaul
