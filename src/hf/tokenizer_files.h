#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace longhaul {

/// Folder of a save directory that keeps the model's tokenizer files, so that exports are complete.
inline constexpr const char* kTokenizerFolder = "tokenizer";

/// Copies what belongs to a model besides config.json and weights: tokenizer.json,
/// tokenizer_config.json, vocab.json, merges.txt, special_tokens_map.json, added_tokens.json,
/// chat_template.jinja, chat_template.json and generation_config.json, those that are there. Files
/// already in to_dir (which is created when there is anything to copy) are replaced, each at once.
/// Returns the names copied. Throws UserError when a file cannot be read or written.
std::vector<std::string> copy_tokenizer_files(const std::filesystem::path& from_dir,
                                              const std::filesystem::path& to_dir);

/// Has the directory a tokenizer.json?
bool has_tokenizer(const std::filesystem::path& directory);

}  // namespace longhaul
