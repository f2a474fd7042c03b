#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "comm/coordinator.h"
#include "preflight/finding.h"

namespace longhaul::preflight {

/// What one rank saw.
template <typename Fact>
struct Seen {
  int rank = 0;
  std::string host;
  Fact fact;
};

/// What a check makes of everyone's facts.
struct Verdict {
  std::vector<Finding> findings;
  std::string summary;               // a line for the user when all is well: "16 ranks on 2 hosts"
  std::vector<std::string> details;  // further lines, for who asks for them

  template <typename Fact>
  void fail(const Seen<Fact>& on, std::string what, std::string remedy) {
    findings.push_back({Severity::failure, on.rank, on.host, std::move(what), std::move(remedy)});
  }
  template <typename Fact>
  void warn(const Seen<Fact>& on, std::string what, std::string remedy) {
    findings.push_back({Severity::warning, on.rank, on.host, std::move(what), std::move(remedy)});
  }
};

/// A check that is done.
struct CheckResult {
  std::string name;
  double seconds = 0.0;  // on rank 0, waiting for others included
  Verdict verdict;
};

/// Runs checks on all ranks and keeps what came out on rank 0. A check has two parts: every rank
/// looks, then rank 0 judges what all have seen. Facts travel as JSON: a type with nlohmann's
/// to_json() and from_json().
class CheckList {
 public:
  explicit CheckList(Coordinator& coordinator) : coordinator_(coordinator) {}

  /// Collective. `look` runs on every rank; what it throws becomes a failure of this rank, and the
  /// others are judged without it. It may itself be collective, as long as a rank that throws does
  /// not leave others inside a call; a CollectiveError, which all ranks throw, goes on.
  template <typename Fact>
  void run(const char* name, const std::function<Fact()>& look,
           const std::function<Verdict(const std::vector<Seen<Fact>>&)>& judge) {
    run_json(
        name, [&] { return nlohmann::json(look()); },
        [&](const std::vector<Seen<nlohmann::json>>& all) {
          std::vector<Seen<Fact>> facts;
          for (const auto& one : all) {
            facts.push_back({one.rank, one.host, one.fact.template get<Fact>()});
          }
          return judge(facts);
        });
  }

  /// Collective: work whose only fact is that it succeeded. Returns whether it did on all ranks.
  bool attempt(const char* name, const std::function<void()>& work);

  /// Collective: has any check failed?
  [[nodiscard]] bool failed() const;

  /// On rank 0: in the order in which they ran.
  [[nodiscard]] const std::vector<CheckResult>& results() const { return results_; }
  [[nodiscard]] std::vector<Finding> findings() const;

 private:
  using Json = nlohmann::json;
  void run_json(const char* name, const std::function<Json()>& look,
                const std::function<Verdict(const std::vector<Seen<Json>>&)>& judge);

  Coordinator& coordinator_;
  std::vector<CheckResult> results_;
};

}  // namespace longhaul::preflight
