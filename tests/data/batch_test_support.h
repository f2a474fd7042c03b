#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "core/error.h"
#include "data/cache/row_batch.h"
#include "metrics/temporary_directory.h"

namespace longhaul::test {

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
}

/// One token a byte of content, loss on what the assistant says; refuses content "REFUSE".
inline SampleEncoder byte_encoder() {
  return {[](const Row& row, RowEncoder::Scratch&) {
            EncodedSample sample;
            for (const Message& message : row.messages) {
              const std::string& text = message.content.text();
              if (text == "REFUSE") throw RowError("the template refuses content \"REFUSE\"");
              const float weight = message.role == "assistant" ? message.loss.value_or(1.0F) : 0.0F;
              for (const char c : text) {
                sample.tokens.push_back(static_cast<unsigned char>(c));
                sample.weights.push_back(weight);
              }
            }
            if (!sample.weights.empty()) sample.weights[0] = 0.0F;
            return sample;
          },
          "bytes 1"};
}

/// A row of a data file.
inline std::string row_line(const std::string& id, const std::string& question,
                            const std::string& answer) {
  return fmt::format(
      R"({{"id": "{}", "messages": [{{"role": "user", "content": "{}"}}, {{"role": "assistant", "content": "{}"}}]}})",
      id, question, answer);
}

}  // namespace longhaul::test
