#pragma once

#include <zlib.h>

#include "data/files/compression.h"

namespace longhaul {

inline constexpr std::string_view kGzipSignature = "\x1F\x8B";

/// gzip data (RFC 1952): members one after another, each with a checksum of its text. Zero bytes
/// after the last one are padding; anything else there is damage.
class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor();
  ~GzipDecompressor() override;

  std::size_t unpack(std::string_view& packed, std::span<char> out) override;
  [[nodiscard]] bool complete() const override { return place_ != Place::in_member; }

 private:
  enum class Place : std::uint8_t {
    in_member,
    after_member,
    in_padding,
  };

  void skip_padding(std::string_view& packed);

  z_stream stream_{};
  Place place_ = Place::in_member;
};

}  // namespace longhaul
