#pragma once

#include <map>
#include <string>
#include <vector>

#include "preflight/check_list.h"

namespace longhaul::preflight {

/// Names and values that must be the same on every rank: flags, keys of the model's configuration.
using Settings = std::map<std::string, std::string>;

/// The flags, defaults included, without those that a rank may have to itself (--threads, ...).
/// Names get their "--".
Settings comparable_flags(const std::map<std::string, std::string>& flags);

/// The keys of a config.json text that change the numbers of a run.
Settings comparable_model_config(const std::string& json);

/// `remedy` is what to do about a difference.
Verdict judge_settings(const std::vector<Seen<Settings>>& all, const std::string& remedy);

}  // namespace longhaul::preflight
