#pragma once

#include <cstdint>
#include <functional>

#include "data/files/data_file.h"
#include "data/rows/row_reader.h"

namespace longhaul {

/// Calls `use` for each line of the block that is not blank, with its number in the file.
/// line_ends_before: newline characters in the file before block.begin. Memory: the block and the
/// rest of its last line. Throws UserError when reading fails or the file has become shorter.
///
/// The lines of a packed file that has not been unpacked are all those of its first block, as a
/// packed stream can only be read from its beginning; UnpackedFiles lets several share them.
void for_each_line(const DataFile& file, const RowBlock& block, std::int64_t line_ends_before,
                   const std::function<void(const LineReader::Line&)>& use);

}  // namespace longhaul
