// The one file that includes cudnn_frontend.h, which takes a minute to compile.

#include "compute/cuda/cudnn/cudnn_graph.h"

#include <fmt/format.h>

#include <exception>
#include <string>
#include <unordered_map>
#include <utility>

#include "compute/cuda/cudnn/cudnn_redirect.h"
#include "core/cuda_check.h"

#define CUDNN_FRONTEND_SKIP_JSON_LIB  // its copy of nlohmann-json would clash with ours
#include <cudnn_frontend.h>

namespace longhaul::cudnn {
namespace {

namespace fe = cudnn_frontend;
namespace feg = cudnn_frontend::graph;
using TensorPtr = std::shared_ptr<feg::Tensor_attributes>;

/// Numbers by which the graph and the pointers of a call find each other.
constexpr std::int64_t kTensorId = 1;    // + Tensor
constexpr std::int64_t kOffsetsId = 21;  // + Tensor
constexpr std::int64_t kQLengthsId = 41;
constexpr std::int64_t kKvLengthsId = 42;

constexpr std::array<const char*, kBackwardTensors> kNames{"q",   "k",  "v",  "o", "stats",
                                                           "d_o", "dq", "dk", "dv"};

void check(fe::error_t status, const char* step, const PlanShape& shape) {
  LONGHAUL_CHECK(status.is_good(),
                 "cuDNN {} attention {} ({}, batch {}, {} x {} rows, {} heads on {}, head_dim {}): "
                 "{}: {}",
                 version_text(library_version()),
                 shape.direction == Direction::forward ? "forward" : "backward",
                 shape.mask == Mask::bottom_right ? "bottom-right mask"
                 : shape.mask == Mask::top_left   ? "top-left mask"
                                                  : "no mask",
                 shape.batch, shape.max_q, shape.max_kv, shape.heads, shape.kv_heads,
                 shape.head_dim, step, status.get_message());
}

bool has_query_heads(int tensor) {
  return tensor != kK && tensor != kV && tensor != kDK && tensor != kDV;
}

/// Describes the tensors of a call to cuDNN: [batch, heads, longest segment, head_dim], each
/// segment's rows beginning at its entry of an offset table.
class Describer {
 public:
  Describer(feg::Graph& graph, const PlanShape& shape) : graph_(graph), shape_(shape) {}

  [[nodiscard]] TensorPtr input(Tensor tensor) {
    return graph_.tensor(described(feg::Tensor_attributes(), tensor));
  }
  void output(const TensorPtr& made, Tensor tensor) { described(*made, tensor).set_output(true); }

  [[nodiscard]] TensorPtr lengths(std::int64_t id, const char* name) {
    return graph_.tensor(table(id, shape_.batch, fe::DataType_t::INT32).set_name(name));
  }

 private:
  static feg::Tensor_attributes table(std::int64_t id, std::int64_t count, fe::DataType_t type) {
    feg::Tensor_attributes attributes;
    attributes.set_uid(id).set_dim({count, 1, 1, 1}).set_stride({1, 1, 1, 1}).set_data_type(type);
    return attributes;
  }

  template <typename Attributes>
  Attributes&& described(Attributes&& attributes, Tensor tensor) {
    const std::int64_t stride = shape_.strides[tensor];
    const bool queries = has_query_heads(tensor);
    const std::int64_t rows = queries ? shape_.max_q : shape_.max_kv;
    const std::int64_t dim = tensor == kStats ? 1 : shape_.head_dim;
    attributes.set_uid(kTensorId + tensor)
        .set_name(kNames[tensor])
        .set_dim({shape_.batch, queries ? shape_.heads : shape_.kv_heads, rows, dim})
        .set_stride({rows * stride, dim, stride, 1})
        .set_data_type(tensor == kStats ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16)
        .set_ragged_offset(
            graph_.tensor(table(kOffsetsId + tensor, shape_.batch + 1, fe::DataType_t::INT64)
                              .set_name(std::string(kNames[tensor]) + "_offsets")));
    return std::forward<Attributes>(attributes);
  }

