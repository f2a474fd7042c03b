#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

// The bytes of TensorBoard event files: TFRecord framing around protocol-buffer messages of type
// tensorflow.Event. The few fields needed are encoded here by hand; numbers of fields are those of
// event.proto, summary.proto, tensor.proto and tensor_shape.proto in the TensorBoard project.

/// CRC-32C (Castagnoli) as TFRecord stores it: rotated right by 15 bits, plus 0xa282ead8.
std::uint32_t masked_crc32c(std::string_view bytes);

/// One TFRecord: length as 8 little-endian bytes, their masked CRC, the data, its masked CRC.
std::string tfrecord(std::string_view data);

/// Event{wall_time, file_version = "brain.Event:2"}: the first record of each file.
std::string version_event(double wall_time);
/// Event{wall_time, step, session_log{status = START}}: readers drop events of earlier files with
/// this step or a later one.
std::string restart_event(double wall_time, std::int64_t step);
/// Event{wall_time, step, summary{value{tag, simple_value}}}.
std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag, float value);
/// The same with a string tensor for the text plugin.
std::string text_event(double wall_time, std::int64_t step, std::string_view tag,
                       std::string_view text);

}  // namespace longhaul
