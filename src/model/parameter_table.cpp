#include "model/parameter_table.h"

#include <algorithm>

#include "core/error.h"

namespace longhaul {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

LogicalTensor matrix(std::string name, std::int64_t rows, std::int64_t cols, TpSplit split) {
  return {std::move(name), rows, cols, false, split};
}

LogicalTensor vector(std::string name, std::int64_t size, TpSplit split) {
  return {std::move(name), size, 1, true, split};
}

void check_divides(int tp, std::int64_t count, const char* what) {
  if (count % tp != 0) {
    user_error(
        "--tensor_model_parallel_size {} does not divide the model's {} {}; choose a divisor of {}",
        tp, count, what, count);
  }
}

/// Full tensor names of one layer.
struct LayerNames {
  std::string prefix;
  [[nodiscard]] std::string operator()(const char* suffix) const { return prefix + suffix; }
};

}  // namespace

std::vector<LogicalTensor> logical_tensors(const ModelConfig& config) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t q_rows = config.num_heads * config.head_dim;
  const std::int64_t kv_rows = config.num_kv_heads * config.head_dim;
  std::vector<LogicalTensor> list;
  list.push_back(matrix("model.embed_tokens.weight", config.vocab_size, hidden, TpSplit::rows));
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const LayerNames name{fmt::format("model.layers.{}.", layer)};
    list.push_back(vector(name("input_layernorm.weight"), hidden, TpSplit::replicated));
    const auto projection = [&](const char* which, std::int64_t rows) {
      const std::string base = name("self_attn.") + which;
      list.push_back(matrix(base + ".weight", rows, hidden, TpSplit::rows));
      if (config.qkv_bias) list.push_back(vector(base + ".bias", rows, TpSplit::rows));
    };
    projection("q_proj", q_rows);
    projection("k_proj", kv_rows);
    projection("v_proj", kv_rows);
    if (config.qk_norm) {
      list.push_back(vector(name("self_attn.q_norm.weight"), config.head_dim, TpSplit::replicated));
      list.push_back(vector(name("self_attn.k_norm.weight"), config.head_dim, TpSplit::replicated));
    }
    list.push_back(matrix(name("self_attn.o_proj.weight"), hidden, q_rows, TpSplit::columns));
    list.push_back(vector(name("post_attention_layernorm.weight"), hidden, TpSplit::replicated));
    list.push_back(
        matrix(name("mlp.gate_proj.weight"), config.intermediate_size, hidden, TpSplit::rows));
    list.push_back(
        matrix(name("mlp.up_proj.weight"), config.intermediate_size, hidden, TpSplit::rows));
    list.push_back(
        matrix(name("mlp.down_proj.weight"), hidden, config.intermediate_size, TpSplit::columns));
  }
  list.push_back(vector("model.norm.weight", hidden, TpSplit::replicated));
  if (!config.tie_word_embeddings) {
    list.push_back(matrix("lm_head.weight", config.vocab_size, hidden, TpSplit::rows));
  }
  return list;
}

