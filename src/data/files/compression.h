#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace longhaul {

/// How the bytes of a data file are packed.
enum class Compression : std::uint8_t { none, gzip, zstd };

/// detect_compression needs so many bytes of a file, or all that it has.
inline constexpr std::size_t kSignatureBytes = 4;

/// Recognises packed data by its first bytes, whatever its file is called. Throws UserError, naming
/// `name`, for formats that are not read: xz, bzip2 and zip.
Compression detect_compression(std::string_view first_bytes, const std::string& name);
/// "gzip", "zstd", or "no" for none.
std::string_view name_of(Compression compression);

/// What is wrong with packed data; needs no file or place.
class DamagedData : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Unpacks data piece by piece in constant memory: some 100 KiB, and for zstd the window that the
/// data was packed with (8 MiB as a rule, 128 MiB with --long=27, at most 2 GiB).
class Decompressor {
 public:
  Decompressor() = default;
  virtual ~Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  /// Takes bytes from the front of `packed` and writes text to `out`; returns how many. 0 with
  /// `packed` empty: more is needed. Data may follow data (`cat a.gz b.gz`). Throws DamagedData,
  /// with `packed` standing where the fault was noticed.
  virtual std::size_t unpack(std::string_view& packed, std::span<char> out) = 0;
  /// May the packed data end here?
  [[nodiscard]] virtual bool complete() const = 0;
};

/// For gzip or zstd.
std::unique_ptr<Decompressor> make_decompressor(Compression compression);

}  // namespace longhaul
