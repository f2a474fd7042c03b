#include "data/files/unpacking_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace longhaul {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

using Traits = std::streambuf::traits_type;

}  // namespace

Unpacker::Unpacker(std::streambuf& source, std::string name)
    : source_(source), name_(std::move(name)), buffer_(kBufferBytes) {}

/// Adds what the source has at hand to packed_; waits for the first byte only. False at the end.
bool Unpacker::fill() {
  std::copy(packed_.begin(), packed_.end(), buffer_.begin());
  const std::size_t kept = packed_.size();
  const auto room = static_cast<std::streamsize>(buffer_.size() - kept);
  LONGHAUL_CHECK(room > 0, "{}: no progress", name_);
  std::streamsize got = 0;
  try {
    if (Traits::eq_int_type(source_.sgetc(), Traits::eof())) return false;
    const std::streamsize at_hand = std::clamp<std::streamsize>(source_.in_avail(), 1, room);
    got = source_.sgetn(buffer_.data() + kept, at_hand);
  } catch (const std::ios_base::failure& error) {
    user_error("{}: reading failed after byte {}: {}", name_, taken_, error.what());
  }
  taken_ += got;
  packed_ = {buffer_.data(), kept + static_cast<std::size_t>(got)};
  return got > 0;
}

void Unpacker::start() {
  started_ = true;
  while (packed_.size() < kSignatureBytes && fill()) {
    if (!may_be_packed(static_cast<unsigned char>(packed_[0]))) return;
  }
  compression_ = detect_compression(packed_, name_);
  if (compression_ != Compression::none) decompressor_ = make_decompressor(compression_);
}

void Unpacker::fail(std::string_view what) const {
  user_error(
      "{}: the {} data is damaged after byte {}: {}. {} whole lines ({} bytes) could be unpacked "
      "before; make or copy the file anew, or cut it off after them",
      name_, name_of(compression_), packed_bytes(), what, line_ends_, text_bytes_);
}

std::size_t Unpacker::unpack(std::span<char> out) {
  while (true) {
    const std::size_t before = packed_.size();
    try {
      const std::size_t got = decompressor_->unpack(packed_, out);
      if (got > 0) return got;
    } catch (const DamagedData& error) {
      fail(error.what());
    }
    if (!packed_.empty() && packed_.size() < before) continue;
    if (fill()) continue;
    if (!decompressor_->complete()) fail("it ends too early, the file was cut off");
    return 0;
  }
}

std::size_t Unpacker::read(std::span<char> out) {
  if (!started_) start();
  std::size_t got = 0;
  if (decompressor_ != nullptr) {
    got = unpack(out);
  } else if (!packed_.empty() || fill()) {
    got = std::min(packed_.size(), out.size());
    std::copy_n(packed_.begin(), got, out.begin());
    packed_.remove_prefix(got);
  }
  text_bytes_ += static_cast<std::int64_t>(got);
  line_ends_ += std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(got), '\n');
  return got;
}

bool may_be_packed(int first_byte) {
  switch (first_byte) {
    case 0x1F:  // gzip
    case 0x28:  // zstd
    case 0xFD:  // xz
    case 'B':   // bzip2
      return true;
    default:
      return first_byte >= 0x50 && first_byte <= 0x5F;  // a frame that zstd skips; zip
  }
}

UnpackingStream::Buffer::Buffer(std::streambuf& source, std::string name)
    : unpacker_(source, std::move(name)), text_(kBufferBytes) {}

std::streambuf::int_type UnpackingStream::Buffer::underflow() {
  if (gptr() == egptr()) {
    const std::size_t got = unpacker_.read(text_);
    if (got == 0) return traits_type::eof();
    setg(text_.data(), text_.data(), text_.data() + got);
  }
  return traits_type::to_int_type(*gptr());
}

UnpackingStream::UnpackingStream(std::streambuf& source, std::string name)
    : std::istream(nullptr), buffer_(source, std::move(name)) {
  rdbuf(&buffer_);
  exceptions(std::ios::badbit);  // lets exceptions of the buffer through
}

}  // namespace longhaul