ParameterTable::ParameterTable(const ModelConfig& config, const ProcessGrid& grid)
    : grid_(grid), tensors_(logical_tensors(config)) {
  const int tp = grid.layout().tp;
  check_divides(tp, config.num_heads, "attention heads");
  check_divides(tp, config.num_kv_heads, "key/value heads");
  check_divides(tp, config.intermediate_size, "rows of the MLP (intermediate_size)");
  vocab_rows_ = round_up(config.vocab_size, tp) / tp;
  vocab_begin_ = vocab_rows_ * grid.tp_rank();
  vocab_valid_rows_ = std::clamp<std::int64_t>(config.vocab_size - vocab_begin_, 0, vocab_rows_);

  const auto index_of = [&](const std::string& name) {
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const LogicalTensor& t) { return t.name == name; });
    LONGHAUL_CHECK(found != tensors_.end(), "no tensor {}", name);
    return static_cast<int>(found - tensors_.begin());
  };
  // One parameter out of the TP parts of the named tensors, stacked by rows.
  const auto add_stacked = [&](ParameterRole role, Unit unit,
                               const std::vector<std::string>& names) {
    Parameter parameter;
    parameter.role = role;
    parameter.unit = unit;
    for (const std::string& name : names) {
      const int index = index_of(name);
      const LogicalTensor& tensor = tensors_[static_cast<std::size_t>(index)];
      ParameterPiece piece{index, {0, 0, tensor.rows, tensor.cols}, parameter.rows};
      TensorSlice& slice = piece.slice;
      std::int64_t local_rows = tensor.rows;
      if (role == ParameterRole::embedding || role == ParameterRole::lm_head) {
        slice.row = vocab_begin_;
        slice.rows = vocab_valid_rows_;
        local_rows = vocab_rows_;
      } else if (tensor.split == TpSplit::rows) {
        slice.rows = local_rows = tensor.rows / tp;
        slice.row = slice.rows * grid_.tp_rank();
      } else if (tensor.split == TpSplit::columns) {
        slice.cols = tensor.cols / tp;
        slice.col = slice.cols * grid_.tp_rank();
      } else {
        parameter.replicated = true;
      }
      parameter.cols = slice.cols;
      parameter.rows += local_rows;
      parameter.weight_decay = !tensor.one_dimensional;
      parameter.pieces.push_back(piece);
    }
    add(std::move(parameter));
  };

  add_stacked(ParameterRole::embedding, Unit::embedding(), {"model.embed_tokens.weight"});
  for (int layer = 0; layer < config.num_layers; ++layer) {
    const Unit unit = Unit::of_layer(layer);
    const LayerNames name{fmt::format("model.layers.{}.", layer)};
    add_stacked(ParameterRole::input_norm, unit, {name("input_layernorm.weight")});
    add_stacked(ParameterRole::kv_proj, unit,
                {name("self_attn.k_proj.weight"), name("self_attn.v_proj.weight")});
    add_stacked(ParameterRole::q_proj, unit, {name("self_attn.q_proj.weight")});
    if (config.qkv_bias) {
      add_stacked(ParameterRole::kv_bias, unit,
                  {name("self_attn.k_proj.bias"), name("self_attn.v_proj.bias")});
      add_stacked(ParameterRole::q_bias, unit, {name("self_attn.q_proj.bias")});
    }
    if (config.qk_norm) {
      add_stacked(ParameterRole::q_norm, unit, {name("self_attn.q_norm.weight")});
      add_stacked(ParameterRole::k_norm, unit, {name("self_attn.k_norm.weight")});
    }
    add_stacked(ParameterRole::o_proj, unit, {name("self_attn.o_proj.weight")});
    add_stacked(ParameterRole::post_attention_norm, unit,
                {name("post_attention_layernorm.weight")});
    add_stacked(ParameterRole::gate_up_proj, unit,
                {name("mlp.gate_proj.weight"), name("mlp.up_proj.weight")});
    add_stacked(ParameterRole::down_proj, unit, {name("mlp.down_proj.weight")});
  }
  add_stacked(ParameterRole::final_norm, Unit::head(), {"model.norm.weight"});
  if (!config.tie_word_embeddings)
    add_stacked(ParameterRole::lm_head, Unit::head(), {"lm_head.weight"});
}

void ParameterTable::add(Parameter parameter) {
  parameter.padded_rows = round_up(parameter.rows, grid_.size(Group::dp_cp));
  parameter.shard_rows = parameter.padded_rows / grid_.size(Group::dp_cp);
  const auto index = static_cast<int>(parameters_.size());
  if (units_.empty() || units_.back().unit != parameter.unit) {
    units_.push_back({parameter.unit, index, index});
  }
  units_.back().end = index + 1;
  parameters_.push_back(std::move(parameter));
}

std::size_t ParameterTable::index_of(Unit unit) const {
  switch (unit.kind) {
    case UnitKind::embedding:
      return 0;
    case UnitKind::layer:
      return static_cast<std::size_t>(unit.layer) + 1;
    case UnitKind::head:
      return units_.size() - 1;
  }
  throw InternalError("an unknown kind of unit");
}

int ParameterTable::find(ParameterRole role, Unit unit) const {
  const UnitParameters& range = units_[index_of(unit)];
  for (int i = range.begin; i < range.end; ++i) {
    if (parameters_[static_cast<std::size_t>(i)].role == role) return i;
  }
  return -1;
}

std::vector<ParameterPiece> ParameterTable::shard_pieces(const Parameter& parameter,
                                                         bool every_replica) const {
  std::vector<ParameterPiece> owned;
  if (parameter.replicated && grid_.tp_rank() != 0 && !every_replica) return owned;
  const std::int64_t begin = parameter.shard_rows * grid_.rank(Group::dp_cp);
  const std::int64_t end = begin + parameter.shard_rows;
  for (const ParameterPiece& piece : parameter.pieces) {
    const std::int64_t first = std::max(begin, piece.parameter_row);
    const std::int64_t last = std::min(end, piece.parameter_row + piece.slice.rows);
    if (first >= last) continue;
    ParameterPiece part = piece;
    part.slice.row += first - piece.parameter_row;
    part.slice.rows = last - first;
    part.parameter_row = first - begin;
    owned.push_back(part);
  }
  return owned;
}

}  // namespace longhaul
