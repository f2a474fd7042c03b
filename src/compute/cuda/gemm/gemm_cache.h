#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace longhaul {

/// The three products of a linear layer y [T, N] = x [T, K] w [N, K]^T. The kind also fixes the
/// types: bf16 in and out, but fp32 out for backward_weight.
enum class GemmKind : std::uint8_t { forward, backward_input, backward_weight };

/// What is added to the product: nothing, what the output holds, or another matrix.
enum class GemmAddend : std::uint8_t { none, in_place, separate };

/// Everything that the choice of an algorithm depends on. a, b, c, d are cuBLASLt's operands in
/// D = op(A) op(B) + C; strides in elements, alignments of the addresses in bytes (powers of two).
struct GemmKey {
  GemmKind kind = GemmKind::forward;
  GemmAddend addend = GemmAddend::none;
  std::int64_t tokens = 0;   // T, rounded up by token_bucket()
  std::int64_t outputs = 0;  // N
  std::int64_t inputs = 0;   // K
  std::array<std::int64_t, 4> strides{};
  std::array<std::int32_t, 4> alignments{};
  std::int32_t bias_alignment = 0;  // 0: no bias

  bool operator==(const GemmKey&) const = default;
  /// One line without quotes; different for different keys. The key's form in the file.
  [[nodiscard]] std::string text() const;
};

struct GemmKeyHash {
  std::size_t operator()(const GemmKey& key) const noexcept;
};

/// The smallest of 1, 2, ..., 16, 18, 20, ..., 32, 36, ... (eight steps an octave) that is >=
/// tokens: at most 1/8 more. All T of a bucket share an algorithm, so that packs of varying length
/// do not ask for a choice, or a timing, each.
std::int64_t token_bucket(std::int64_t tokens);

/// A cublasLtMatmulAlgo_t, opaque but serialisable, and how fast it was found to be.
struct GemmAlgorithm {
  std::array<std::uint64_t, 8> data{};
  double tflops = 0.0;
  double first_tflops = 0.0;  // of the heuristic's first choice, timed in the same minute
};

/// The algorithms found by timing, and the file that keeps them from one run to the next.
///
/// The file is JSON lines. The first line names the format; each other line is one algorithm:
///   {"device":"NVIDIA H100 80GB HBM3, 132 SMs","cublaslt":130100,"gemm":"forward t65536 n6144
///   ...",
///    "algorithm":"<8 words of 16 hexadecimal digits>","tflops":655.1,"first_tflops":640.9}
/// It may hold algorithms of several devices and library versions; only those of this device and
/// version are used, the others are kept. A file is a convenience: lines that cannot be understood
/// are ignored, and gone after the next save.
class GemmCache {
 public:
  /// device: name and whatever else algorithms depend on (number of SMs); library_version:
  /// cublasLtGetVersion().
  GemmCache(std::string device, std::size_t library_version);

  /// Null when there is none; valid until the next insert() or load().
  [[nodiscard]] const GemmAlgorithm* find(const GemmKey& key) const;
  void insert(const GemmKey& key, const GemmAlgorithm& algorithm);
  /// By GemmKey::text().
  [[nodiscard]] const std::map<std::string, GemmAlgorithm>& all() const { return algorithms_; }
  /// Was something inserted since the last save()?
  [[nodiscard]] bool changed() const { return changed_; }

  /// Adds the file's algorithms for this device and version, except where one was inserted already;
  /// returns how many there were. No file: none. Throws UserError when a file cannot be read.
  std::size_t load(const std::filesystem::path& file);
  /// Writes all algorithms together with those that the file has now, atomically. At most one
  /// process at a time. Throws UserError when the file cannot be written.
  void save(const std::filesystem::path& file);

 private:
  std::string device_;
  std::size_t library_version_;
  std::map<std::string, GemmAlgorithm> algorithms_;
  bool changed_ = false;
};

}  // namespace longhaul
