// data_report.json, as docs/data.md describes it.

#include "core/json.h"
#include "core/version.h"
#include "data/dataset/data_report.h"

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

Json rows_json(const DatasetCounts& rows) {
  return {{"read", rows.read},         {"kept", rows.kept},           {"cut", rows.cut},
          {"rejected", rows.rejected}, {"not_drawn", rows.not_drawn}, {"copies", rows.copies}};
}

Json used_json(const UsedSamples& used) {
  return {{"samples", used.samples},
          {"tokens", used.tokens},
          {"trained_tokens", used.trained_tokens},
          {"trained_share", used.trained_share()},
          {"weight_sum", used.weight_sum}};
}

Json file_json(const FileReport& file) {
  return {{"file", file.file},
          {"for", file.validation ? "validation" : "training"},
          {"rows", rows_json(file.rows)},
          {"used", used_json(file.used)}};
}

Json place_json(const RowPlace& place) {
  return {{"file", place.file}, {"line", place.line}, {"id", place.id}};
}

Json lengths_json(const DataReport& report) {
  Json bins = Json::array();
  for (const LengthBin& bin : report.lengths) {
    bins.push_back(
        {{"from", bin.from}, {"to", bin.to}, {"rows", bin.rows}, {"tokens", bin.tokens}});
  }
  Json lengths{{"histogram", bins}, {"longest", nullptr}};
  if (report.longest) {
    lengths["longest"] = place_json(report.longest->place);
    lengths["longest"]["length"] = report.longest->length;
    lengths["longest"]["use"] = name_of(report.longest->use);
  }
  return lengths;
}

Json imbalances_json(const std::vector<std::pair<int, Imbalance>>& imbalances) {
  Json list = Json::array();
  for (const auto& [ranks, imbalance] : imbalances) {
    list.push_back({{"ranks", ranks},
                    {"mean", imbalance.mean},
                    {"worst", imbalance.worst},
                    {"worst_step", imbalance.worst_step}});
  }
  return list;
}

Json packs_json(const DataReport& report) {
  return {
      {"training", report.packs.training},         {"validation", report.packs.validation},
      {"max_length", report.max_length},           {"packing", longhaul::name_of(report.packing)},
      {"most_samples", report.packs.most_samples}, {"unfilled_share", report.packs.unfilled_share},
      {"worst_cost", report.packs.worst_cost}};
}

Json steps_json(const DataReport& report) {
  const ParallelLayout& layout = report.run.layout;
  return {{"per_epoch", report.steps.per_epoch},
          {"total", report.steps.total},
          {"global_bs", report.run.global_bs},
          {"micro_bs", report.run.micro_bs},
          {"layout", {{"tp", layout.tp}, {"cp", layout.cp}, {"dp", layout.dp}}},
          {"padding_share", report.steps.balance.padding_share()},
          {"data_parallel_imbalance", imbalances_json(report.steps.data_parallel)},
          {"context_parallel_imbalance", imbalances_json(report.steps.context_parallel)}};
}

Json duplicates_json(const DataReport& report) {
  Json list = Json::array();
  for (const DuplicateId& duplicate : report.duplicates) {
    list.push_back({{"id", duplicate.id},
                    {"first", {{"file", duplicate.first.file}, {"line", duplicate.first.line}}},
                    {"again", {{"file", duplicate.again.file}, {"line", duplicate.again.line}}}});
  }
  return {{"rows", report.duplicate_ids}, {"examples", list}};
}

}  // namespace

std::string data_report_json(const DataReport& report, const std::string& dataset_record) {
  Json json;
  json["format"] = "longhaul data report";
  json["version"] = 1;
  json["program_version"] = kVersion;
  json["files"] = Json::array();
  for (const FileReport& file : report.files) json["files"].push_back(file_json(file));
  json["rows"] = rows_json(report.total.rows);
  json["rejected"] = report.rejected;
  json["cut"] = report.cut;
  json["noted"] = report.noted;
  json["training"] = used_json(report.training);
  json["validation"] = used_json(report.validation);
  json["lengths"] = lengths_json(report);
  json["packs"] = packs_json(report);
  json["steps"] = steps_json(report);
  json["duplicate_ids"] = duplicates_json(report);
  if (!dataset_record.empty()) json["order"] = parse_json<Json>(dataset_record);
  // File names need not be UTF-8.
  return dump_json(json, 2, InvalidUtf8::replace) + "\n";
}

}  // namespace longhaul
