#include "data/cache/column_hdf5.h"

namespace longhaul::series {

hid_t type_id(SeriesType type) {
  switch (type) {
    case SeriesType::u8:
      return H5T_STD_U8LE;
    case SeriesType::i32:
      return H5T_STD_I32LE;
    case SeriesType::u32:
      return H5T_STD_U32LE;
    case SeriesType::i64:
      return H5T_STD_I64LE;
    case SeriesType::f32:
      return H5T_IEEE_F32LE;
    case SeriesType::f64:
      return H5T_IEEE_F64LE;
  }
  return H5I_INVALID_HID;
}

std::size_t element_size(SeriesType type) {
  switch (type) {
    case SeriesType::u8:
      return 1;
    case SeriesType::i32:
    case SeriesType::u32:
    case SeriesType::f32:
      return 4;
    case SeriesType::i64:
    case SeriesType::f64:
      return 8;
  }
  return 0;
}

}  // namespace longhaul::series
