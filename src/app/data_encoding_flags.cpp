#include "app/data_encoding_flags.h"

#include <fmt/format.h>

namespace po = boost::program_options;

namespace longhaul {

void DataEncodingFlags::declare(OptionParser& parser) {
  parser.add("Render")("template_mode", po::value(&template_mode_)->default_value(template_mode_),
                       "how conversations are written: hf (the model's own chat template)")(
      "chat_template", po::value(&chat_template_)->default_value(chat_template_),
      "auto (as the model directory says), qwen2.5, qwen2.5-base, qwen3 or qwen3-first")(
      "loss_scale", po::value(&loss_scale_)->default_value(loss_scale_),
      "what carries loss: default (every assistant turn)");
}

RowEncoder DataEncodingFlags::load(const std::filesystem::path& model_dir) const {
  return RowEncoder::load(model_dir,
                          {parse_template_mode(template_mode_), parse_loss_scale(loss_scale_),
                           parse_template_family(chat_template_)});
}

std::string DataEncodingFlags::describe(const RowEncoder& encoder) const {
  return fmt::format("{} ({}), loss_scale {}", name_of(encoder.template_family()), template_mode_,
                     loss_scale_);
}

}  // namespace longhaul
