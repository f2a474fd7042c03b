#pragma once

#include "data/files/compression.h"

struct ZSTD_DCtx_s;  // zstd's, so that its header is included in one place

namespace longhaul {

/// Does zstd data begin so? Frames that a reader skips count, too: pzstd begins with one.
bool is_zstd_signature(std::string_view first_bytes);

/// zstd data (RFC 8878): frames one after another.
class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor();
  ~ZstdDecompressor() override;

  std::size_t unpack(std::string_view& packed, std::span<char> out) override;
  [[nodiscard]] bool complete() const override { return complete_; }

 private:
  ZSTD_DCtx_s* context_;
  bool complete_ = false;
};

}  // namespace longhaul
