#include "data/batches/work_balance.h"

#include <algorithm>
#include <numeric>

#include "data/batches/micro_batch.h"

namespace longhaul {
namespace {

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double largest(const std::vector<double>& values) {
  return *std::max_element(values.begin(), values.end());
}

/// Adds up groups of ranks that wait for each other.
class Waiting {
 public:
  void add(const std::vector<double>& costs) {
    busiest_ += largest(costs);
    average_ += sum(costs) / static_cast<double>(costs.size());
  }
  void add(const Waiting& other) {
    busiest_ += other.busiest_;
    average_ += other.average_;
  }
  [[nodiscard]] double imbalance() const { return average_ > 0.0 ? busiest_ / average_ : 1.0; }

 private:
  double busiest_ = 0.0;
  double average_ = 0.0;
};

class StepsWaiting {
 public:
  void add(const Waiting& step) {
    all_.add(step);
    ++steps_;
    if (step.imbalance() <= found_.worst) return;
    found_.worst = step.imbalance();
    found_.worst_step = steps_;
  }
  [[nodiscard]] Imbalance imbalance() const {
    return {all_.imbalance(), found_.worst, found_.worst_step};
  }

 private:
  Waiting all_;
  std::int64_t steps_ = 0;
  Imbalance found_;
};

}  // namespace

std::vector<double> context_costs(std::span<const std::int64_t> document_lengths,
                                  const ParallelLayout& layout) {
  const auto tokens =
      std::accumulate(document_lengths.begin(), document_lengths.end(), std::int64_t{0});
  const std::int64_t stream = padded_stream_tokens(tokens, layout);
  const std::int64_t chunks = std::int64_t{2} * layout.cp;
  const std::int64_t chunk = stream / chunks;
  std::vector<double> costs(static_cast<std::size_t>(layout.cp), 0.0);
  const auto add_document = [&](std::int64_t begin, std::int64_t length) {
    for (std::int64_t i = begin / chunk; i * chunk < begin + length; ++i) {
      const std::int64_t from = std::max(i * chunk - begin, std::int64_t{0});
      const std::int64_t to = std::min((i + 1) * chunk - begin, length);
      // Row i of a document costs 2 i + 1 of its len^2.
      costs[static_cast<std::size_t>(std::min(i, chunks - 1 - i))] +=
          static_cast<double>(length_cost(to - from, to * to - from * from));
    }
  };
  std::int64_t begin = 0;
  for (const std::int64_t length : document_lengths) {
    add_document(begin, length);
    begin += length;
  }
  add_document(begin, stream - begin);
  return costs;
}

EpochBalance measure_epoch(std::span<const Pack> packs, std::span<const std::int64_t> lengths,
                           const StepSchedule& schedule, const ParallelLayout& layout) {
  EpochBalance balance;
  StepsWaiting data_parallel;
  StepsWaiting context_parallel;
  std::vector<std::int64_t> documents;
  std::vector<double> rank_costs;
  const std::int64_t steps = std::min(schedule.steps_per_epoch(), schedule.total_steps());
  for (std::int64_t step = 0; step < steps; ++step) {
    const StepPlan plan = schedule.plan(step);
    Waiting ranks;
    Waiting chunks;
    for (std::int64_t index = 0; index < plan.micro_batches; ++index) {
      rank_costs.clear();
      for (int dp_rank = 0; dp_rank < schedule.options().dp; ++dp_rank) {
        documents.clear();
        std::int64_t tokens = 0;
        double cost = 0.0;
        for (const std::int64_t number : plan.micro_batch(dp_rank, index)) {
          const Pack& pack = packs[static_cast<std::size_t>(number)];
          tokens += pack.tokens;
          cost += static_cast<double>(pack_cost(pack));
          for (const std::int64_t sample : pack.samples) {
            documents.push_back(lengths[static_cast<std::size_t>(sample)]);
          }
        }
        balance.tokens += tokens;
        balance.padded_tokens += padded_stream_tokens(tokens, layout);
        rank_costs.push_back(cost);
        if (!documents.empty()) chunks.add(context_costs(documents, layout));
      }
      ranks.add(rank_costs);
    }
    data_parallel.add(ranks);
    context_parallel.add(chunks);
  }
  balance.data_parallel = data_parallel.imbalance();
  balance.context_parallel = context_parallel.imbalance();
  return balance;
}

}  // namespace longhaul
