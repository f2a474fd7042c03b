#include "app/inspect_json.h"

#include <fmt/core.h>

#include <cmath>

#include "core/json.h"

namespace longhaul {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kTextWidth = 100;
constexpr std::size_t kLabelWidth = 12;

json finite_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json line_json(const TensorLine& line) {
  json item{{"name", line.name},
            {"kind", line.kind},
            {"path", line.tensor.path},
            {"shape", line.tensor.shape},
            {"dtype", std::string(name_of(line.tensor.dtype))}};
  if (line.summary) {
    item["norm"] = finite_or_null(line.summary->norm);
    item["nonfinite"] = line.summary->nonfinite;
  }
  return item;
}

/// A value in a few words: text without quotes, the rest as JSON.
std::string brief(const json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value, -1, InvalidUtf8::replace);
}

/// "key value, key value, ..." of an object, wrapped and indented under its label.
std::string members_text(const json& object) {
  std::string text;
  std::size_t column = kLabelWidth;
  for (const auto& [key, value] : object.items()) {
    const std::string part = fmt::format("{} {}", key, brief(value));
    if (!text.empty()) {
      text += ',';
      const bool wrap = column + part.size() + 2 > kTextWidth;
      text += wrap ? '\n' + std::string(kLabelWidth, ' ') : " ";
      column = wrap ? kLabelWidth : column + 2;
    }
    text += part;
    column += part.size();
  }
  return text;
}

std::string dump(const json& value) { return dump_json(value, 2, InvalidUtf8::replace); }

}  // namespace

std::string metadata_text(const std::string& metadata) {
  const json object = parse_json_or_discard<json>(metadata);
  if (!object.is_object()) return fmt::format("{:<{}}{}\n", "metadata", kLabelWidth, metadata);
  std::string text;
  for (const auto& [key, value] : object.items()) {
    if (key == "step") continue;  // shown already
    const std::string label = key == "program_version" ? "program" : key;
    text += fmt::format("{:<{}}{}\n", label + (label.size() < kLabelWidth ? "" : " "), kLabelWidth,
                        value.is_object() ? members_text(value) : brief(value));
  }
  return text;
}

std::string report_json(const InspectReport& report) {
  const json metadata = parse_json_or_discard<json>(report.metadata);
  json tensors = json::array();
  for (const TensorLine& line : report.tensors) tensors.push_back(line_json(line));
  json whole{{"path", report.path},
             {"step", report.step},
             {"written", report.written},
             {"shards", report.shards},
             {"bytes", report.bytes},
             {"metadata", metadata.is_discarded() ? json(report.metadata) : metadata},
             {"weights", report.weights},
             {"parameters", report.parameters},
             {"optimizer_tensors", report.optimizer_tensors},
             {"tensors", std::move(tensors)}};
  if (!report.verified.empty()) whole["verified"] = true;
  return dump(whole);
}

std::string numbers_json(const TensorNumbers& numbers) {
  json item = line_json(numbers.line);
  const std::size_t dimensions = numbers.line.tensor.shape.size();
  item["offset"] = offset_of(numbers.slice, dimensions);
  item["extent"] = extent_of(numbers.slice, dimensions);
  json values = json::array();
  for (const double value : numbers.values) values.push_back(finite_or_null(value));
  item["values"] = std::move(values);
  return dump(item);
}

std::string damage_json(const std::filesystem::path& step, const VerifyReport& report) {
  return dump(json{{"path", step.string()},
                   {"shards", report.shards},
                   {"slabs", report.slabs},
                   {"verified", false},
                   {"damages", report.damages}});
}

}  // namespace longhaul
