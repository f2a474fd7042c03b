#include "data/json/json_print.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "data/text/unicode_class.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

/// Appends Python's repr() of a string. Printable is judged exactly for ASCII; beyond it letters
/// and numbers are printable in every version, everything else is left undecided.
bool append_python_repr(std::string& out, std::string_view text) {
  const bool double_quotes =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  out += quote;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (c.length > 1) {
      if ((character_classes().of(c.value) & (kLetter | kNumber)) == 0) return false;
      out += text.substr(at, c.length);
    } else if (byte == '\\' || text[at] == quote) {
      out += '\\';
      out += text[at];
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
    } else {
      out += text[at];
    }
    at += c.length;
  }
  out += quote;
  return true;
}

bool append_python_item(std::string& out, const JsonValue& value) {
  if (value.is_string()) return append_python_repr(out, value.text());
  return append_python_str(out, value);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t clean = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, clean, i - clean);
    clean = i + 1;
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        out += "\\u00";
        out += kHexDigits[byte >> 4];
        out += kHexDigits[byte & 15];
    }
  }
  out.append(text, clean, text.size() - clean);
  out += '"';
}

void append_json(std::string& out, const JsonValue& value) {
  switch (value.kind()) {
    case JsonValue::Kind::undefined:
      LONGHAUL_CHECK(false, "an undefined value cannot be printed as JSON");
      break;
    case JsonValue::Kind::null:
      out += "null";
      break;
    case JsonValue::Kind::boolean:
      out += value.boolean() ? "true" : "false";
      break;
    case JsonValue::Kind::integer:
    case JsonValue::Kind::real:
      out += value.text();
      break;
    case JsonValue::Kind::string:
      append_json_string(out, value.text());
      break;
    case JsonValue::Kind::array: {
      out += '[';
      bool first = true;
      for (const JsonValue& item : value.array()) {
        if (!first) out += ", ";
        first = false;
        append_json(out, item);
      }
      out += ']';
      break;
    }
    case JsonValue::Kind::object: {
      out += '{';
      bool first = true;
      for (const JsonValue::Member& member : value.object()) {
        if (!first) out += ", ";
        first = false;
        append_json_string(out, member.key);
        out += ": ";
        append_json(out, member.value);
      }
      out += '}';
      break;
    }
  }
}

std::string to_json(const JsonValue& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string python_float(double value) {
  std::array<char, 40> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  LONGHAUL_CHECK(error == std::errc() && std::isfinite(value), "float {} has no JSON form", value);
  // d.ddde[+-]xx: the shortest digits and their exponent
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t e = text.find('e');
  const std::string_view sign = text[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  int exponent = 0;
  const std::size_t exponent_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + exponent_at, text.data() + text.size(), exponent);
  const std::string_view all = digits;
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}{}{}{}e{}{:02}", sign, all.substr(0, 1), all.size() > 1 ? "." : "",
                       all.substr(1), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return fmt::format("{}0.{:0>{}}{}", sign, "", -exponent - 1, all);
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (all.size() <= whole) return fmt::format("{}{:0<{}}.0", sign, all, whole);
  return fmt::format("{}{}.{}", sign, all.substr(0, whole), all.substr(whole));
}

bool append_python_str(std::string& out, const JsonValue& value) {
  switch (value.kind()) {
    case JsonValue::Kind::undefined:
      return true;
    case JsonValue::Kind::null:
      out += "None";
      return true;
    case JsonValue::Kind::boolean:
      out += value.boolean() ? "True" : "False";
      return true;
    case JsonValue::Kind::integer:
    case JsonValue::Kind::real:
    case JsonValue::Kind::string:
      out += value.text();
      return true;
    case JsonValue::Kind::array: {
      out += '[';
      bool first = true;
      for (const JsonValue& item : value.array()) {
        if (!first) out += ", ";
        first = false;
        if (!append_python_item(out, item)) return false;
      }
      out += ']';
      return true;
    }
    case JsonValue::Kind::object: {
      out += '{';
      bool first = true;
      for (const JsonValue::Member& member : value.object()) {
        if (!first) out += ", ";
        first = false;
        if (!append_python_repr(out, member.key)) return false;
        out += ": ";
        if (!append_python_item(out, member.value)) return false;
      }
      out += '}';
      return true;
    }
  }
  return false;
}

}  // namespace longhaul
