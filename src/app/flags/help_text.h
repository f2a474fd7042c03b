#pragma once

#include <string>
#include <vector>

#include "core/options/option.h"

namespace longhaul {

/// The text in lines of at most `width` columns, at words; lines that it has stay apart.
std::vector<std::string> wrap_text(const std::string& text, std::size_t width);

/// The flags by heading, as --help prints them: headings in the order of their first flag.
std::string help_text(const std::vector<Option>& options);

/// The flags as a JSON array, for programs.
std::string descriptions_json(const std::vector<Option>& options);

}  // namespace longhaul