  feg::Graph& graph_;
  const PlanShape& shape_;
};

/// What the attributes of both directions have in common.
template <typename Attributes>
Attributes common_attributes(Describer& describe, const PlanShape& shape) {
  Attributes attributes;
  attributes.set_attn_scale(shape.scale)
      .set_padding_mask(true)
      .set_seq_len_q(describe.lengths(kQLengthsId, "q_lengths"))
      .set_seq_len_kv(describe.lengths(kKvLengthsId, "kv_lengths"));
  if (shape.mask != Mask::none) {
    attributes
        .set_diagonal_alignment(shape.mask == Mask::top_left
                                    ? fe::DiagonalAlignment_t::TOP_LEFT
                                    : fe::DiagonalAlignment_t::BOTTOM_RIGHT)
        .set_diagonal_band_right_bound(0);
  }
  return attributes;
}

void describe_forward(feg::Graph& graph, const PlanShape& shape) {
  Describer describe(graph, shape);
  auto attributes = common_attributes<feg::SDPA_attributes>(describe, shape);
  // The form that was measured; newer releases would choose another by themselves.
  attributes.set_name("attention_forward")
      .set_generate_stats(true)
      .set_implementation(fe::AttentionImplementation_t::COMPOSITE);
  const auto [o, stats] =
      graph.sdpa(describe.input(kQ), describe.input(kK), describe.input(kV), std::move(attributes));
  describe.output(o, kO);
  describe.output(stats, kStats);
}

void describe_backward(feg::Graph& graph, const PlanShape& shape) {
  Describer describe(graph, shape);
  auto attributes = common_attributes<feg::SDPA_backward_attributes>(describe, shape);
  attributes.set_name("attention_backward")
      .set_max_total_seq_len_q(shape.total_q)
      .set_max_total_seq_len_kv(shape.total_kv);
  const auto [dq, dk, dv] = graph.sdpa_backward(
      describe.input(kQ), describe.input(kK), describe.input(kV), describe.input(kO),
      describe.input(kDO), describe.input(kStats), std::move(attributes));
  describe.output(dq, kDQ);
  describe.output(dk, kDK);
  describe.output(dv, kDV);
}

/// Runs `work`, turning what the frontend throws beside its error codes into InternalError.
template <typename Work>
void guarded(const PlanShape& shape, const char* step, const Work& work) {
  try {
    work();
  } catch (const InternalError&) {
    throw;
  } catch (const std::exception& error) {
    check({fe::error_code_t::GRAPH_EXECUTION_FAILED, error.what()}, step, shape);
  }
}

/// Everything up to the compilation.
void prepare(feg::Graph& graph, const Handle& handle, const PlanShape& shape) {
  graph.set_io_data_type(fe::DataType_t::BFLOAT16)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  if (shape.direction == Direction::forward) {
    describe_forward(graph, shape);
  } else {
    describe_backward(graph, shape);
  }
  check(graph.validate(), "validate", shape);
  check(graph.build_operation_graph(handle.get()), "build_operation_graph", shape);
  check(graph.create_execution_plans({fe::HeurMode_t::A}), "create_execution_plans", shape);
  check(graph.check_support(handle.get()), "check_support", shape);
}

}  // namespace

struct Plan::Graph {
  feg::Graph graph;
};

// cuDNN 9.19 makes the same machine code for every length and batch, and its kernel cache saves
// compiling it again in the forward direction. But plans that share a cache gave NaN in all but as
// many segments as the batch had with which the cache was begun: do not use it.
Plan::Plan(const Handle& handle, const PlanShape& shape)
    : shape_(shape), graph_(std::make_unique<Graph>()) {
  feg::Graph& graph = graph_->graph;
  guarded(shape, "building a plan", [&] {
    prepare(graph, handle, shape);
    check(graph.build_plans(handle.get(), fe::BuildPlanPolicy_t::HEURISTICS_CHOICE), "build_plans",
          shape);
    std::int64_t bytes = 0;
    check(graph.get_workspace_size(bytes), "get_workspace_size", shape);
    workspace_bytes_ = static_cast<std::size_t>(bytes);
  });
}

Plan::~Plan() = default;
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;

void Plan::check_support(const Handle& handle, const PlanShape& shape) {
  guarded(shape, "checking support", [&] {
    feg::Graph graph;
    prepare(graph, handle, shape);
  });
}

void Plan::execute(const Handle& handle, const PlanPointers& pointers) const {
  const int count = shape_.direction == Direction::forward ? kForwardTensors : kBackwardTensors;
  const MetadataLayout layout(shape_.batch, count);
  std::unordered_map<std::int64_t, void*> pack;
  for (int t = 0; t < count; ++t) {
    pack[kTensorId + t] = pointers.tensors[static_cast<std::size_t>(t)];
    pack[kOffsetsId + t] = pointers.metadata + layout.offsets_at(t);
  }
  pack[kQLengthsId] = pointers.metadata + layout.q_lengths_at();
  pack[kKvLengthsId] = pointers.metadata + layout.kv_lengths_at();
  guarded(shape_, "execute", [&] {
    check(graph_->graph.execute(handle.get(), pack, pointers.workspace), "execute", shape_);
  });
}

}  // namespace longhaul::cudnn
