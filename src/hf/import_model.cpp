#include "hf/import_model.h"

#include <cstdio>

#include "checkpoint/naming.h"
#include "checkpoint/reader.h"
#include "checkpoint/writer.h"
#include "comm/coordinator.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/file.h"
#include "core/humanize.h"
#include "core/json.h"
#include "core/version.h"
#include "hf/hf_model.h"
#include "hf/tokenizer_files.h"

namespace longhaul {
namespace {

constexpr std::int64_t kWorthAnnouncing = 1'000'000'000;  // bytes; several seconds of silence

std::string metadata_text(const HfModel& model) {
  nlohmann::ordered_json json;
  json["program_version"] = kVersion;
  json["step"] = 0;
  json["time"] = utc_now(TimeDigits::seconds);
  json["layout"] = {{"tp", 1}, {"cp", 1}, {"dp", 1}};
  json["model"] = parse_json<nlohmann::ordered_json>(model.config().json);
  json["imported_from"] = std::filesystem::absolute(model.directory()).string();
  return dump_json(json);
}

}  // namespace

ImportReport import_model(const std::filesystem::path& model_directory,
                          const std::filesystem::path& save) {
  const HfModel model(model_directory);
  if (const auto existing = find_checkpoint(save); existing) {
    user_error("--output {}: already holds the checkpoint {}; choose another directory",
               save.string(), existing->filename().string());
  }
  ImportReport report;
  report.config = model.config();
  report.notes = model.notes();
  CheckpointContents contents;
  contents.metadata = metadata_text(model);
  for (const LogicalTensor& tensor : model.tensors()) {
    // The writer takes the bytes straight out of the mapped files.
    const StoredTensor stored = model.weights().tensor(tensor.name);
    TensorSlab slab;
    slab.path = checkpoint_path(tensor.name);
    slab.dtype = stored.dtype;
    slab.shape = stored.shape;
    slab.slice = whole_tensor(stored.shape);
    slab.data = stored.bytes.data();
    slab.row_stride = slab.slice.cols;
    contents.slabs.push_back(std::move(slab));
    report.bytes += static_cast<std::int64_t>(stored.bytes.size());
  }
  report.tensors = contents.slabs.size();

  if (report.bytes > kWorthAnnouncing) {
    fmt::print(stderr, "writing {} to {} ...\n", human_bytes(report.bytes), save.string());
  }
  const bool new_save = !std::filesystem::exists(save);
  try {
    const std::unique_ptr<Coordinator> solo = make_solo_coordinator();
    CheckpointWriter writer(*solo, {save});
    report.tokenizer_files = copy_tokenizer_files(model_directory, save / kTokenizerFolder);
    writer.write(std::move(contents));
    writer.finish();
  } catch (...) {  // the writer removes its part; a directory that was not there goes altogether
    std::error_code ignored;
    if (new_save) std::filesystem::remove_all(save, ignored);
    throw;
  }
  report.checkpoint = save / step_directory_name(0);
  return report;
}

}  // namespace longhaul
