#include "bench/tokenizer.h"

#include <algorithm>
#include <ctime>
#include <functional>

#include "core/error.h"
#include "data/json/json_parse.h"
#include "data/rows/row_reader.h"

namespace longhaul::bench {
namespace {

/// What a pass goes over.
struct Work {
  std::vector<std::string> lines;  // the rows' JSON
  std::vector<std::string> texts;  // the same, rendered
  std::int64_t bytes = 0;          // of the texts
  std::int64_t left_out = 0;
};

Work read_work(const RowEncoder& encoder, const std::filesystem::path& input) {
  Work work;
  RowReader reader(input);
  std::variant<Row, RejectedRow> result;
  while (reader.next(result)) {
    if (const Row* row = std::get_if<Row>(&result)) {
      try {
        work.texts.push_back(encoder.render(*row).text);
        work.lines.emplace_back(reader.line().text);
        work.bytes += static_cast<std::int64_t>(work.texts.back().size());
        continue;
      } catch (const RowError&) {
      }
    }
    ++work.left_out;
  }
  if (work.texts.empty()) user_error("{}: no row that can be used", input.string());
  return work;
}

/// FNV-1a over the ids as little-endian 32-bit numbers.
std::string hash_of(const std::vector<std::int32_t>& ids) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFU)) * 0x100000001b3ULL;
    }
  }
  return fmt::format("{:016x}", hash);
}

/// What the calling thread has computed, in seconds.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// CPU seconds of each pass: on a machine that others use too, wall time would say more of them.
std::vector<double> time_passes(double seconds, const std::function<void()>& pass) {
  constexpr std::size_t kFewest = 3;
  std::vector<double> times;
  double spent = 0.0;
  while (times.size() < kFewest || spent < seconds) {
    const double begin = thread_seconds();
    pass();
    times.push_back(thread_seconds() - begin);
    spent += times.back();
  }
  return times;
}

}  // namespace

void bench_tokenizer(const RowEncoder& encoder, const TokenizerOptions& options, Report& report) {
  const Work work = read_work(encoder, options.input);
  const Tokenizer& tokenizer = encoder.tokenizer();
  TokenizerScratch warm;
  std::vector<std::int32_t> ids;
  const auto encode_all = [&](TokenizerScratch& scratch) {
    ids.clear();
    for (const std::string& text : work.texts) tokenizer.encode(text, scratch, ids);
  };
  encode_all(warm);  // warms the cache, and gives `ids` its memory
  const auto tokens = static_cast<std::int64_t>(ids.size());
  const auto rows = static_cast<std::int64_t>(work.texts.size());
  report.add_result("rows", rows);
  report.add_result("rows_left_out", work.left_out);
  report.add_result("bytes", work.bytes);
  report.add_result("tokens", tokens);
  report.add_result("ids_fnv1a64", hash_of(ids));
  report.say(fmt::format("{} rows, {:.2f} MB of text, {} tokens a pass; one thread", rows,
                         static_cast<double>(work.bytes) * 1e-6, tokens));

  report.set_columns({{"work", "work", 28},
                      {"passes", "passes", 6},
                      {"seconds", "", 10},
                      {"best_seconds", "", 10},
                      {"mb_per_second", "MB/s", 10},
                      {"best_mb_per_second", "best MB/s", 10},
                      {"tokens_per_second", "tokens/s", 12, 0},
                      {"rows_per_second", "rows/s", 10, 0}});
  const auto measure = [&](const char* name, const std::function<void()>& pass) {
    std::vector<double> times = time_passes(options.seconds, pass);
    std::sort(times.begin(), times.end());
    const double median = times[times.size() / 2];
    const double megabytes = static_cast<double>(work.bytes) * 1e-6;
    report.add_row({std::string(name), static_cast<std::int64_t>(times.size()), median,
                    times.front(), megabytes / median, megabytes / times.front(),
                    static_cast<double>(tokens) / median, static_cast<double>(rows) / median});
  };
  measure("tokenize, cold word cache", [&] {
    TokenizerScratch cold;
    encode_all(cold);
  });
  measure("tokenize, warm word cache", [&] { encode_all(warm); });
  std::int64_t sink = 0;
  measure("parse, render and tokenize", [&] {
    for (const std::string& line : work.lines) {
      const Row row = parse_row(parse_json(line), RowForm::training);
      sink += encoder.encode(row, warm).trained_tokens();
    }
  });
  LONGHAUL_CHECK(sink >= 0, "impossible");  // the work is used
}

}  // namespace longhaul::bench
