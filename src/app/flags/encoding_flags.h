#pragma once

#include <string>

#include "app/flags/flag_group.h"
#include "data/template/encoding_settings.h"

namespace longhaul {

/// Declares the flags that decide how a row becomes tokens and weights. Every command that renders
/// rows has them.
void add_encoding_flags(FlagGroup& group, EncodingSettings& settings);

/// "qwen3 (hf), loss_scale default": what `encoder`, made from the settings, does.
std::string describe_encoding(const RowEncoder& encoder, const EncodingSettings& settings);

}  // namespace longhaul
