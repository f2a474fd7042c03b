// Collectives that give wrong results are found, whichever it is and wherever the error lies.
#include <gtest/gtest.h>

#include <cstring>

#include "bench/collectives.h"
#include "comm/mpi_communicator.h"
#include "comm/mpi_runtime.h"
#include "core/error.h"

namespace longhaul::bench {
namespace {

/// What goes wrong, in which collective.
struct Fault {
  enum class Kind : std::uint8_t {
    none,
    bit,   // on the last rank the lowest bit of one element is another
    lost,  // nothing is written
  };
  Kind kind = Kind::none;
  std::string label;         // "bench.all_reduce"
  std::int64_t element = 0;  // of a result
};

class FaultyCommunicator final : public Communicator {
 public:
  FaultyCommunicator(const ProcessGrid& grid, Group group, const Fault& fault)
      : Communicator(grid.rank(group), grid.size(group)),
        group_(MPI_COMM_WORLD, grid.members(group), group),
        fault_(fault) {}

  void all_reduce(void* data, std::int64_t count, DType dtype, Label label,
                  Stream stream) override {
    if (lost(label)) return;
    group_.all_reduce(data, count, dtype, label, stream);
    spoil(data, dtype, label);
  }
  void all_gather(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                  Stream stream) override {
    if (lost(label)) return;
    group_.all_gather(send, recv, count, dtype, label, stream);
    spoil(recv, dtype, label);
  }
  void reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype, Label label,
                      Stream stream) override {
    if (lost(label)) return;
    group_.reduce_scatter(send, recv, count, dtype, label, stream);
    spoil(recv, dtype, label);
  }
  void send(const void*, std::int64_t, DType, int, Label, Stream) override {}
  void recv(void*, std::int64_t, DType, int, Label, Stream) override {}

 private:
  [[nodiscard]] bool lost(Label label) const {
    return fault_.kind == Fault::Kind::lost && label == fault_.label;
  }
  void spoil(void* result, DType dtype, Label label) const {
    if (fault_.kind != Fault::Kind::bit || label != fault_.label || rank() != size() - 1) return;
    auto* const bytes = static_cast<std::uint8_t*>(result);
    bytes[fault_.element * static_cast<std::int64_t>(size_of(dtype))] ^= 1U;
  }

  MpiCommunicator group_;
  const Fault& fault_;
};

class CollectiveRanks : public testing::Test {
 protected:
  /// What the benchmark of one group of all ranks says in the end; empty: nothing is wrong.
  std::string run(const Fault& fault) {
    const int ranks = coordinator_->size();
    const ProcessGrid grid({1, 1, ranks}, coordinator_->rank());
    const Communicators comms([&](Group group) -> std::unique_ptr<Communicator> {
      if (grid.size(group) == 1) return make_self_communicator();
      return std::make_unique<FaultyCommunicator>(grid, group, fault);
    });
    CollectiveOptions options;
    options.min_bytes = options.max_bytes = kElements * 4;
    options.seconds = 0.001;
    report_ = Report("collectives", nullptr);
    try {
      bench_collectives(backend_, comms, *coordinator_, grid, options, report_);
    } catch (const CollectiveError& error) {
      EXPECT_EQ(error.exit_code(), kExitFailure);
      return error.what();
    }
    return {};
  }

  /// Wrong elements of all rows of a collective; nothing is wrong in other rows.
  std::int64_t wrong(const std::string& collective) {
    std::int64_t sum = 0;
    EXPECT_GT(report_.rows(), 0U);
    for (std::size_t row = 0; row < report_.rows(); ++row) {
      const auto count = std::get<std::int64_t>(report_.cell(row, "wrong"));
      if (std::get<std::string>(report_.cell(row, "collective")) == collective) {
        sum += count;
      } else {
        EXPECT_EQ(count, 0);
      }
    }
    return sum;
  }

  static constexpr std::int64_t kElements = 4096;  // of fp32; bf16 has twice as many

  std::unique_ptr<Coordinator> coordinator_ = make_mpi_coordinator(MPI_COMM_WORLD);
  Backend backend_ = make_cpu_backend(1);
  Report report_{"collectives", nullptr};
};

TEST_F(CollectiveRanks, RightResultsPass) {
  EXPECT_EQ(run({}), "");
  EXPECT_EQ(wrong("all_gather"), 0);
  EXPECT_EQ(report_.rows(), 4U);  // all_gather in two dtypes, sums in fp32
}

TEST_F(CollectiveRanks, OneWrongBitIsFound) {
  const std::int64_t last = kElements / coordinator_->size() - 1;  // of every result
  for (const std::string collective : {"all_gather", "reduce_scatter", "all_reduce"}) {
    for (const std::int64_t element : {std::int64_t{0}, std::int64_t{17}, last}) {
      SCOPED_TRACE(fmt::format("{}, element {}", collective, element));
      const std::string text = run({Fault::Kind::bit, "bench." + collective, element});
      EXPECT_NE(text.find(fmt::format("[rank {} on ", coordinator_->size() - 1)), std::string::npos)
          << text;
      EXPECT_NE(text.find(collective + " over group dp_cp = weights = world ("), std::string::npos)
          << text;
      EXPECT_NE(text.find(fmt::format("wrong result: element {} is ", element)), std::string::npos)
          << text;
      EXPECT_EQ(wrong(collective), collective == "all_gather" ? 2 : 1);  // in each dtype
    }
  }
}

TEST_F(CollectiveRanks, ACollectiveThatDoesNothingIsFound) {
  const std::int64_t ranks = coordinator_->size();
  EXPECT_NE(run({Fault::Kind::lost, "bench.all_gather"}).find("[rank 0 on "), std::string::npos);
  EXPECT_EQ(wrong("all_gather"), ranks * (kElements + 2 * kElements));
  EXPECT_NE(run({Fault::Kind::lost, "bench.reduce_scatter"}).find("element 0 is 0, not "),
            std::string::npos);
  EXPECT_EQ(wrong("reduce_scatter"), kElements);
  EXPECT_NE(run({Fault::Kind::lost, "bench.all_reduce"}).find("wrong result"), std::string::npos);
  EXPECT_EQ(wrong("all_reduce"), ranks * kElements);
}

}  // namespace
}  // namespace longhaul::bench
