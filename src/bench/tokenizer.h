#pragma once

#include <filesystem>

#include "bench/report.h"
#include "data/template/row_encoder.h"

namespace longhaul::bench {

struct TokenizerOptions {
  std::filesystem::path input;  // rows, as --dataset takes them
  double seconds = 2.0;         // time for each row of the table, about; at least three passes
};

/// How fast one thread makes tokens of rows, in CPU time of that thread. The rows are read, parsed
/// and rendered before the clock starts, and each text is tokenized as a whole, as Hugging Face
/// tokenizers is called. A row of the table each for a word cache that is empty at the start of a
/// pass, for one that has seen the texts, and for all that preparing does with a line (parse,
/// render, tokenize in pieces). Results: rows, bytes and tokens of a pass, and a hash of all ids.
/// Lines that are no rows are left out. Throws UserError when none is left.
void bench_tokenizer(const RowEncoder& encoder, const TokenizerOptions& options, Report& report);

}  // namespace longhaul::bench
