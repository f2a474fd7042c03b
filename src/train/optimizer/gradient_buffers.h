#pragma once

#include <array>
#include <optional>
#include <vector>

#include "core/arena.h"
#include "model/gradient_sink.h"
#include "runtime/runtime.h"
#include "train/optimizer/shard_layout.h"

namespace longhaul {

/// Gradients of one step. A unit's gradients are produced in an fp32 bucket; when the backward pass
/// leaves the unit, the bucket is reduce-scattered over dp_cp on the communication stream, while
/// the next unit fills another bucket, and added to this rank's fp32 gradient shard.
/// Without a dp_cp group (size 1) the backward pass accumulates into the shard itself.
class GradientBuffers final : public GradientSink {
 public:
  GradientBuffers(Runtime& runtime, const ParameterTable& table, const ShardLayout& layout,
                  Arena& arena);

  /// Clears what no step ever writes (padding). Once, when the memory is real.
  void initialize();
  /// Before the first micro-batch of a step.
  void start_step();
  MatrixView gradient(int parameter) override;
  Destination destination(int parameter) override;
  void complete(Unit unit) override;
  /// After the last micro-batch: waits for reductions, and sums over TP what every TP rank holds.
  void finish_step();

  /// This rank's gradient shards, laid out by ShardLayout.
  [[nodiscard]] float* shards() const { return shards_; }

 private:
  /// One reusable set of whole gradients and the shards that their reduction gives.
  struct Bucket {
    float* whole = nullptr;    // all parameters of a unit, padded
    float* reduced = nullptr;  // their shards
    std::int64_t whole_size = 0;
    std::optional<Unit> unit;  // whose gradients it holds
    bool reducing = false;     // handed to the communication stream
    Event filled{};
    Event reduced_event{};
  };

  [[nodiscard]] bool direct() const { return runtime_.comms[Group::dp_cp].size() == 1; }
  /// Two for the layers in turn. The head and the embedding share one where they do not overlap;
  /// with tied embeddings both add to one matrix, and the head's own (a norm) is apart.
  [[nodiscard]] std::size_t bucket_number(Unit unit) const;
  [[nodiscard]] Bucket& bucket_of(Unit unit) { return buckets_[bucket_number(unit)]; }
  [[nodiscard]] const UnitParameters& range_of(Unit unit) const {
    return table_.units()[table_.index_of(unit)];
  }
  /// Where a parameter's whole gradient is made, its unit's bucket being open.
  [[nodiscard]] MatrixView whole_gradient(int parameter);
  void clear(MatrixView gradient);
  void open(Bucket& bucket, Unit unit);
  /// Adds a bucket's reduced shards to the step's, and frees it.
  void drain(Bucket& bucket);

  Runtime& runtime_;
  const ParameterTable& table_;
  const ShardLayout& layout_;
  float* shards_ = nullptr;
  std::array<Bucket, 4> buckets_;
  /// Does a parameter's gradient hold something of this step (of this micro-batch in buckets)?
  std::vector<char> written_;
  std::vector<std::int64_t> bucket_offset_;   // of a parameter within its bucket
  std::vector<std::int64_t> reduced_offset_;  // of its shard within the bucket's shards
};

}  // namespace longhaul
