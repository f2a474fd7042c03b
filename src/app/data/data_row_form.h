#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/options/choices.h"
#include "core/options/option_table.h"
#include "data/rows/row_parse.h"

namespace longhaul {

/// Values of --rows: how a command that renders rows reads them.
enum class RowFormChoice : std::uint8_t { automatic, training, verbatim };

inline constexpr std::array<Choice<RowFormChoice>, 3> kRowForms{
    {{RowFormChoice::automatic, "auto"},
     {RowFormChoice::training, "training"},
     {RowFormChoice::verbatim, "verbatim"}}};

/// Adds --rows, stored in `value`, which holds the default.
void add_row_form_option(OptionGroup& group, std::string* value);
/// Throws UserError naming --rows and the known values.
RowFormChoice parse_row_form_choice(std::string_view text);
/// The form of one line: automatic means verbatim where it has add_generation_prompt. `training` is
/// the form of the encoder.
RowForm row_form(RowFormChoice choice, const JsonValue& line, RowForm training);

}  // namespace longhaul
