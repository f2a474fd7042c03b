#include "bench/collectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "bench/random_data.h"
#include "bench/timer.h"
#include "comm/named_groups.h"
#include "core/error.h"

namespace longhaul::bench {
namespace {

/// The same on all ranks: the slowest rank's.
double slowest(Coordinator& coordinator, double seconds) {
  constexpr double kPerSecond = 1e12;
  return static_cast<double>(
             coordinator.max(static_cast<std::int64_t>(std::llround(seconds * kPerSecond)))) /
         kPerSecond;
}

class CollectiveBench {
  static constexpr int kCallsBeforeRenewal = 16;

 public:
  CollectiveBench(Backend& backend, Coordinator& coordinator, const CollectiveOptions& options,
                  Report& report)
      : backend_(backend),
        coordinator_(coordinator),
        report_(report),
        timer_(backend, options.seconds,
               [&coordinator](double mine) { return slowest(coordinator, mine); }),
        data_(backend) {}

  void run(const NamedGroup& group, DType dtype, std::int64_t bytes) {
    const Stream stream = backend_.compute_stream();
    Communicator& comm = *group.comm;
    const std::int64_t ranks = comm.size();
    const auto width = static_cast<std::int64_t>(size_of(dtype));
    const std::int64_t part = std::max<std::int64_t>(1, bytes / width / ranks);
    const std::int64_t whole = part * ranks;
    // Sums in place grow with every call: small numbers stay finite for a sample, then are renewed.
    const Distribution small{0.0, 1e-12};
    const Tensor fresh = data_.matrix(dtype, 1, whole, small);
    const Tensor buffer = data_.matrix(dtype, 1, whole, small);
    const Tensor mine = data_.matrix(dtype, 1, part, small);
    const double others = static_cast<double>(ranks - 1) / static_cast<double>(ranks);

    const auto add = [&](const char* collective, double bus_factor, const Timer::Call& call,
                         const Timer::Restore& restore = {{}, 0}) {
      coordinator_.barrier();
      const Timing timing = timer_.measure(1, call, restore);
      const double seconds = slowest(coordinator_, timing.median);
      const double rate = static_cast<double>(whole * width) / seconds * 1e-9;
      report_.add_row({group.name, ranks, std::string(collective), std::string(name_of(dtype)),
                       whole * width, seconds * 1e6, rate, rate * bus_factor});
    };
    add("all_gather", others, [&](int) {
      comm.all_gather(mine.data(), buffer.data(), part, dtype, "bench.all_gather", stream);
    });
    if (dtype == DType::bf16 && backend_.memory_is_host()) return;
    add("reduce_scatter", others, [&](int) {
      comm.reduce_scatter(buffer.data(), mine.data(), part, dtype, "bench.reduce_scatter", stream);
    });
    add("all_reduce", 2.0 * others,
        [&](int) { comm.all_reduce(buffer.data(), whole, dtype, "bench.all_reduce", stream); },
        {[&](int) {
           backend_.copy_on_device(buffer.data(), fresh.data(), fresh.view.bytes(), stream);
         },
         kCallsBeforeRenewal});
  }

 private:
  Backend& backend_;
  Coordinator& coordinator_;
  Report& report_;
  Timer timer_;
  RandomData data_;
};

}  // namespace

void bench_collectives(Backend& backend, const Communicators& comms, Coordinator& coordinator,
                       const ProcessGrid& grid, const CollectiveOptions& options, Report& report) {
  const std::vector<NamedGroup> groups = named_groups(comms, grid);
  if (groups.empty()) {
    user_error(
        "one rank has nothing to exchange; start several: mpirun -n 2 longhaul bench "
        "collectives");
  }
  report.set_columns({{"group", "group", 20},
                      {"ranks", "ranks", 5},
                      {"collective", "collective", 14},
                      {"dtype", "dtype", 8},
                      {"bytes", "bytes", 13},
                      {"microseconds", "us", 11},
                      {"algbw", "algbw GB/s", 10, kSignificant},
                      {"busbw", "busbw GB/s", 10, kSignificant}});
  CollectiveBench bench(backend, coordinator, options, report);
  for (const NamedGroup& group : groups) {
    for (const DType dtype : {DType::bf16, DType::f32}) {
      for (std::int64_t bytes = options.min_bytes; bytes <= options.max_bytes;
           bytes *= options.factor) {
        bench.run(group, dtype, bytes);
      }
    }
  }
}

}  // namespace longhaul::bench
