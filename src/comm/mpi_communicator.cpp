#include "comm/mpi_communicator.h"

#include <algorithm>
#include <cstring>

#include "comm/mpi_check.h"

namespace longhaul {
namespace {

constexpr std::int64_t kMaxCount = std::int64_t{1} << 30;  // counts are ints in MPI 3

MPI_Datatype mpi_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return MPI_FLOAT;
    case DType::f64:
      return MPI_DOUBLE;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i64:
      return MPI_INT64_T;
    case DType::u8:
      return MPI_UINT8_T;
    case DType::bf16:
    case DType::f16:
      return MPI_UINT16_T;  // moved as bits
  }
  return MPI_DATATYPE_NULL;
}

void check_reducible(DType dtype, Label label) {
  LONGHAUL_CHECK(dtype != DType::bf16 && dtype != DType::f16, "{}: MPI cannot reduce {}", label,
                 name_of(dtype));
}

std::byte* at(void* base, std::int64_t elements, DType dtype) {
  return static_cast<std::byte*>(base) + elements * static_cast<std::int64_t>(size_of(dtype));
}
const std::byte* at(const void* base, std::int64_t elements, DType dtype) {
  return static_cast<const std::byte*>(base) + elements * static_cast<std::int64_t>(size_of(dtype));
}

/// Calls work(offset, count) over pieces of [0, count) that fit an int.
template <typename Work>
void in_pieces(std::int64_t count, Work work) {
  for (std::int64_t offset = 0; offset < count; offset += kMaxCount) {
    work(offset, static_cast<int>(std::min(kMaxCount, count - offset)));
  }
}

}  // namespace

MpiCommunicator::MpiCommunicator(MPI_Comm world, const std::vector<int>& ranks, Group kind,
                                 ProgressRecord* progress)
    : Communicator(
          [&] {
            int rank = 0;
            MPI_Comm_rank(world, &rank);
            const auto found = std::find(ranks.begin(), ranks.end(), rank);
            LONGHAUL_CHECK(found != ranks.end(), "rank {} is not in its own group", rank);
            return static_cast<int>(found - ranks.begin());
          }(),
          static_cast<int>(ranks.size())),
      comm_(MPI_COMM_NULL),
      group_(kind),
      progress_(progress) {
  MPI_Group world_group = MPI_GROUP_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  LONGHAUL_MPI_CHECK(MPI_Comm_group(world, &world_group), "MPI_Comm_group");
  LONGHAUL_MPI_CHECK(
      MPI_Group_incl(world_group, static_cast<int>(ranks.size()), ranks.data(), &group),
      "MPI_Group_incl");
  LONGHAUL_MPI_CHECK(MPI_Comm_create_group(world, group, /*tag=*/0, &comm_),
                     "MPI_Comm_create_group");
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  MPI_Group_free(&group);
  MPI_Group_free(&world_group);
}

MpiCommunicator::~MpiCommunicator() { MPI_Comm_free(&comm_); }

CollectiveScope MpiCommunicator::scope(Label label, std::int64_t count, DType dtype) const {
  return {progress_, group_, label, count * static_cast<std::int64_t>(size_of(dtype))};
}

void MpiCommunicator::all_reduce(void* data, std::int64_t count, DType dtype, Label label, Stream) {
  check_reducible(dtype, label);
  const CollectiveScope waiting = scope(label, count, dtype);
  in_pieces(count, [&](std::int64_t offset, int piece) {
    LONGHAUL_MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, at(data, offset, dtype), piece, mpi_type(dtype),
                                     MPI_SUM, comm_),
                       label);
  });
}

void MpiCommunicator::all_gather(const void* send, void* recv, std::int64_t count, DType dtype,
                                 Label label, Stream) {
  LONGHAUL_CHECK(count <= kMaxCount, "{}: {} elements a rank", label, count);
  const bool in_place = send == at(recv, rank() * count, dtype);
  const CollectiveScope waiting = scope(label, size() * count, dtype);
  LONGHAUL_MPI_CHECK(
      MPI_Allgather(in_place ? MPI_IN_PLACE : send, static_cast<int>(count), mpi_type(dtype), recv,
                    static_cast<int>(count), mpi_type(dtype), comm_),
      label);
}

void MpiCommunicator::reduce_scatter(const void* send, void* recv, std::int64_t count, DType dtype,
                                     Label label, Stream) {
  check_reducible(dtype, label);
  LONGHAUL_CHECK(count <= kMaxCount, "{}: {} elements a rank", label, count);
  const std::size_t bytes = static_cast<std::size_t>(count) * size_of(dtype);
  const CollectiveScope waiting = scope(label, size() * count, dtype);
  // MPI's MPI_IN_PLACE puts the result at the front of the buffer; ours stays at the rank's part.
  const std::byte* const begin = static_cast<const std::byte*>(send);
  const bool overlaps = recv >= begin && recv < begin + static_cast<std::size_t>(size()) * bytes;
  void* target = recv;
  if (overlaps) {
    if (scratch_bytes_ < bytes) {
      scratch_ = std::make_unique<std::byte[]>(bytes);
      scratch_bytes_ = bytes;
    }
    target = scratch_.get();
  }
  LONGHAUL_MPI_CHECK(MPI_Reduce_scatter_block(send, target, static_cast<int>(count),
                                              mpi_type(dtype), MPI_SUM, comm_),
                     label);
  if (overlaps) std::memcpy(recv, target, bytes);
}

void MpiCommunicator::send(const void* data, std::int64_t count, DType dtype, int peer, Label label,
                           Stream) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    LONGHAUL_MPI_CHECK(MPI_Send(at(data, offset, dtype), piece, mpi_type(dtype), peer, 0, comm_),
                       label);
  });
}

void MpiCommunicator::recv(void* data, std::int64_t count, DType dtype, int peer, Label label,
                           Stream) {
  in_pieces(count, [&](std::int64_t offset, int piece) {
    LONGHAUL_MPI_CHECK(MPI_Recv(at(data, offset, dtype), piece, mpi_type(dtype), peer, 0, comm_,
                                MPI_STATUS_IGNORE),
                       label);
  });
}

Communicators make_mpi_communicators(MPI_Comm world, const ProcessGrid& grid,
                                     ProgressRecord* progress) {
  return Communicators([&](Group group) -> std::unique_ptr<Communicator> {
    if (grid.size(group) == 1) return make_self_communicator();
    return std::make_unique<MpiCommunicator>(world, grid.members(group), group, progress);
  });
}

}  // namespace longhaul
