#include "app/flags/bench_flags.h"

#include <filesystem>
#include <type_traits>
#include <variant>
#include <vector>

#include "app/flags/options.h"
#include "core/error.h"
#include "core/file.h"

namespace longhaul {

namespace {

bench::Value argument(const Option& option) {
  return std::visit(
      [&](const auto* held) -> bench::Value {
        using T = std::remove_cvref_t<decltype(*held)>;
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double>) {
          return *held;
        } else if constexpr (std::is_integral_v<T>) {
          return static_cast<std::int64_t>(*held);
        } else {
          return option.value_text();
        }
      },
      option.variable);
}

}  // namespace

BenchFlags::BenchFlags(const std::string& usage, const std::string& summary, Device device)
    : usage_("bench " + usage), summary_(summary), device_(device) {}

bool BenchFlags::parse(int argc, char** argv, Coordinator& coordinator) {
  if (device_ == Device::backend) {
    OptionGroup backend = group("Backend");
    add_backend_options(backend, backend_);
  }
  OptionTable all = arguments_;
  OptionGroup(all, "Output")
      .add("json", &json_, "FILE", "also write all numbers to FILE, one JSON object");

  // What error messages call this command.
  std::string name = fmt::format("bench {}", argv[0]);
  std::vector<char*> arguments(argv, argv + argc);
  arguments[0] = name.data();
  bool parsed = false;
  coordinator.run_collectively([&] {
    OptionParser parser(usage_, summary_, std::move(all), "config_file");
    if (coordinator.rank() != 0) parser.set_help_stream(nullptr);
    parsed = parser.parse(argc, arguments.data());
    if (!parsed) return;
    // Said now, not after minutes of measuring.
    if (coordinator.rank() == 0 && !json_.empty()) write_text_file(json_, "");
  });
  return parsed;
}

void BenchFlags::begin(bench::Report& report, const Backend& backend) const {
  begin(report, backend.device->describe());
}

void BenchFlags::begin(bench::Report& report, std::string device) const {
  report.set_device(std::move(device));
  for (const Option& option : arguments_.options()) {
    report.add_argument(option.name, argument(option));
  }
}

void BenchFlags::end(const bench::Report& report, Coordinator& coordinator) const {
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0 && !json_.empty()) write_text_file(json_, report.json());
  });
}

void add_bench_seconds(OptionGroup& group, double* seconds) {
  group.add("seconds", seconds, "X", "time for each row, about").above(0.0);
}

void add_bench_lengths(OptionGroup& group, bench::LengthFlags* lengths, const char* tokens_text,
                       const char* lengths_text) {
  group.add("tokens", &lengths->tokens, "N", tokens_text);
  group.add("lengths", &lengths->lengths, "N,N,...", lengths_text);
  group.add("lengths_file", &lengths->lengths_file, "FILE", "the same, one a line");
  group.add("documents", &lengths->documents, "N",
            "cut the tokens into N equal documents; 0: one, or the lengths");
}

void add_bench_config(OptionGroup& group, std::string* config) {
  group
      .add("config", config, "FILE|DIR",
           "the config.json of a Qwen2 or Qwen3 model, or a directory that holds one")
      .needed("a model's config.json or a directory that holds one");
}

ModelConfig load_bench_config(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return ModelConfig::load(path);
  if (!std::filesystem::exists(path, ignored)) {
    user_error("--config {}: no such file; give a config.json or a directory that holds one", path);
  }
  return ModelConfig::parse(read_text_file(path), path);
}

}  // namespace longhaul
