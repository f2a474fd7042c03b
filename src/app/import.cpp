// longhaul import: a Hugging Face model becomes the checkpoint of step 0.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/command.h"
#include "app/flags/options.h"
#include "core/error.h"
#include "core/humanize.h"
#include "hf/import_model.h"

namespace longhaul {

int run_import(int argc, char** argv) {
  std::string model;
  std::string output;
  OptionTable table;
  OptionGroup group(table, "Model");
  group
      .add("model", &model, "DIR",
           "Hugging Face model directory: config.json, safetensors, tokenizer")
      .required();
  group.add("output", &output, "DIR", "the save directory to write the checkpoint into").required();
  OptionParser parser("import --model DIR --output DIR",
                      "Turns a Hugging Face model into a checkpoint (step 0, weights only), which "
                      "'longhaul train --model' starts from. Training reads Hugging Face "
                      "directories directly too.",
                      std::move(table));
  if (!parser.parse(argc, argv)) return kExitSuccess;

  const ImportReport report = import_model(model, output);
  for (const std::string& note : report.notes) {
    fmt::print(stderr, "longhaul import: note: {}\n", note);
  }
  fmt::print("{}: {}\n", report.checkpoint.string(), describe(report.config));
  fmt::print("  {} tensors, {}\n", report.tensors, human_bytes(report.bytes));
  if (report.tokenizer_files.empty()) {
    fmt::print("  no tokenizer files in {}\n", model);
  } else {
    fmt::print("  tokenizer: {}\n", fmt::join(report.tokenizer_files, ", "));
  }
  return kExitSuccess;
}

}  // namespace longhaul
