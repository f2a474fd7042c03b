#include "app/data/data_row_form.h"

namespace longhaul {

void add_row_form_option(OptionGroup& group, std::string* value) {
  group.add("rows", value, one_of(kRowForms),
            "training: as train reads rows; verbatim: messages go to the template as they are; "
            "auto: verbatim for rows that have add_generation_prompt");
}

RowFormChoice parse_row_form_choice(std::string_view text) {
  return parse_choice("rows", text, kRowForms);
}

RowForm row_form(RowFormChoice choice, const JsonValue& line, RowForm training) {
  const bool verbatim =
      choice == RowFormChoice::verbatim ||
      (choice == RowFormChoice::automatic && !line.get("add_generation_prompt").is_undefined());
  return verbatim ? RowForm::verbatim : training;
}

}  // namespace longhaul
