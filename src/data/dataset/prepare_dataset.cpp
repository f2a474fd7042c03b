#include "data/dataset/prepare_dataset.h"

#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "data/cache/cache_builder.h"
#include "data/cache/rejected_log.h"
#include "data/dataset/data_report.h"
#include "data/dataset/dataset_record.h"
#include "metrics/console_style.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    user_error("{}: cannot be created: {}; name another folder with --save or --token_cache_dir",
               folder.string(), error.message());
  }
}

/// Why the cache cannot be used; nothing when rank 0 finds no fault in what it checks alone.
std::optional<std::string> find_fault(const fs::path& file, const std::string& key) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return "";  // no fault to tell of: it was never made
  try {
    TokenCache(file, key).verify_texts();
    return std::nullopt;
  } catch (const ColumnFileError& error) {
    return error.what();
  }
}

/// Opens the cache on every rank. On a network file system a new file may show up late.
std::unique_ptr<TokenCache> open_cache(const fs::path& file, const std::string& key) {
  constexpr auto kPatience = std::chrono::seconds(15);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::error_code ignored;
  while (!fs::exists(file, ignored)) {
    if (std::chrono::steady_clock::now() > deadline) {
      user_error(
          "{}: rank 0 wrote this token cache, but it cannot be seen here; name a folder that "
          "all hosts share with --token_cache_dir",
          file.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  try {
    return std::make_unique<TokenCache>(file, key);
  } catch (const ColumnFileError& error) {
    user_error("{}; delete the file and start again: it is made anew", error.what());
  }
}

/// An earlier run's cache, every byte of it checked, the ranks sharing the work; null when there is
/// none that can be used. Collective.
std::unique_ptr<TokenCache> reuse_cache(Coordinator& coordinator, const fs::path& file,
                                        const std::string& key, const Log& log) {
  std::string verdict;  // "" good, else a letter and the fault
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0) return;
    const std::optional<std::string> fault = find_fault(file, key);
    if (fault) verdict = "x" + *fault;
  });
  verdict = coordinator.broadcast(verdict, 0);
  std::unique_ptr<TokenCache> cache;
  if (verdict.empty()) {
    std::string fault;
    coordinator.run_collectively([&] {
      cache = open_cache(file, key);
      const std::int64_t rank = coordinator.rank();
      const std::int64_t ranks = coordinator.size();
      try {
        cache->verify_samples(cache->samples() * rank / ranks,
                              cache->samples() * (rank + 1) / ranks);
      } catch (const ColumnFileError& error) {
        fault = error.what();
      }
    });
    for (const std::string& found : coordinator.all_gather(fault)) {
      if (!found.empty() && verdict.empty()) verdict = "x" + found;
    }
  }
  if (verdict.empty()) return cache;
  if (verdict.size() > 1) {
    log.warning("the token cache cannot be used and is made anew: {}", verdict.substr(1));
  }
  return nullptr;
}

/// Writes data_report.json and shows it as a table.
void show_report(const Dataset& dataset, const DatasetOptions& options, const Log& log) {
  const DataReport report = dataset.report();
  if (!options.save_dir.empty()) {
    replace_text_file(options.save_dir / "data_report.json",
                      data_report_json(report, dataset_record(dataset)));
  }
  const std::string table =
      data_report_table(report, detect_console_style(options.show_table ? stdout : stderr).charset);
  if (options.show_table) {
    options.show_table(table);
  } else {
    log.info("data:\n{}", table);
  }
}

