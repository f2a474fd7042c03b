#pragma once

#include <filesystem>
#include <string>

#include "app/options.h"
#include "data/row_encoder.h"

namespace longhaul {

/// The flags that decide which text and which loss weights a row gets, for the `longhaul data`
/// actions that render rows.
class DataEncodingFlags {
 public:
  void declare(OptionParser& parser);
  /// The encoder of a model directory. Throws UserError for bad flags and files.
  [[nodiscard]] RowEncoder load(const std::filesystem::path& model_dir) const;
  /// "qwen3 (hf), loss_scale default": what `encoder`, made by load(), does.
  [[nodiscard]] std::string describe(const RowEncoder& encoder) const;

 private:
  std::string template_mode_ = "hf";
  std::string chat_template_ = "auto";
  std::string loss_scale_ = "default";
};

}  // namespace longhaul
