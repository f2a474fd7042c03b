#pragma once

#include "core/hdf5.h"
#include "data/cache/column_file.h"

// What reading and writing series files share. Private to column_file_*.cpp.
namespace longhaul::series {

/// The type in the file and, identical, in memory. A constant of the library: not to be closed.
hid_t type_id(SeriesType type);
std::size_t element_size(SeriesType type);

/// The attribute of a series that holds the CRC-32C of its bytes.
inline constexpr const char* kChecksumName = "crc32c";

}  // namespace longhaul::series
