#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "checkpoint/tensor_values.h"

namespace longhaul {

enum class Listing : std::uint8_t { weights, everything };
enum class Norms : std::uint8_t { compute, skip };

/// A line of the table of tensors.
struct TensorLine {
  std::string name;  // Hugging Face's
  std::string kind;  // "weight", or "master", "exp_avg", "exp_avg_sq"
  CheckpointTensor tensor;
  std::optional<TensorSummary> summary;
};

/// What inspect prints about a checkpoint.
struct InspectReport {
  std::string path;
  std::int64_t step = 0;
  std::string written;
  int shards = 0;
  std::int64_t bytes = 0;
  std::string metadata;             // JSON text
  std::vector<TensorLine> tensors;  // those listed, layers in the order of their numbers
  std::int64_t weights = 0;         // of the whole checkpoint: tensors, parameters
  std::int64_t parameters = 0;
  std::int64_t optimizer_tensors = 0;
  std::string verified;  // empty without --verify
};

InspectReport make_report(const CheckpointReader& reader, Listing listing, Norms norms);
std::string report_text(const InspectReport& report);

/// Numbers of one tensor.
struct TensorNumbers {
  TensorLine line;
  TensorSlice slice;
  std::vector<double> values;  // row-major
};

/// `name`: Hugging Face's or the path in the file; `slice`: "a:b" for each dimension, ends may be
/// left out, "a" alone is one row or column; empty: the first eight of each. Throws UserError for
/// unknown tensors (naming similar ones) and slices that are malformed or reach outside.
TensorNumbers read_numbers(const CheckpointReader& reader, const std::string& name,
                           const std::string& slice);
std::string numbers_text(const TensorNumbers& numbers);

}  // namespace longhaul
