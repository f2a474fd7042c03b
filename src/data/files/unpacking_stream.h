#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <span>
#include <streambuf>
#include <string>
#include <vector>

#include "data/files/compression.h"

namespace longhaul {

/// Reads a source that may be packed, and gives its text. Recognises gzip and zstd by content;
/// other bytes pass through. Keeps a few buffers in memory, and what a Decompressor needs.
class Unpacker {
 public:
  /// `name` stands for the source in messages. The source outlives the reader; nothing is read yet.
  Unpacker(std::streambuf& source, std::string name);

  /// Fills `out` with 1 .. out.size() bytes of text; 0 at the end. Waits for no more than it needs.
  /// Throws UserError for damaged data, saying where it is damaged and how much text came before;
  /// that text has been given out by then.
  std::size_t read(std::span<char> out);

  [[nodiscard]] std::int64_t packed_bytes() const { return taken_ - std::ssize(packed_); }
  [[nodiscard]] std::int64_t line_ends() const { return line_ends_; }

 private:
  void start();
  bool fill();
  std::size_t unpack(std::span<char> out);
  [[noreturn]] void fail(std::string_view what) const;

  std::streambuf& source_;
  std::string name_;
  bool started_ = false;
  Compression compression_ = Compression::none;
  std::unique_ptr<Decompressor> decompressor_;  // null: bytes pass through
  std::vector<char> buffer_;
  std::string_view packed_;  // what has been read into buffer_ and not been used
  std::int64_t taken_ = 0;   // bytes read from the source
  std::int64_t text_bytes_ = 0;
  std::int64_t line_ends_ = 0;
};

/// Could the first byte of a source begin packed data? No JSON text that is a row begins so, and a
/// source that does not can be read as it is.
bool may_be_packed(int first_byte);

/// The text of a source that may be packed, as a stream. Reading throws what Unpacker::read throws.
class UnpackingStream : public std::istream {
 public:
  UnpackingStream(std::streambuf& source, std::string name);

 private:
  class Buffer : public std::streambuf {
   public:
    Buffer(std::streambuf& source, std::string name);

   protected:
    int_type underflow() override;

   private:
    Unpacker unpacker_;
    std::vector<char> text_;
  };

  Buffer buffer_;
};

}  // namespace longhaul
