#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace longhaul {

/// A bump allocator over one block of memory. The same code runs twice: first on a measuring arena
/// (no memory behind it, null pointers out), whose peak() is the exact size that the second run on
/// real memory needs. So the memory plan and the allocation cannot disagree.
class Arena {
 public:
  /// Alignment of every allocation: one cache line; also what cuBLASLt likes best is a multiple.
  static constexpr std::size_t kAlignment = 256;

  /// A measuring arena.
  Arena() = default;
  /// An arena over `bytes` bytes at `base` (host or device memory, aligned to kAlignment).
  Arena(void* base, std::size_t bytes)
      : base_(static_cast<std::byte*>(base)), capacity_(bytes), measuring_(false) {}

  [[nodiscard]] bool measuring() const { return measuring_; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }

  /// Returns `bytes` uninitialised bytes, or null when measuring. Throws InternalError when the
  /// block is too small, which means that plan and use disagree.
  void* allocate(std::size_t bytes, const char* label);

  template <typename T>
  T* allocate_array(std::int64_t count, const char* label) {
    return static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T), label));
  }

  /// What is allocated from now on counts under this name in sections(): a string literal.
  void begin_section(const char* name) { section_ = name; }
  struct Section {
    const char* name;
    std::size_t bytes;
  };
  /// What is allocated now by section, in the order of their first allocations. Only a measuring
  /// arena keeps these books.
  [[nodiscard]] std::vector<Section> sections() const;

  /// Everything allocated after mark() is given back by release(mark).
  [[nodiscard]] std::size_t mark() const { return used_; }
  void release(std::size_t mark);

 private:
  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
  bool measuring_ = true;
  const char* section_ = "other";
  std::vector<Section> allocations_;
};

/// Gives back what was allocated during its lifetime.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  std::size_t mark_;
};

}  // namespace longhaul
