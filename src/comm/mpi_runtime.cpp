#include "comm/mpi_runtime.h"

#include <cstdlib>
#include <numeric>

#include "comm/mpi_check.h"

namespace longhaul {
namespace {

class MpiCoordinator final : public Coordinator {
 public:
  explicit MpiCoordinator(MPI_Comm world) {
    LONGHAUL_MPI_CHECK(MPI_Comm_dup(world, &comm_), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
    MPI_Comm local = MPI_COMM_NULL;
    LONGHAUL_MPI_CHECK(
        MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &local),
        "MPI_Comm_split_type");
    MPI_Comm_rank(local, &local_rank_);
    MPI_Comm_size(local, &local_size_);
    MPI_Comm_free(&local);
    std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
    int length = 0;
    MPI_Get_processor_name(name.data(), &length);
    host_ = name.data();
  }
  ~MpiCoordinator() override { MPI_Comm_free(&comm_); }
  MpiCoordinator(const MpiCoordinator&) = delete;
  MpiCoordinator& operator=(const MpiCoordinator&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] int local_rank() const override { return local_rank_; }
  [[nodiscard]] int local_size() const override { return local_size_; }
  [[nodiscard]] const std::string& host() const override { return host_; }

  void barrier() override {
    const CollectiveScope scope(&progress(), Group::host, "host.barrier", 0);
    LONGHAUL_MPI_CHECK(MPI_Barrier(comm_), "barrier");
  }

  std::string broadcast(std::string text, int root) override {
    const CollectiveScope scope(&progress(), Group::host, "host.broadcast", bytes_of(text));
    auto length = static_cast<int>(text.size());
    LONGHAUL_MPI_CHECK(MPI_Bcast(&length, 1, MPI_INT, root, comm_), "broadcast");
    text.resize(static_cast<std::size_t>(length));
    LONGHAUL_MPI_CHECK(MPI_Bcast(text.data(), length, MPI_CHAR, root, comm_), "broadcast");
    return text;
  }

  std::vector<std::string> gather(const std::string& bytes, int root) override {
    const CollectiveScope scope(&progress(), Group::host, "host.gather", bytes_of(bytes));
    const std::vector<int> lengths = gather_lengths(bytes);
    const bool is_root = rank_ == root;
    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(is_root ? total(lengths) : 0, '\0');
    LONGHAUL_MPI_CHECK(
        MPI_Gatherv(bytes.data(), static_cast<int>(bytes.size()), MPI_CHAR, all.data(),
                    lengths.data(), offsets.data(), MPI_CHAR, root, comm_),
        "gather");
    return is_root ? split(all, lengths) : std::vector<std::string>{};
  }

  std::vector<std::string> all_gather(const std::string& bytes) override {
    const CollectiveScope scope(&progress(), Group::host, "host.all_gather", bytes_of(bytes));
    const std::vector<int> lengths = gather_lengths(bytes);
    std::vector<int> offsets(lengths.size());
    std::exclusive_scan(lengths.begin(), lengths.end(), offsets.begin(), 0);
    std::string all(total(lengths), '\0');
    LONGHAUL_MPI_CHECK(MPI_Allgatherv(bytes.data(), static_cast<int>(bytes.size()), MPI_CHAR,
                                      all.data(), lengths.data(), offsets.data(), MPI_CHAR, comm_),
                       "all_gather");
    return split(all, lengths);
  }

  std::int64_t sum(std::int64_t value) override { return reduce(value, MPI_SUM, "host.sum"); }
  std::int64_t max(std::int64_t value) override { return reduce(value, MPI_MAX, "host.max"); }

 private:
  static std::int64_t bytes_of(const std::string& text) {
    return static_cast<std::int64_t>(text.size());
  }

  std::int64_t reduce(std::int64_t value, MPI_Op op, Label label) {
    const CollectiveScope scope(&progress(), Group::host, label, sizeof value);
    LONGHAUL_MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, op, comm_), "reduce");
    return value;
  }

  std::vector<int> gather_lengths(const std::string& bytes) {
    const auto length = static_cast<int>(bytes.size());
    std::vector<int> lengths(static_cast<std::size_t>(size_));
    LONGHAUL_MPI_CHECK(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm_),
                       "gather lengths");
    return lengths;
  }

  static std::size_t total(const std::vector<int>& lengths) {
    const std::int64_t sum = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    LONGHAUL_CHECK(sum < (std::int64_t{1} << 31), "{} bytes are too many for one message", sum);
    return static_cast<std::size_t>(sum);
  }

  static std::vector<std::string> split(const std::string& all, const std::vector<int>& lengths) {
    std::vector<std::string> parts;
    std::size_t offset = 0;
    for (const int length : lengths) {
      parts.push_back(all.substr(offset, static_cast<std::size_t>(length)));
      offset += static_cast<std::size_t>(length);
    }
    return parts;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::string host_;
};

}  // namespace

MpiRuntime::MpiRuntime() {
  int provided = 0;
  // The checkpoint writer's thread only touches files; the main thread alone calls MPI.
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

MpiRuntime::~MpiRuntime() { MPI_Finalize(); }

void MpiRuntime::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);  // MPI_Abort does not return, but is not declared so
}

std::unique_ptr<Coordinator> make_mpi_coordinator(MPI_Comm world) {
  return std::make_unique<MpiCoordinator>(world);
}

}  // namespace longhaul
