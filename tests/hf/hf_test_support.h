#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "hf/safetensors_writer.h"
#include "metrics/temporary_directory.h"

namespace longhaul::test {

/// The text of the UserError that `call` throws; "" when it throws none.
template <typename Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "the text is: \"" << text << "\"";
}

/// A safetensors file put together by hand: any header text and data.
inline std::string raw_safetensors(const std::string& header, const std::string& data) {
  const auto length = static_cast<std::uint64_t>(header.size());
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + data;
}

/// A small configuration; `changes` are merged into it.
inline nlohmann::ordered_json small_config(const std::string& model_type,
                                           const nlohmann::ordered_json& changes = {}) {
  nlohmann::ordered_json json = {{"model_type", model_type},
                                 {"hidden_size", 24},
                                 {"intermediate_size", 40},
                                 {"num_hidden_layers", 2},
                                 {"num_attention_heads", 4},
                                 {"num_key_value_heads", 2},
                                 {"head_dim", 8},
                                 {"vocab_size", 37},
                                 {"tie_word_embeddings", false},
                                 {"initializer_range", 0.05},
                                 {"rope_theta", 10000.0}};
  if (!changes.is_null()) json.update(changes);
  return json;
}

/// Byte i of tensor k in files that tests write: never the same in two tensors.
inline std::byte pattern_byte(std::size_t tensor, std::size_t i) {
  return static_cast<std::byte>((i * 7 + tensor * 13 + i / 251) & 0xff);
}

}  // namespace longhaul::test
