#pragma once

#include <string>
#include <string_view>

namespace longhaul {

/// Unicode normalization form C as Hugging Face tokenizers computes it: with the character data of
/// Unicode 9.0, so that newer characters pass unchanged. ICU and other current libraries differ.
///
/// text: valid UTF-8. Returns `text` itself when it is in NFC already (nearly always), else a view
/// of the normalized text in `storage`, which is overwritten. Linear in the text's length but for
/// runs of combining marks, which are sorted.
std::string_view normalize_nfc(std::string_view text, std::string& storage);

}  // namespace longhaul
