#include "app/inspect_report.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "app/inspect_json.h"
#include "checkpoint/naming.h"
#include "core/error.h"
#include "core/humanize.h"

namespace longhaul {
namespace {

TensorLine make_line(const CheckpointTensor& tensor) {
  const TensorName name = tensor_name(tensor.path);
  return {name.hf_name, name.optimizer_kind.empty() ? "weight" : name.optimizer_kind, tensor, {}};
}

/// Numbers in names compare as numbers: layer 2 before layer 10.
bool natural_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      std::int64_t x = 0;
      std::int64_t y = 0;
      i = static_cast<std::size_t>(std::from_chars(&a[i], a.data() + a.size(), x).ptr - a.data());
      j = static_cast<std::size_t>(std::from_chars(&b[j], b.data() + b.size(), y).ptr - b.data());
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::string norm_text(const TensorLine& line) {
  if (!line.summary) return "";
  const std::string warning = line.summary->nonfinite > 0
                                  ? fmt::format("  {} NaN or infinite!", line.summary->nonfinite)
                                  : "";
  return fmt::format("{:>12.6g}{}", line.summary->norm, warning);
}

/// "[16, 12]"
std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// One part of "--slice": [begin, end).
std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text, std::int64_t size,
                                                  const std::string& slice,
                                                  const CheckpointTensor& tensor) {
  const auto fail = [&](const std::string& why) {
    user_error(
        "--slice {}: {}; {} has the shape {}; write for example \"0:4,0:8\" for a matrix, "
        "\"0:8\" for a vector",
        slice, why, display_name(tensor.path), shape_text(tensor.shape));
  };
  const auto number = [&](const std::string& digits, std::int64_t missing) {
    if (digits.empty()) return missing;
    std::int64_t value = 0;
    const char* end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, value);
    if (result.ec != std::errc{} || result.ptr != end) fail("'" + digits + "' is no number");
    return value < 0 ? value + size : value;
  };
  const std::size_t colon = text.find(':');
  const std::int64_t begin = number(text.substr(0, colon), 0);
  const std::int64_t end =
      colon == std::string::npos ? begin + 1 : number(text.substr(colon + 1), size);
  if (begin < 0 || end > size || begin >= end) {
    fail(fmt::format("{}:{} is not a range within 0:{}", begin, end, size));
  }
  return {begin, end};
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else if (c != ' ') {
      parts.back() += c;
    }
  }
  return parts;
}

const CheckpointTensor& find_tensor(const CheckpointReader& reader, const std::string& name) {
  std::string path = name;
  if (!path.empty() && path.front() == '/') path.erase(0, 1);
  if (const CheckpointTensor* found = reader.find(path)) return *found;
  if (const CheckpointTensor* found = reader.find(checkpoint_path(name))) return *found;
  std::vector<std::string> similar;
  for (const CheckpointTensor& tensor : reader.tensors()) {
    const TensorName parts = tensor_name(tensor.path);
    if (parts.optimizer_kind.empty() && parts.hf_name.find(name) != std::string::npos &&
        similar.size() < 5) {
      similar.push_back(parts.hf_name);
    }
  }
  user_error("--tensor {}: no such tensor in {}; {}", name, reader.directory().string(),
             similar.empty() ? "without --tensor all are listed"
                             : fmt::format("similar are {}", fmt::join(similar, ", ")));
}

}  // namespace

InspectReport make_report(const CheckpointReader& reader, Listing listing, Norms norms) {
  InspectReport report;
  report.path = reader.directory().string();
  report.step = reader.step();
  report.written = reader.written();
  report.shards = reader.shards();
  report.bytes = reader.bytes();
  report.metadata = reader.metadata();
  for (const CheckpointTensor& tensor : reader.tensors()) {
    TensorLine line = make_line(tensor);
    if (line.kind == "weight") {
      ++report.weights;
      report.parameters += element_count(tensor);
    } else {
      ++report.optimizer_tensors;
    }
    if (listing == Listing::weights && line.kind != "weight") continue;
    if (norms == Norms::compute) line.summary = summarize(reader, tensor);
    report.tensors.push_back(std::move(line));
  }
  std::stable_sort(report.tensors.begin(), report.tensors.end(),
                   [](const TensorLine& a, const TensorLine& b) {
                     return natural_less(a.tensor.path, b.tensor.path);
                   });
  return report;
}

