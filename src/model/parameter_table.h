#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/process_grid.h"
#include "core/tensor/tensor_slice.h"
#include "model/model_config.h"
#include "model/unit.h"

namespace longhaul {

/// How tensor parallelism splits a tensor.
enum class TpSplit : std::uint8_t { replicated, rows, columns };

/// A tensor as Hugging Face names and stores it: [rows, cols], or [rows] when one_dimensional.
struct LogicalTensor {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::int64_t rows = 0;
  std::int64_t cols = 1;
  bool one_dimensional = false;
  TpSplit split = TpSplit::replicated;

  /// As files store it.
  [[nodiscard]] std::vector<std::int64_t> shape() const {
    return one_dimensional ? std::vector{rows} : std::vector{rows, cols};
  }
};

/// All tensors of a model in Hugging Face order: what a safetensors export contains. lm_head.weight
/// is left out when it is tied.
std::vector<LogicalTensor> logical_tensors(const ModelConfig& config);

/// A slice of a logical tensor, and where it lies in a parameter: whole rows of it.
struct ParameterPiece {
  int tensor = 0;  // index into ParameterTable::tensors()
  TensorSlice slice;
  std::int64_t parameter_row = 0;  // first row within the parameter (or shard, see the function)
};

/// What a parameter is, within its layer.
enum class ParameterRole : std::uint8_t {
  embedding,
  input_norm,
  q_proj,
  q_bias,
  kv_proj,  // k rows, then v rows
  kv_bias,
  q_norm,
  k_norm,
  o_proj,
  post_attention_norm,
  gate_up_proj,  // gate rows, then up rows
  down_proj,
  final_norm,
  lm_head,
};

/// One matrix that this rank computes with: its TP part of one or two stacked logical tensors,
/// row-major [rows, cols]. For gradients and the optimizer the rows are split again over the
/// dp_cp group: padded_rows is rows rounded up to a multiple of the group, and rank i of the group
/// owns rows [i * shard_rows, (i + 1) * shard_rows).
struct Parameter {
  ParameterRole role{};
  Unit unit;
  std::int64_t rows = 0;
  std::int64_t cols = 1;
  std::int64_t padded_rows = 0;
  std::int64_t shard_rows = 0;
  bool weight_decay = false;           // matrices yes, norms and biases no
  bool replicated = false;             // every TP rank holds the same values
  std::vector<ParameterPiece> pieces;  // the TP part: which slice of which tensor lies where

  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] std::int64_t padded_size() const { return padded_rows * cols; }
  [[nodiscard]] std::int64_t shard_size() const { return shard_rows * cols; }
};

/// The parameters of a unit: those from `begin` to `end` - 1 of the table.
struct UnitParameters {
  Unit unit;
  int begin = 0;
  int end = 0;
};

/// All parameters of one rank, in the order of the forward pass.
class ParameterTable {
 public:
  /// Throws UserError when TP does not divide the heads, the KV heads or the MLP.
  ParameterTable(const ModelConfig& config, const ProcessGrid& grid);

  [[nodiscard]] const std::vector<LogicalTensor>& tensors() const { return tensors_; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Index of a parameter, or -1 when the model has none such (no bias, tied head, ...).
  [[nodiscard]] int find(ParameterRole role, Unit unit) const;
  /// In the order of the forward pass: embedding, layers, head.
  [[nodiscard]] const std::vector<UnitParameters>& units() const { return units_; }
  /// Index of a unit in units().
  [[nodiscard]] std::size_t index_of(Unit unit) const;
  /// Does the head multiply with the embedding's matrix?
  [[nodiscard]] bool tied_head() const { return find(ParameterRole::lm_head, Unit::head()) < 0; }
  /// Rows of the embedding on this rank start here; the vocabulary is padded to a multiple of TP.
  [[nodiscard]] std::int64_t vocab_begin() const { return vocab_begin_; }
  /// Rows of the vocabulary on this rank, padding included, and those that are real.
  [[nodiscard]] std::int64_t vocab_rows() const { return vocab_rows_; }
  [[nodiscard]] std::int64_t vocab_valid_rows() const { return vocab_valid_rows_; }

  /// The pieces of `parameter` in this rank's optimizer shard; parameter_row counts from the
  /// shard's first row. With `every_replica` false, a replicated parameter belongs to TP rank 0
  /// alone (for writing); with true, each TP rank gets it (for reading).
  [[nodiscard]] std::vector<ParameterPiece> shard_pieces(const Parameter& parameter,
                                                         bool every_replica) const;

 private:
  void add(Parameter parameter);

  ProcessGrid grid_;
  std::vector<LogicalTensor> tensors_;
  std::vector<Parameter> parameters_;
  std::vector<UnitParameters> units_;
  std::int64_t vocab_begin_ = 0;
  std::int64_t vocab_rows_ = 0;
  std::int64_t vocab_valid_rows_ = 0;
};

}  // namespace longhaul
