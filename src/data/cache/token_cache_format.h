#pragma once

#include <cstdint>

// Names and numbers of the token cache file, shared by its writer and its reader. The format is
// specified in docs/data.md, "Token cache".
namespace longhaul::token_cache_format {

inline constexpr const char* kFormat = "longhaul token cache";
/// Goes up with every change of the layout; caches of other versions are rebuilt.
inline constexpr std::int64_t kVersion = 2;

inline constexpr const char* kTokens = "tokens";
inline constexpr const char* kRunLengths = "weights/run_lengths";
inline constexpr const char* kRunWeights = "weights/run_weights";
inline constexpr const char* kTokenOffsets = "samples/token_offsets";
inline constexpr const char* kRunOffsets = "samples/run_offsets";
inline constexpr const char* kIdOffsets = "samples/id_offsets";
inline constexpr const char* kFile = "samples/file";
inline constexpr const char* kLine = "samples/line";
inline constexpr const char* kFirstTrained = "samples/first_trained";
inline constexpr const char* kLastTrained = "samples/last_trained";
inline constexpr const char* kTrainedTokens = "samples/trained_tokens";
inline constexpr const char* kWeightSum = "samples/weight_sum";
inline constexpr const char* kChecksum = "samples/crc32c";
inline constexpr const char* kIds = "samples/ids";
inline constexpr const char* kRejectedFile = "rejected/file";
inline constexpr const char* kRejectedLine = "rejected/line";
inline constexpr const char* kRejectedLength = "rejected/length";
inline constexpr const char* kRejectedIdOffsets = "rejected/id_offsets";
inline constexpr const char* kRejectedIds = "rejected/ids";
inline constexpr const char* kReasonOffsets = "rejected/reason_offsets";
inline constexpr const char* kReasons = "rejected/reasons";
inline constexpr const char* kNotedSample = "noted/sample";
inline constexpr const char* kNoteOffsets = "noted/text_offsets";
inline constexpr const char* kNotes = "noted/texts";

}  // namespace longhaul::token_cache_format
