#include "comm/coordinator.h"

#include <unistd.h>

#include <array>
#include <cstring>

#include "core/stop_signals.h"

namespace longhaul {
namespace {

constexpr std::int64_t kMaxSignal = 64;  // signals are numbered from 1 to this

class SoloCoordinator final : public Coordinator {
 public:
  SoloCoordinator() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) == 0) host_ = name.data();
  }
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] int local_rank() const override { return 0; }
  [[nodiscard]] int local_size() const override { return 1; }
  [[nodiscard]] const std::string& host() const override { return host_; }
  void barrier() override {}
  std::string broadcast(std::string text, int) override { return text; }
  std::vector<std::string> gather(const std::string& bytes, int) override { return {bytes}; }
  std::vector<std::string> all_gather(const std::string& bytes) override { return {bytes}; }
  std::int64_t sum(std::int64_t value) override { return value; }
  std::int64_t max(std::int64_t value) override { return value; }

 private:
  std::string host_ = "localhost";
};

}  // namespace

std::vector<double> Coordinator::sum(const std::vector<double>& values) {
  std::string bytes(values.size() * sizeof(double), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::vector<double> total(values.size(), 0.0);
  for (const std::string& part : all_gather(bytes)) {
    LONGHAUL_CHECK(part.size() == bytes.size(), "{} values here, {} bytes elsewhere", values.size(),
                   part.size());
    for (std::size_t i = 0; i < total.size(); ++i) {
      double value = 0.0;
      std::memcpy(&value, part.data() + i * sizeof(double), sizeof(double));
      total[i] += value;
    }
  }
  return total;
}

void Coordinator::run_collectively(const std::function<void()>& work) {
  std::string failure;
  int exit_code = 0;
  bool relayed = false;  // a nested run_collectively() already told everyone
  try {
    work();
  } catch (const CollectiveError& error) {
    failure = error.what();
    exit_code = error.exit_code();
    relayed = true;
  } catch (const UserError& error) {
    failure = error.what();
    exit_code = kExitUserError;
  } catch (const std::exception& error) {
    failure = error.what();
    exit_code = kExitFailure;
  }
  if (exit_code != 0 && !relayed && size() > 1) {
    failure = fmt::format("[rank {} on {}] {}", rank(), host(), failure);
  }
  // A failure counts more than the wish to stop, and the lowest failing rank has the largest value.
  const std::int64_t signal = stop_signal_ ? stop_signal_() : 0;
  const std::int64_t winner = max(exit_code == 0 ? signal : kMaxSignal + size() - rank());
  if (winner == 0) return;
  if (winner <= kMaxSignal) {
    throw CollectiveError(
        fmt::format("stopped by {} {}", signal_name(static_cast<int>(winner)), stop_text_),
        rank() == 0, kExitStopped);
  }
  const int speaker = size() - static_cast<int>(winner - kMaxSignal);
  const std::string text = broadcast(std::to_string(exit_code) + '\n' + failure, speaker);
  const std::size_t split = text.find('\n');
  throw CollectiveError(text.substr(split + 1), rank() == speaker,
                        std::stoi(text.substr(0, split)));
}

void Coordinator::stop_at_agreement(std::function<int()> signal, std::string text) {
  stop_signal_ = std::move(signal);
  stop_text_ = std::move(text);
}

std::unique_ptr<Coordinator> make_solo_coordinator() { return std::make_unique<SoloCoordinator>(); }

}  // namespace longhaul
