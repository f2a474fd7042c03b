// longhaul data where: which rows a run trains on when.
#include <cstdio>
#include <iostream>
#include <optional>

#include "app/data/data_actions.h"
#include "app/flags/options.h"
#include "checkpoint/reader.h"
#include "core/error.h"
#include "core/humanize.h"
#include "core/json.h"
#include "data/dataset/provenance.h"

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSummary =
    "Says in which pack and steps of a run a row is trained on, or why it is not; and which rows "
    "a\n"
    "step or a pack has. Reads SAVE/data_report.json and the token cache; runs that are over, "
    "under\n"
    "way or still to come are all the same to it.";

struct WhereOptions {
  std::string save;
  std::optional<std::string> id;
  std::optional<std::int64_t> step;
  std::optional<std::int64_t> pack;
  bool json = false;
};

/// "3", "3, 17 and 31"; of many only the first.
std::string steps_text(const std::vector<std::int64_t>& steps) {
  constexpr std::size_t kShown = 12;
  std::string text;
  const std::size_t shown = std::min(steps.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == steps.size();
    text += fmt::format("{}{}", i == 0 ? "" : last ? " and " : ", ", steps[i]);
  }
  if (shown < steps.size()) text += fmt::format(" ... ({} in all)", steps.size());
  return text;
}

std::string place_text(const RowPlace& place) {
  return fmt::format("{}:{}", place.file, place.line);
}

void print_rows(const PackContents& pack, std::string_view indent) {
  for (const TrainedRow& row : pack.rows) {
    fmt::print("{}{:>14}  {}  {}\n", indent, counted(row.tokens, "token"), row.place.id,
               place_text(row.place));
  }
}

std::string pack_text(const PackContents& pack) {
  return fmt::format("pack {}: {}, {}", pack.pack, counted(std::ssize(pack.rows), "row"),
                     counted(pack.tokens, "token"));
}

void print_fate(const RowFate& row, const Provenance& run) {
  fmt::print("{}: {}{}\n", place_text(row.place), row.place.id.empty() ? "no id" : row.place.id,
             row.length < 0 ? "" : ", " + counted(row.length, "token"));
  if (row.use == SampleUse::rejected) {
    fmt::print("  rejected: {}\n", row.reason);
    return;
  }
  if (row.kept < row.length) {
    fmt::print("  {}: {} cut off\n", row.reason, counted(row.length - row.kept, "token"));
  } else if (!row.reason.empty()) {
    fmt::print("  {}\n", row.reason);
  }
  if (row.use == SampleUse::not_drawn) fmt::print("  not drawn: path#N left it out\n");
  if (row.use == SampleUse::validation) fmt::print("  for validation: evaluated, not trained on\n");
  for (const PackContents& pack : row.packs) {
    if (pack.steps.empty()) {
      fmt::print("  {}; the run ends after step {}, before it\n", pack_text(pack),
                 run.total_steps());
    } else {
      fmt::print("  {}; trained on in {} {} of {}\n", pack_text(pack),
                 plural("step", std::ssize(pack.steps)), steps_text(pack.steps), run.total_steps());
    }
  }
}

Json place_json(const RowPlace& place) {
  return {{"id", place.id.empty() ? Json(nullptr) : Json(place.id)},
          {"file", place.file},
          {"line", place.line}};
}

Json pack_json(const PackContents& pack) {
  Json rows = Json::array();
  for (const TrainedRow& row : pack.rows) {
    rows.push_back(place_json(row.place));
    rows.back()["tokens"] = row.tokens;
  }
  return {{"pack", pack.pack}, {"tokens", pack.tokens}, {"steps", pack.steps}, {"rows", rows}};
}

Json fate_json(const RowFate& row) {
  Json json = place_json(row.place);
  json["length"] = row.length < 0 ? Json(nullptr) : Json(row.length);
  json["kept"] = row.kept;
  json["use"] = name_of(row.use);
  json["reason"] = row.reason.empty() ? Json(nullptr) : Json(row.reason);
  json["packs"] = Json::array();
  for (const PackContents& pack : row.packs) json["packs"].push_back(pack_json(pack));
  return json;
}

void print_json(const Json& json) {
  // File names need not be UTF-8.
  fmt::print("{}\n", dump_json(json, 2, InvalidUtf8::replace));
}

