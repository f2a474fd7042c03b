#pragma once

#include <mpi.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/coordinator.h"
#include "comm/process_grid.h"
#include "compute/backend.h"
#include "core/log.h"
#include "model/model_config.h"
#include "model/parameter_table.h"
#include "preflight/check_list.h"
#include "preflight/directory_check.h"
#include "train/train_options.h"

namespace longhaul::preflight {

/// The flag --preflight. quick leaves out the bandwidth of the groups.
enum class Mode : std::uint8_t { off, quick, full };

/// The checks that a run starts with, in seconds, before any weight is read: see docs/preflight.md.
/// All ranks call the methods in the order of their declaration. What is wrong is collected from
/// all ranks and thrown as one CollectiveError whose text is a table, for which rank 0 speaks. With
/// --preflight off nothing is checked, and attempt() alone does its work.
class Preflight {
 public:
  /// Collective. flags: all flags of the command with their values, which are compared.
  Preflight(MPI_Comm world, Coordinator& coordinator, const TrainOptions& options,
            const std::map<std::string, std::string>& flags, const Log& log);

  /// Hosts, program, flags, clocks, GPUs, /dev/shm, data files, save directory, token cache.
  void check_hosts();
  /// Work that must succeed on every rank: what fails is collected like the rest. Returns whether
  /// it did.
  bool attempt(const char* name, const std::function<void()>& work);
  /// Model files, those to resume from, the model's configuration, disk for checkpoints. weights,
  /// tokenizer: folders.
  void check_model(const std::filesystem::path& weights, const std::filesystem::path& tokenizer,
                   const ModelConfig& config, const ParameterTable& table);
  /// Throws when anything has failed so far.
  void require_passed();
  /// Memory, and the speed of every group.
  void check_devices(Backend& backend, const Communicators& comms, const ProcessGrid& grid,
                     const ParameterTable& table);
  /// Throws when anything has failed; else says on rank 0 how it went: with --preflight_only a line
  /// for each check on standard output, else one line in the log, and a table of the warnings.
  void finish();

 private:
  [[nodiscard]] bool off() const { return mode_ == Mode::off; }
  void check_data_files();
  void check_directory(const char* name, const char* flag, const std::filesystem::path& directory);
  void check_resumed_files();
  void check_disk(const ParameterTable& table);

  MPI_Comm world_;
  Coordinator& coordinator_;
  const TrainOptions& options_;
  const std::map<std::string, std::string>& flags_;
  const Log& log_;
  Mode mode_;
  CheckList checks_;
  std::vector<std::unique_ptr<DirectoryProbe>> probes_;
  bool computes_on_gpus_ = false;  // this rank, as far as it can be known
};

}  // namespace longhaul::preflight
