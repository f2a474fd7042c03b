#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longhaul::bench {

/// How a user gives the documents of a stream: at most one of lengths, lengths_file, documents.
struct LengthFlags {
  std::int64_t tokens = 0;     // 0: not given
  std::string lengths;         // "4096,4096,8192"
  std::string lengths_file;    // one length a line
  std::int64_t documents = 0;  // that many equal ones
};

/// The lengths of the documents, each at least 1. Without tokens and lengths: `default_tokens`.
/// Throws UserError naming the flags.
std::vector<std::int64_t> document_lengths(const LengthFlags& flags, std::int64_t default_tokens);

/// `documents` lengths that differ by at most one and add up to `tokens`.
std::vector<std::int64_t> equal_lengths(std::int64_t tokens, std::int64_t documents);

std::int64_t sum_of(const std::vector<std::int64_t>& lengths);
double sum_of_squares_of(const std::vector<std::int64_t>& lengths);

/// "1 document of 65,536", "4 documents of 4,096", "37 documents of 12 to 9,001"
std::string describe_lengths(const std::vector<std::int64_t>& lengths);

}  // namespace longhaul::bench
