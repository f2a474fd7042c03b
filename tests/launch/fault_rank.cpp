// Stands in for `longhaul` in tests of what the launcher and mpirun do with a rank that fails in a
// way that the real program does not offer: `fault_rank train --save DIR ...` exchanges messages
// until a file named after a fault appears in DIR; the last rank then throws, or leaves with status
// 0.
#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

constexpr useconds_t kStepMicroseconds = 20000;
constexpr long kSteps = 100000;

std::string save_directory(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--save") == 0) return argv[i + 1];
  }
  return ".";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::puts("fault_rank 1");
    return 0;
  }
  const std::filesystem::path save = save_directory(argc, argv);
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::ofstream log;
  if (rank == 0) log.open(save / "train_log.jsonl");
  for (long step = 1; step <= kSteps; ++step) {
    long sum = 0;
    MPI_Allreduce(&step, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) log << "{\"step\": " << step << "}" << std::endl;
    if (rank == size - 1) {
      if (std::filesystem::exists(save / "throw")) throw std::runtime_error("a fault for a test");
      if (std::filesystem::exists(save / "leave")) std::exit(0);
    }
    usleep(kStepMicroseconds);
  }
  MPI_Finalize();
  return 0;
}
