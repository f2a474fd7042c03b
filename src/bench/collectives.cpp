#include "bench/collectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "bench/known_values.h"
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

/// A collective on buffers of one size, and how to know that it works.
struct Collective {
  const char* name;
  double bus_factor;  // busbw / algbw
  Timer::Call call;
  const Tensor& in;
  DeviceValues::Values input;
  const Tensor& out;  // may be `in`
  DeviceValues::Values expected;
};

class CollectiveBench {
  static constexpr int kCallsBeforeRenewal = 16;

 public:
  CollectiveBench(Backend& backend, Coordinator& coordinator, const CollectiveOptions& options,
                  Report& report)
      : backend_(backend),
        coordinator_(coordinator),
        report_(report),
        timer_(*backend.device, options.seconds,
               [&coordinator](double mine) { return slowest(coordinator, mine); }),
        data_(backend),
        values_(backend) {}

  void run(const NamedGroup& group, DType dtype, std::int64_t bytes) {
    const Stream stream = backend_.device->compute_stream();
    Communicator& comm = *group.comm;
    const int ranks = comm.size();
    const int rank = comm.rank();
    const auto width = static_cast<std::int64_t>(size_of(dtype));
    const std::int64_t part = std::max<std::int64_t>(1, bytes / width / ranks);
    const std::int64_t whole = part * ranks;
    // Sums in place grow with every call: small numbers stay finite for a sample, then are renewed.
    const Distribution small{0.0, 1e-12};
    const Tensor fresh = data_.matrix(dtype, 1, whole, small);
    const Tensor buffer = data_.matrix(dtype, 1, whole, small);
    const Tensor mine = data_.matrix(dtype, 1, part, small);
    const double others = static_cast<double>(ranks - 1) / static_cast<double>(ranks);

    const KnownValues moved(dtype, ranks, KnownValues::Use::move);
    measure(group, {"all_gather", others,
                    [&](int) {
                      comm.all_gather(mine.data(), buffer.data(), part, dtype, "bench.all_gather",
                                      stream);
                    },
                    mine, known_input(moved, rank), buffer, known_parts(moved, part, width)});
    if (dtype == DType::bf16 && backend_.device->kind() == DeviceKind::cpu) return;
    const KnownValues summed(dtype, ranks, KnownValues::Use::sum);
    measure(group, {"reduce_scatter", others,
                    [&](int) {
                      comm.reduce_scatter(buffer.data(), mine.data(), part, dtype,
                                          "bench.reduce_scatter", stream);
                    },
                    buffer, known_input(summed, rank), mine, known_sum(summed, rank * part)});
    measure(group,
            {"all_reduce", 2.0 * others,
             [&](int) { comm.all_reduce(buffer.data(), whole, dtype, "bench.all_reduce", stream); },
             buffer, known_input(summed, rank), buffer, known_sum(summed, 0)},
            {[&](int) {
               backend_.device->copy_on_device(buffer.data(), fresh.data(), fresh.view.bytes(),
                                               stream);
             },
             kCallsBeforeRenewal});
  }

  /// Throws CollectiveError on all ranks when one of them had a wrong result.
  void require_right_results() {
    coordinator_.run_collectively([&] {
      if (!wrong_.empty()) throw InternalError(wrong_);
    });
  }

 private:
  static DeviceValues::Values known_input(const KnownValues& known, int rank) {
    return [&known, rank](std::int64_t begin, std::int64_t count, std::byte* out) {
      known.input(rank, begin, count, out);
    };
  }
  static DeviceValues::Values known_sum(const KnownValues& known, std::int64_t first) {
    return [&known, first](std::int64_t begin, std::int64_t count, std::byte* out) {
      known.sum(first + begin, count, out);
    };
  }
  /// Inputs of `part` elements of `width` bytes from every rank, end to end.
  static DeviceValues::Values known_parts(const KnownValues& known, std::int64_t part,
                                          std::int64_t width) {
    return [&known, part, width](std::int64_t begin, std::int64_t count, std::byte* out) {
      for (const std::int64_t end = begin + count; begin < end;) {
        const std::int64_t here = std::min(end - begin, part - begin % part);
        known.input(static_cast<int>(begin / part), begin % part, here, out);
        out += here * width;
        begin += here;
      }
    };
  }

  void measure(const NamedGroup& group, const Collective& collective,
               const Timer::Restore& restore = {{}, 0}) {
    coordinator_.barrier();
    const Timing timing = timer_.measure(1, collective.call, restore);
    const double seconds = slowest(coordinator_, timing.median);
    const std::int64_t bytes = std::max(collective.in.bytes(), collective.out.bytes());
    const double rate = static_cast<double>(bytes) / seconds * 1e-9;
    const std::string dtype(name_of(collective.in.view.dtype));
    const Difference difference = check(collective);
    report_.add_row({group.name, std::int64_t{group.comm->size()}, std::string(collective.name),
                     dtype, bytes, seconds * 1e6, rate, rate * collective.bus_factor,
                     coordinator_.sum(difference.wrong)});
    if (difference.wrong == 0 || !wrong_.empty()) return;
    wrong_ = fmt::format(
        "{} over group {} ({}, {} bytes) gave a wrong result: element {} is {}, not {}, and {} of "
        "{} elements of this rank are wrong; do not train over these links: measure again with "
        "fewer hosts to find the one to leave out",
        collective.name, group.name, dtype, bytes, difference.first, difference.value,
        difference.expected, difference.wrong, collective.out.view.size());
  }

  /// Once more, on inputs whose result is known.
  Difference check(const Collective& collective) {
    const Stream stream = backend_.device->compute_stream();
    values_.fill(collective.in, collective.input);
    if (&collective.out != &collective.in) {
      backend_.device->fill_zero(collective.out.data(), collective.out.view.bytes(), stream);
    }
    collective.call(0);
    return values_.compare(collective.out, collective.expected);
  }

  Backend& backend_;
  Coordinator& coordinator_;
  Report& report_;
  Timer timer_;
  RandomData data_;
  DeviceValues values_;
  std::string wrong_;  // the first wrong result of this rank
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
                      {"busbw", "busbw GB/s", 10, kSignificant},
                      {"wrong", "wrong", 6}});
  CollectiveBench bench(backend, coordinator, options, report);
  for (const NamedGroup& group : groups) {
    for (const DType dtype : {DType::bf16, DType::f32}) {
      for (std::int64_t bytes = options.min_bytes; bytes <= options.max_bytes;
           bytes *= options.factor) {
        bench.run(group, dtype, bytes);
      }
    }
  }
  bench.require_right_results();
}

}  // namespace longhaul::bench
