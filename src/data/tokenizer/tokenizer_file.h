#pragma once

#include <filesystem>

#include "data/tokenizer/tokenizer.h"

namespace longhaul {

/// Reads a tokenizer.json of Hugging Face tokenizers. It must describe exactly what Tokenizer
/// does: byte-level BPE with the Qwen pattern, NFC, added tokens that match raw text anywhere, and
/// nothing added at the ends. Both spellings of merges ("a b" and ["a", "b"]) are read. Throws
/// UserError that names the file and the first thing that differs.
Tokenizer::Parts read_tokenizer_file(const std::filesystem::path& path);

}  // namespace longhaul
