#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace longhaul {

// Numbers as people read them: in messages, tables and logs. Files for programs hold plain numbers.

/// "873", "12.3k", "1.72M", "32.8B": three significant digits.
std::string human_count(double value);
/// "0.81 s", "38 s", "2 min 05 s", "1 h 02 min", "3 d 04 h".
std::string human_duration(double seconds);
/// "512 B", "1.50 KiB", "23.4 GiB": binary units, for everything that is read, written or held in
/// memory. What networks and memory move a second stays in GB/s of 10^9 bytes, the unit of their
/// data sheets and of nccl-tests.
std::string human_bytes(double bytes);
/// FLOP/s with its unit: "45.2 GFLOP/s", "389 TFLOP/s".
std::string human_flops(double flops_per_second);
/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value);
/// "pack" for 1, "packs" for any other count.
std::string plural(std::string_view noun, std::int64_t count);
/// "1 pack", "1,234 packs".
std::string counted(std::int64_t count, std::string_view noun);

}  // namespace longhaul