std::string report_text(const InspectReport& report) {
  std::string text;
  const auto add = [&](const char* label, const std::string& value) {
    text += fmt::format("{:<12}{}\n", label, value);
  };
  add("checkpoint", report.path);
  add("step", fmt::format("{}", report.step));
  // To the second; the file has it to the nanosecond.
  std::string when = report.written.substr(0, report.written.find('.'));
  std::replace(when.begin(), when.end(), 'T', ' ');
  add("written", when + " UTC");
  add("size", fmt::format("{} in {}", human_bytes(report.bytes), counted(report.shards, "shard")));
  text += metadata_text(report.metadata);
  text += '\n';

  std::size_t name_width = 4;
  std::size_t shape_width = 5;
  const auto name_of_line = [](const TensorLine& line) {
    return line.kind == "weight" ? line.name : line.kind + " of " + line.name;
  };
  for (const TensorLine& line : report.tensors) {
    name_width = std::max(name_width, name_of_line(line).size());
    shape_width = std::max(shape_width, shape_text(line.tensor.shape).size());
  }
  const bool norms = !report.tensors.empty() && report.tensors.front().summary.has_value();
  text += fmt::format("{:<{}}  {:<{}}  {:<8}{}\n", "tensor", name_width, "shape", shape_width,
                      "dtype", norms ? "      L2 norm" : "");
  for (const TensorLine& line : report.tensors) {
    text += fmt::format("{:<{}}  {:<{}}  {:<8}{}{}\n", name_of_line(line), name_width,
                        shape_text(line.tensor.shape), shape_width, name_of(line.tensor.dtype),
                        norms ? " " : "", norm_text(line));
  }
  text +=
      fmt::format("\n{} weights, {} parameters", report.weights, human_count(report.parameters));
  if (report.optimizer_tensors > 0) {
    text += fmt::format("; {} of optimizer state", counted(report.optimizer_tensors, "tensor"));
  }
  text += '\n';
  if (!report.verified.empty()) text += report.verified + '\n';
  return text;
}

TensorNumbers read_numbers(const CheckpointReader& reader, const std::string& name,
                           const std::string& slice) {
  constexpr std::int64_t kShown = 8;
  const CheckpointTensor& tensor = find_tensor(reader, name);
  TensorNumbers result{make_line(tensor), whole_tensor(tensor.shape), {}};
  const std::vector<std::string> parts =
      slice.empty() ? std::vector<std::string>{} : split(slice, ',');
  if (!slice.empty() && parts.size() != tensor.shape.size()) {
    user_error(
        "--slice {}: has {}, but {} has the shape {}; write for example \"0:4,0:8\" "
        "for a matrix, \"0:8\" for a vector",
        slice, counted(std::ssize(parts), "part"), display_name(tensor.path),
        shape_text(tensor.shape));
  }
  const auto part = [&](std::size_t dimension) {
    return slice.empty() ? std::pair{std::int64_t{0}, std::min(kShown, tensor.shape[dimension])}
                         : parse_range(parts[dimension], tensor.shape[dimension], slice, tensor);
  };
  const auto [row, row_end] = part(0);
  result.slice.row = row;
  result.slice.rows = row_end - row;
  if (tensor.shape.size() == 2) {
    const auto [col, col_end] = part(1);
    result.slice.col = col;
    result.slice.cols = col_end - col;
  }
  result.values = read_values(reader, tensor, result.slice);
  return result;
}

std::string numbers_text(const TensorNumbers& numbers) {
  const CheckpointTensor& tensor = numbers.line.tensor;
  const TensorSlice& slice = numbers.slice;
  const bool vector = tensor.shape.size() == 1;
  const std::string rows = fmt::format("{}:{}", slice.row, slice.row + slice.rows);
  std::string text = fmt::format(
      "{}  {} {}, here [{}]\n", display_name(tensor.path), name_of(tensor.dtype),
      shape_text(tensor.shape),
      vector ? rows : fmt::format("{}, {}:{}", rows, slice.col, slice.col + slice.cols));
  const auto a_line = static_cast<std::size_t>(vector ? slice.rows : slice.cols);
  for (std::size_t i = 0; i < numbers.values.size(); ++i) {
    text += fmt::format("{:>14.7g}{}", numbers.values[i], (i + 1) % a_line == 0 ? "\n" : "");
  }
  return text;
}

}  // namespace longhaul
