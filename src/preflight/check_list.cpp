#include "preflight/check_list.h"

#include <algorithm>

#include "core/json.h"
#include "core/stopwatch.h"

namespace longhaul::preflight {
namespace {

constexpr const char* kWithoutAdvice = "see the message on the left";

/// What a rank has to say when looking failed. `fine`: a rank on which it did not, or null.
Finding failure_of(const Seen<nlohmann::json>& seen, const Seen<nlohmann::json>* fine) {
  auto [what, remedy] = split_advice(seen.fact.at("failed").get<std::string>());
  if (fine != nullptr) {
    remedy = fmt::format(
        "it is fine on {}: mount the same file systems on this host, or copy there what is "
        "missing, under the same path",
        fine->host);
  } else if (remedy.empty()) {
    remedy = kWithoutAdvice;
  }
  return {Severity::failure, seen.rank, seen.host, std::move(what), std::move(remedy)};
}

/// Bytes in a path or a message need not be UTF-8, which JSON insists on.
std::string dump(const nlohmann::json& json) { return dump_json(json, -1, InvalidUtf8::replace); }

}  // namespace

void CheckList::run_json(const char* name, const std::function<Json()>& look,
                         const std::function<Verdict(const std::vector<Seen<Json>>&)>& judge) {
  const Stopwatch watch;
  Json message{{"host", coordinator_.host()}};
  try {
    message["fact"] = look();
  } catch (const CollectiveError&) {
    throw;  // all ranks are here
  } catch (const std::exception& error) {
    message["failed"] = error.what();
  }
  const std::vector<std::string> all = coordinator_.gather(dump(message), 0);
  if (coordinator_.rank() != 0) return;
  CheckResult result{name, 0.0, {}};
  std::vector<Seen<Json>> seen;
  std::vector<Seen<Json>> failed;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    Json one = parse_json<Json>(all[rank]);
    Seen<Json> of_rank{static_cast<int>(rank), one["host"].get<std::string>(), {}};
    if (one.contains("failed")) {
      of_rank.fact = std::move(one);
      failed.push_back(std::move(of_rank));
    } else {
      of_rank.fact = std::move(one["fact"]);
      seen.push_back(std::move(of_rank));
    }
  }
  if (!seen.empty()) result.verdict = judge(seen);
  for (const auto& one : failed) {
    result.verdict.findings.push_back(failure_of(one, seen.empty() ? nullptr : &seen.front()));
  }
  result.seconds = watch.seconds();
  results_.push_back(std::move(result));
}

bool CheckList::attempt(const char* name, const std::function<void()>& work) {
  bool done = false;
  run_json(
      name,
      [&] {
        work();
        done = true;
        return Json();
      },
      [](const auto&) { return Verdict{}; });
  return coordinator_.sum(std::int64_t{done ? 1 : 0}) == coordinator_.size();
}

bool CheckList::failed() const {
  const std::vector<Finding> all = findings();
  const bool mine = std::any_of(all.begin(), all.end(), [](const Finding& finding) {
    return finding.severity == Severity::failure;
  });
  return coordinator_.max(std::int64_t{mine ? 1 : 0}) != 0;
}

std::vector<Finding> CheckList::findings() const {
  std::vector<Finding> all;
  for (const CheckResult& result : results_) {
    all.insert(all.end(), result.verdict.findings.begin(), result.verdict.findings.end());
  }
  return all;
}

}  // namespace longhaul::preflight
