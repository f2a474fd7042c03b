#include "hf/tokenizer_files.h"

#include <system_error>

#include "core/error.h"
#include "core/file.h"

namespace longhaul {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFiles[] = {
    "tokenizer.json",      "tokenizer_config.json",   "vocab.json",
    "merges.txt",          "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json",      "generation_config.json",
};

void copy_one(const fs::path& from, const fs::path& to) {
  fs::path temporary = to;
  temporary += ".tmp";
  std::error_code error;
  fs::copy_file(from, temporary, fs::copy_options::overwrite_existing, error);
  if (!error) {
    // A read-only source must not make a copy that the next run cannot replace.
    fs::permissions(temporary, fs::perms::owner_write, fs::perm_options::add, error);
  }
  if (!error) fs::rename(temporary, to, error);
  if (error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw UserError(
        io_error_text(to, fmt::format("cannot be copied from {}", from.string()), error.value()));
  }
}

}  // namespace

std::vector<std::string> copy_tokenizer_files(const fs::path& from_dir, const fs::path& to_dir) {
  std::error_code error;
  if (!fs::is_directory(from_dir, error)) {
    user_error("{}: no such directory; it should hold the tokenizer's files", from_dir.string());
  }
  std::vector<std::string> copied;
  for (const char* name : kFiles) {
    if (!fs::exists(from_dir / name, error)) continue;
    if (copied.empty()) fs::create_directories(to_dir, error);
    if (error) throw UserError(io_error_text(to_dir, "cannot be created", error.value()));
    copied.emplace_back(name);
    if (!fs::equivalent(from_dir, to_dir, error)) copy_one(from_dir / name, to_dir / name);
  }
  return copied;
}

bool has_tokenizer(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "tokenizer.json", ignored);
}

}  // namespace longhaul