void tell_of_rows(const Provenance& run, const WhereOptions& options) {
  const std::vector<RowFate> rows = run.find(*options.id);
  if (rows.empty()) {
    user_error(
        "--id {}: no row has this id; a row without one is called <file name>:<line>, such as {}:1",
        *options.id, run.dataset().files().front().path.filename().string());
  }
  if (options.json) {
    Json list = Json::array();
    for (const RowFate& row : rows) list.push_back(fate_json(row));
    print_json({{"id", *options.id}, {"total_steps", run.total_steps()}, {"rows", list}});
    return;
  }
  for (const RowFate& row : rows) print_fate(row, run);
}

void tell_of_step(const Provenance& run, const WhereOptions& options) {
  const StepContents step = run.step(*options.step);
  if (options.json) {
    Json packs = Json::array();
    for (const PackContents& pack : step.packs) packs.push_back(pack_json(pack));
    print_json({{"step", step.step},
                {"total_steps", run.total_steps()},
                {"epoch", step.epoch},
                {"packs", packs}});
    return;
  }
  fmt::print("step {} of {}, epoch {}: {}\n", step.step, run.total_steps(), step.epoch,
             counted(std::ssize(step.packs), "pack"));
  for (const PackContents& pack : step.packs) {
    fmt::print("  {}\n", pack_text(pack));
    print_rows(pack, "    ");
  }
}

void tell_of_pack(const Provenance& run, const WhereOptions& options) {
  const PackContents pack = run.pack(*options.pack);
  if (options.json) {
    print_json(pack_json(pack));
    return;
  }
  fmt::print("{}", pack_text(pack));
  if (pack.steps.empty()) {
    fmt::print("; the run ends before it\n");
  } else {
    fmt::print("; trained on in {} {} of {}\n", plural("step", std::ssize(pack.steps)),
               steps_text(pack.steps), run.total_steps());
  }
  print_rows(pack, "  ");
}

/// What the newest checkpoint in `save` says of its data; null when there is none that can be read.
nlohmann::json data_of_checkpoint(const std::string& save) {
  try {
    const auto checkpoint = find_checkpoint(save);
    if (!checkpoint) return {};
    return parse_json<nlohmann::json>(CheckpointReader(*checkpoint).metadata())
        .value("data", Json());
  } catch (const UserError&) {
    return {};  // for longhaul inspect to tell
  }
}

/// A start that was refused, because it would have changed the order of the data, has written its
/// report all the same: it does not tell of the run whose checkpoints are there.
void compare_with_checkpoint(const Provenance& run, const std::string& save) {
  auto recorded = parse_json<nlohmann::json>(run.dataset().describe_identity());
  recorded["global_bs"] = run.dataset().options().run.global_bs;
  const nlohmann::json data = data_of_checkpoint(save);
  for (const auto& [key, value] : data.items()) {
    if (recorded[key] == value) continue;
    user_error(
        "{}: the newest checkpoint was written by a run whose data has {} {}, the report is of a "
        "later start with {}; longhaul data prepare with that run's flags makes its report again",
        save, key, dump_json(value), dump_json(recorded[key]));
  }
}

}  // namespace

int run_data_where(int argc, char** argv) {
  WhereOptions options;
  OptionTable table;
  OptionGroup group(table, "Question");
  group
      .add("save", &options.save, "DIR",
           "directory of the run, or what data prepare wrote its report to")
      .needed("the directory of the run");
  group.add("id", &options.id, "ID", "rows with this id");
  group.add("step", &options.step, "N", "an optimizer step, from 1 as in train_log.jsonl");
  group.add("pack", &options.pack, "K", "a pack, from 0");
  group.toggle("json", &options.json, "answer as a JSON object");
  OptionParser parser("data where --save DIR (--id ID | --step N | --pack K) [--json]", kSummary,
                      std::move(table));
  if (!parser.parse(argc, argv)) return kExitSuccess;
  const int questions = (options.id ? 1 : 0) + (options.step ? 1 : 0) + (options.pack ? 1 : 0);
  if (questions != 1) user_error("name one of --id, --step and --pack");
  const Provenance run(options.save);
  compare_with_checkpoint(run, options.save);
  if (options.id) tell_of_rows(run, options);
  if (options.step) tell_of_step(run, options);
  if (options.pack) tell_of_pack(run, options);
  if (std::fflush(stdout) != 0) user_error("standard output: writing failed; is the disk full?");
  return kExitSuccess;
}

}  // namespace longhaul
