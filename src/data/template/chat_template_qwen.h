#pragma once

#include <cstdint>
#include <memory>

#include "data/template/chat_template.h"

namespace longhaul {

enum class Qwen25Release : std::uint8_t { instruct, base };  // their default system messages differ

/// The template of Qwen2.5. A conversation without a system message gets a default one.
/// reasoning_content is not part of this template.
std::unique_ptr<ChatTemplate> make_qwen25_template(Qwen25Release release);

enum class Qwen3Release : std::uint8_t {
  first,   // refuses content that is not a string
  current  // renders such content as ""
};

/// The template of Qwen3. Turns after the last real user query keep their <think> block, the last
/// message gets an empty one if it has none, and earlier turns lose theirs, unless
/// ThinkingPolicy::keep: then they are written as the later ones.
std::unique_ptr<ChatTemplate> make_qwen3_template(Qwen3Release release, ThinkingPolicy thinking);

}  // namespace longhaul
