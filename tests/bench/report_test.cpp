#include "bench/report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/json.h"
#include "core/version.h"

namespace longhaul::bench {
namespace {

std::vector<Column> columns() {
  return {{"op", "op", 6},
          {"bytes", "bytes", 7},
          {"hidden", "", 0},
          {"gb_per_second", "GB/s", 6, 2},
          {"updated", "updated", 7}};
}

TEST(Report, JsonHoldsEverything) {
  Report report("kernels", nullptr);
  report.set_device("a device");
  report.add_argument("tokens", std::int64_t{16});
  report.add_argument("deterministic", false);
  report.set_columns(columns());
  report.add_row({std::string("add"), std::int64_t{1 << 20}, 2.5, 1234.5, true});
  report.add_row({std::string("nan"), std::int64_t{0}, Value(), std::nan(""), false});
  report.add_result("mean", 3.25);
  const auto json = parse_json<nlohmann::json>(report.json());
  EXPECT_EQ(json, (nlohmann::json{
                      {"benchmark", "kernels"},
                      {"version", kVersion},
                      {"device", "a device"},
                      {"arguments", {{"tokens", 16}, {"deterministic", false}}},
                      {"results", {{"mean", 3.25}}},
                      {"rows",
                       {{{"op", "add"},
                         {"bytes", 1 << 20},
                         {"hidden", 2.5},
                         {"gb_per_second", 1234.5},
                         {"updated", true}},
                        {{"op", "nan"},
                         {"bytes", 0},
                         {"hidden", nullptr},
                         {"gb_per_second", nullptr},
                         {"updated", false}}}},
                  }));
}

TEST(Report, TableIsPrintedAsRowsArrive) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  Report report("kernels", file.get());
  report.set_device("a device");
  report.set_columns(columns());
  report.add_row({std::string("add"), std::int64_t{1234567}, 2.5, 12.345, true});
  report.add_row({std::string("larger"), std::int64_t{1}, 2.5, std::nan(""), Value()});
  std::rewind(file.get());
  std::string text(1000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  EXPECT_EQ(text, fmt::format("Longhaul {}, bench kernels: a device\n"
                              "op        bytes    GB/s  updated\n"
                              "add     1,234,567   12.35      yes\n"
                              "larger        1     nan        -\n",
                              kVersion));
}

TEST(Report, CellsAreFoundByKey) {
  Report report("kernels", nullptr);
  report.set_columns(columns());
  report.add_row({std::string("add"), std::int64_t{8}, 2.5, 12.345, true});
  EXPECT_EQ(report.rows(), 1U);
  EXPECT_EQ(std::get<std::int64_t>(report.cell(0, "bytes")), 8);
  EXPECT_THROW((void)report.cell(0, "no such key"), InternalError);
  EXPECT_THROW((void)report.cell(1, "op"), InternalError);
  EXPECT_THROW((void)report.result("mean"), InternalError);
  EXPECT_THROW(report.add_row({std::string("short")}), InternalError);
}

}  // namespace
}  // namespace longhaul::bench
