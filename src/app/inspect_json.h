#pragma once

#include <filesystem>
#include <string>

#include "app/inspect_report.h"
#include "checkpoint/verify.h"

namespace longhaul {

// What inspect --json true prints: one JSON object, indented. Norms and values that are not finite
// are null.
std::string report_json(const InspectReport& report);
std::string numbers_json(const TensorNumbers& numbers);
std::string damage_json(const std::filesystem::path& step, const VerifyReport& report);

/// The metadata's members as lines of "key  value" text, for people. Text that is not JSON is
/// returned as it is.
std::string metadata_text(const std::string& metadata);

}  // namespace longhaul