/// Says what was kept, lists what was not, and stops when that is nothing. On rank 0.
void report(const Dataset& dataset, const DataScan& scan, const DatasetOptions& options,
            const Log& log) {
  const std::vector<UnkeptRow> unkept = dataset.unkept_rows();
  std::string where;
  if (!options.save_dir.empty()) {
    const fs::path file = options.save_dir / "rejected.jsonl";
    write_rejected_log(file, unkept);
    where = fmt::format("; each is listed in {}", file.string());
  }
  std::map<std::string, std::int64_t> reasons;
  for (const UnkeptRow& row : unkept) ++reasons[reason_group(row.reason)];
  const DatasetCounts& counts = dataset.counts();
  if (dataset.training().empty()) {
    if (counts.read == 0) {
      user_error("there is no row in {}: only blank lines", scan.files.front().path.string());
    }
    user_error(
        "no row is left to train on: {} rows read, {} rejected ({}), {} kept for validation{}",
        counts.read, counts.rejected, describe_reasons(reasons), dataset.validation().size(),
        where);
  }
  if (!options.validation_files.empty() && dataset.validation().empty()) {
    user_error("no row is left of --val_dataset {}: {} rows read in all, {} rejected ({}){}",
               options.validation_files.front().text(), counts.read, counts.rejected,
               describe_reasons(reasons), where);
  }
  if (unkept.empty()) {
    log.info("data: {} rows read, all kept", counts.read);
  } else if (counts.rejected == 0 && counts.cut == 0) {
    log.info("data: {} rows read, all kept; {}{}", counts.read, describe_reasons(reasons), where);
  } else {
    log.warning("data: {} rows read, {} kept ({} of them cut), {} rejected: {}{}", counts.read,
                counts.kept, counts.cut, counts.rejected, describe_reasons(reasons), where);
  }
  if (counts.not_drawn > 0 || counts.copies > 0) {
    log.info("data: {} of the rows kept are not drawn, {} are taken again", counts.not_drawn,
             counts.copies);
  }
  log.info("data: {} samples with {} tokens for training, {} with {} for validation",
           dataset.training().size(), dataset.training_tokens(), dataset.validation().size(),
           dataset.validation_tokens());
  show_report(dataset, options, log);
}

}  // namespace

Dataset prepare_dataset(Coordinator& coordinator, const DatasetOptions& options,
                        const RowEncoder& encoder, const Log& log) {
  return prepare_dataset(coordinator, options, make_sample_encoder(encoder), log);
}

Dataset prepare_dataset(Coordinator& coordinator, const DatasetOptions& options,
                        const SampleEncoder& encoder, const Log& log) {
  coordinator.run_collectively([&] {
    if (options.files.empty()) user_error("no data: name JSON-lines files with --dataset");
    if (options.max_length < 1) {
      user_error("--max_length {} must be at least 1", options.max_length);
    }
    LONGHAUL_CHECK(!options.save_dir.empty() || !options.token_cache_dir.empty(),
                   "no folder for the token cache");
  });
  const int threads = tokenizing_threads(coordinator, options);
  const DataScan scan =
      scan_data_files(coordinator, data_paths(options), options.block_bytes, threads);
  const std::string key = token_cache_key(scan, encoder);
  const fs::path folder =
      options.token_cache_dir.empty() ? options.save_dir / "cache" : options.token_cache_dir;
  const fs::path file = folder / fmt::format("tokens_{}.h5", key.substr(0, 16));
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0) return;
    make_folder(folder);
    if (!options.save_dir.empty()) make_folder(options.save_dir);
  });

  std::unique_ptr<TokenCache> cache = reuse_cache(coordinator, file, key, log);
  if (cache != nullptr) {
    log.info("data: tokens are taken from {}", file.string());
  } else {
    const CacheBuildOptions build{.threads = threads, .rejections = options.rejections};
    build_token_cache(coordinator, scan, encoder, file, key, build, log);
    coordinator.run_collectively([&] { cache = open_cache(file, key); });
  }
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0 || options.rejections != RejectionPolicy::stop) return;
    const std::vector<CachedRejection> rejections = cache->rejections();
    if (!rejections.empty()) stop_at_rejection(scan, rejections.front());
  });
  std::optional<Dataset> dataset;
  coordinator.run_collectively(
      [&] { dataset.emplace(std::move(cache), scan, encoder.fingerprint, options); });
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0) report(*dataset, scan, options, log);
  });
  return std::move(*dataset);
}

}  // namespace longhaul
