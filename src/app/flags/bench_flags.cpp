#include "app/flags/bench_flags.h"

#include <filesystem>

#include "core/error.h"
#include "core/file.h"

namespace longhaul {

BenchFlags::BenchFlags(const std::string& usage, const std::string& summary, Device device)
    : parser_("bench " + usage, summary, "config_file"), device_(device) {}

void BenchFlags::add_backend() {
  add_backend_flags(parser_, "Backend", backend_);
  record("backend", &backend_.backend);
  record("ranks_per_gpu", &backend_.ranks_per_gpu);
  record("deterministic", &backend_.deterministic);
  record("attention_backend", &backend_.attention_backend);
  record("gemm_cache_file", &backend_.gemm_cache_file);
  record("threads", &backend_.threads);
}

bool BenchFlags::parse(int argc, char** argv, Coordinator& coordinator) {
  if (device_ == Device::backend) add_backend();
  FlagGroup(parser_, "Output")
      .plain("json", &json_, "FILE", "also write all numbers to FILE, one JSON object");

  // What error messages call this command.
  std::string name = fmt::format("bench {}", argv[0]);
  std::vector<char*> arguments(argv, argv + argc);
  arguments[0] = name.data();
  bool parsed = false;
  coordinator.run_collectively([&] {
    if (coordinator.rank() != 0) parser_.set_help_stream(nullptr);
    parsed = parser_.parse(argc, arguments.data());
    if (!parsed) return;
    if (backend_.threads < 0) user_error("--threads {}: must not be negative", backend_.threads);
    if (backend_.ranks_per_gpu < 1) {
      user_error("--ranks_per_gpu {}: must be at least 1", backend_.ranks_per_gpu);
    }
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
  for (const auto& [name, value] : arguments_) report.add_argument(name, value());
}

void BenchFlags::end(const bench::Report& report, Coordinator& coordinator) const {
  coordinator.run_collectively([&] {
    if (coordinator.rank() == 0 && !json_.empty()) write_text_file(json_, report.json());
  });
}

ModelConfig load_bench_config(const std::string& path) {
  if (path.empty()) {
    user_error("--config is missing; give a model's config.json or a directory that holds one");
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return ModelConfig::load(path);
  if (!std::filesystem::exists(path, ignored)) {
    user_error("--config {}: no such file; give a config.json or a directory that holds one", path);
  }
  return ModelConfig::parse(read_text_file(path), path);
}

}  // namespace longhaul
