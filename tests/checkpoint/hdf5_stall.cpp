#include "checkpoint/hdf5_stall.h"

#include <array>

#include "core/error.h"
#include "core/hdf5.h"

namespace longhaul::test {
namespace {

using Callback = std::array<std::atomic<bool>*, 2>;

herr_t stay(hid_t /*group*/, const char* /*name*/, const H5L_info_t* /*info*/, void* flags) {
  const auto& [stalled, released] = *static_cast<Callback*>(flags);
  stalled->store(true);
  stalled->notify_all();
  released->wait(false);
  return 1;  // ends the iteration
}

}  // namespace

Hdf5Stall::Hdf5Stall() {
  hbool_t safe = 0;
  H5is_library_threadsafe(&safe);
  LONGHAUL_CHECK(safe != 0, "this HDF5 is not thread-safe");
  thread_ = std::thread([this] {
    const Hdf5Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_fapl_core(access.get(), 4096, false);  // in memory only
    const Hdf5Id file(H5Fcreate("stall.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
    const Hdf5Id group(H5Gcreate2(file.get(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                       H5Gclose);
    Callback flags{&stalled_, &released_};
    H5Literate(file.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, stay, &flags);
  });
  stalled_.wait(false);
}

void Hdf5Stall::release() {
  released_.store(true);
  released_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace longhaul::test
