#include "metrics/event_encoding.h"

#include <bit>
#include <cstring>

#include "core/crc32c.h"

namespace longhaul {
namespace {

static_assert(std::endian::native == std::endian::little, "event files are little-endian");

constexpr std::uint32_t kMaskDelta = 0xa282ead8U;

template <typename T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

/// A protocol-buffer message under construction.
class Message {
 public:
  Message& varint(int field, std::uint64_t value) {
    key(field, 0);
    raw_varint(value);
    return *this;
  }
  Message& fixed64(int field, double value) {
    key(field, 1);
    append_raw(bytes_, value);
    return *this;
  }
  Message& fixed32(int field, float value) {
    key(field, 5);
    append_raw(bytes_, value);
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    raw_varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  void key(int field, std::uint64_t wire_type) {
    raw_varint(static_cast<std::uint64_t>(field) << 3U | wire_type);
  }
  void raw_varint(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_ += static_cast<char>((value & 0x7f) | 0x80);
      value >>= 7U;
    }
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

Message event(double wall_time) { return std::move(Message().fixed64(1, wall_time)); }

Message event(double wall_time, std::int64_t step) {
  return std::move(event(wall_time).varint(2, static_cast<std::uint64_t>(step)));
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + kMaskDelta;
}

std::string tfrecord(std::string_view data) {
  std::string record;
  record.reserve(data.size() + 16);
  append_raw(record, static_cast<std::uint64_t>(data.size()));
  append_raw(record, masked_crc32c(record));
  record += data;
  append_raw(record, masked_crc32c(data));
  return record;
}

std::string version_event(double wall_time) {
  return event(wall_time).bytes(3, "brain.Event:2").take();
}

std::string restart_event(double wall_time, std::int64_t step) {
  return event(wall_time, step).message(7, Message().varint(1, 1)).take();
}

std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag, float value) {
  const Message summary =
      std::move(Message().message(1, Message().bytes(1, tag).fixed32(2, value)));
  return event(wall_time, step).message(5, summary).take();
}

std::string text_event(double wall_time, std::int64_t step, std::string_view tag,
                       std::string_view text) {
  constexpr std::uint64_t kStringType = 7;                                        // DT_STRING
  const Message shape = std::move(Message().message(2, Message().varint(1, 1)));  // [1]
  const Message tensor =
      std::move(Message().varint(1, kStringType).message(2, shape).bytes(8, text));
  const Message metadata = std::move(Message().message(1, Message().bytes(1, "text")));
  const Message value = std::move(Message().bytes(1, tag).message(9, metadata).message(8, tensor));
  return event(wall_time, step).message(5, std::move(Message().message(1, value))).take();
}

}  // namespace longhaul
