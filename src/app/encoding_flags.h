#pragma once

#include "app/flag_group.h"
#include "data/encoding_settings.h"

namespace longhaul {

/// Declares the flags that decide how a row becomes tokens and weights. Every command that renders
/// rows has them.
void add_encoding_flags(FlagGroup& group, EncodingSettings& settings);

}  // namespace longhaul
