#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

namespace longhaul {

Log::Log(int rank, std::string host) : rank_(rank) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  logger_ = std::make_shared<spdlog::logger>("longhaul", std::move(sink));
  logger_->set_pattern(rank == 0 ? "%H:%M:%S %^%l%$ %v"
                                 : fmt::format("%H:%M:%S %^%l%$ [rank {} on {}] %v", rank, host));
}

void Log::write_info(const std::string& text) const {
  if (rank_ == 0) {
    logger_->info(text);
  }
}

void Log::write_warning(const std::string& text) const {
  if (rank_ == 0) {
    logger_->warn(text);
  }
}

void Log::write_error(const std::string& text) const { logger_->error(text); }

}  // namespace longhaul
