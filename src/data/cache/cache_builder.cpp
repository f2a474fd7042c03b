#include "data/cache/cache_builder.h"

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/humanize.h"
#include "core/in_parallel.h"
#include "core/rounding.h"
#include "core/sha256.h"
#include "core/stopwatch.h"
#include "data/cache/token_cache.h"
#include "data/cache/token_cache_format.h"
#include "data/files/unpacked_files.h"

namespace longhaul {
namespace {

/// At most this many blocks are on their way to rank 0 at once, so that they fit its memory.
constexpr std::int64_t kBlocksInFlight = 512;
/// Blocks of a thread between two gathers, if there are enough: evens out how long blocks take.
constexpr std::int64_t kBlocksPerThread = 4;
/// A gathered message may be this long; MPI counts bytes in int.
constexpr std::int64_t kMessageBytes = std::int64_t{1} << 30;
constexpr double kProgressSeconds = 5.0;

/// Every rank's bytes on rank 0, in rank order.
std::vector<std::string> gather_on_first(Coordinator& coordinator, const std::string& bytes) {
  if (coordinator.sum(static_cast<std::int64_t>(bytes.size())) <= kMessageBytes) {
    return coordinator.gather(bytes, 0);
  }
  // Samples of extraordinary length: one rank at a time.
  std::vector<std::string> all;
  for (int rank = 0; rank < coordinator.size(); ++rank) {
    const bool mine = rank == coordinator.rank();
    std::vector<std::string> parts = coordinator.gather(mine ? bytes : std::string(), 0);
    if (coordinator.rank() == 0) all.push_back(std::move(parts[static_cast<std::size_t>(rank)]));
  }
  return all;
}

/// Says now and then how far tokenizing is.
class Progress {
 public:
  Progress(const Log& log, const DataScan& scan) : log_(log), scan_(scan) {
    for (const DataFile& file : scan.files) total_ += file.bytes;
  }

  void report(std::int64_t blocks_done) {
    for (; counted_ < blocks_done; ++counted_) {
      const RowBlock& block = scan_.blocks[static_cast<std::size_t>(counted_)];
      done_ += block.end - block.begin;
    }
    const double seconds = watch_.seconds();
    if (seconds < next_) return;
    next_ = seconds + kProgressSeconds;
    const double rate = static_cast<double>(done_) / seconds;
    log_.info("tokenizing: {:.0f} % of {}, {}/s, about {:.0f} s left",
              100.0 * static_cast<double>(done_) / static_cast<double>(total_), human_bytes(total_),
              human_bytes(rate), static_cast<double>(total_ - done_) / rate);
  }

  [[nodiscard]] double seconds() const { return watch_.seconds(); }
  [[nodiscard]] std::int64_t total() const { return total_; }

 private:
  const Log& log_;
  const DataScan& scan_;
  Stopwatch watch_;
  double next_ = kProgressSeconds;
  std::int64_t counted_ = 0;
  std::int64_t done_ = 0;
  std::int64_t total_ = 0;
};

}  // namespace

std::string token_cache_key(const DataScan& scan, const SampleEncoder& encoder) {
  std::string text = fmt::format("{} {}\n{}\n", token_cache_format::kFormat,
                                 token_cache_format::kVersion, encoder.fingerprint);
  for (std::size_t i = 0; i < scan.files.size(); ++i) {
    text += fmt::format("{} {} {}\n", scan.files[i].bytes, scan.file_hashes[i],
                        scan.files[i].path.filename().string());
  }
  return sha256_hex(text);
}

void stop_at_rejection(const DataScan& scan, const CachedRejection& rejection) {
  user_error("{}:{}: {}{}; mend the row, or leave out --strict true to train without it",
             scan.files[static_cast<std::size_t>(rejection.file)].path.string(), rejection.line,
             rejection.id.empty() ? std::string() : fmt::format("row \"{}\": ", rejection.id),
             rejection.reason);
}

TokenizedBytes encode_rows(Coordinator& coordinator, const DataScan& scanned,
                           const SampleEncoder& encoder, const std::filesystem::path& beside,
                           const CacheBuildOptions& options, const Log& log,
                           const std::function<void(const RowBatch&)>& use) {
  UnpackedFiles unpacked(coordinator, scanned, beside, options.threads, log);
  const DataScan& scan = unpacked.scan();
  const auto blocks = static_cast<std::int64_t>(scan.blocks.size());
  const std::int64_t ranks = coordinator.size();
  // All ranks must agree, so it is the fewest threads that any rank has.
  const std::int64_t threads = -coordinator.max(-std::max(options.threads, 1));
  const std::int64_t most = std::max<std::int64_t>(kBlocksInFlight / ranks, 1);
  const std::int64_t per_rank =
      std::min({most, kBlocksPerThread * threads, ceil_div(blocks, ranks)});
  std::vector<RowEncoder::Scratch> scratch(static_cast<std::size_t>(threads));
  Progress progress(log, scan);

  for (std::int64_t begin = 0; begin < blocks; begin += ranks * per_rank) {
    const std::int64_t first = std::min(begin + coordinator.rank() * per_rank, blocks);
    const std::int64_t count = std::min(per_rank, blocks - first);
    std::vector<std::string> parts(static_cast<std::size_t>(count));
    coordinator.run_collectively([&] {
      in_parallel(count, static_cast<int>(threads), [&](int thread, std::int64_t i) {
        coordinator.progress().beat();
        const auto index = static_cast<std::size_t>(first + i);
        const RowBlock& block = scan.blocks[index];
        const RowBatch batch = encode_block(scan.files[static_cast<std::size_t>(block.file)], block,
                                            scan.line_ends_before[index], encoder,
                                            scratch[static_cast<std::size_t>(thread)]);
        append_bytes(batch, parts[static_cast<std::size_t>(i)]);
      });
    });
    std::string bytes;
    for (std::string& part : parts) bytes += std::exchange(part, {});
    const std::vector<std::string> gathered = gather_on_first(coordinator, bytes);
    coordinator.run_collectively([&] {
      for (const std::string& from_rank : gathered) {
        std::string_view rest = from_rank;
        while (!rest.empty()) {
          const RowBatch batch = take_batch(rest);
          if (options.rejections == RejectionPolicy::stop && !batch.rejections.empty()) {
            stop_at_rejection(scan, batch.rejections.front());
          }
          use(batch);
        }
      }
    });
    unpacked.keep_fresh();
    progress.report(std::min(begin + ranks * per_rank, blocks));
  }
  return {progress.total(), progress.seconds()};
}

void build_token_cache(Coordinator& coordinator, const DataScan& scan, const SampleEncoder& encoder,
                       const std::filesystem::path& file, const std::string& key,
                       const CacheBuildOptions& options, const Log& log) {
  std::unique_ptr<TokenCacheWriter> writer;
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) writer = std::make_unique<TokenCacheWriter>(file, key);
  });
  const TokenizedBytes done =
      encode_rows(coordinator, scan, encoder, file, options, log, [&](const RowBatch& batch) {
        for (const CachedSample& sample : batch.samples) writer->add(sample);
        for (const CachedRejection& rejection : batch.rejections) writer->add(rejection);
      });
  coordinator.run_collectively([&] {
    if (writer == nullptr) return;
    writer->finish();
    log.info("tokenized {} rows ({}) in {:.2f} s, {}/s; cached in {}", writer->counts().read,
             human_bytes(done.bytes), done.seconds,
             human_bytes(static_cast<double>(done.bytes) / std::max(done.seconds, 1e-9)),
             file.string());
  });
}

}  // namespace longhaul
