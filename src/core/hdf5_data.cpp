#include <terramill/core/activity.hpp>
#include <terramill/core/hdf5.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>

namespace terramill::h5 {
namespace {

/// The little-endian type of a `T` in a file.
template <typename T>
hid_t file_type() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return H5T_STD_U8LE;
  if constexpr (std::is_same_v<T, std::int8_t>) return H5T_STD_I8LE;
  if constexpr (std::is_same_v<T, std::uint16_t>) return H5T_STD_U16LE;
  if constexpr (std::is_same_v<T, std::int16_t>) return H5T_STD_I16LE;
  if constexpr (std::is_same_v<T, std::uint32_t>) return H5T_STD_U32LE;
  if constexpr (std::is_same_v<T, std::int32_t>) return H5T_STD_I32LE;
  if constexpr (std::is_same_v<T, std::uint64_t>) return H5T_STD_U64LE;
  if constexpr (std::is_same_v<T, std::int64_t>) return H5T_STD_I64LE;
  if constexpr (std::is_same_v<T, float>) return H5T_IEEE_F32LE;
  if constexpr (std::is_same_v<T, double>) return H5T_IEEE_F64LE;
}

/// "dataset NAME of FILE", for messages.
std::string subject_of(hid_t object, const std::string& name) {
  const ssize_t length = H5Fget_name(object, nullptr, 0);
  if (length <= 0) return name;
  std::string file(static_cast<std::size_t>(length), '\0');
  H5Fget_name(object, file.data(), file.size() + 1);
  return name + " of " + file;
}

Handle open_dataset(hid_t file, const std::string& name) {
  const Activity activity("open", subject_of(file, name));
  if (!has(file, name)) {
    throw FormatError("the dataset " + subject_of(file, name) + " is missing",
                      {"open a dataset", subject_of(file, name), ""});
  }
  return {H5Dopen2(file, name.c_str(), H5P_DEFAULT), "open a dataset", subject_of(file, name)};
}

std::vector<hsize_t> extents(hid_t space, const std::string& subject) {
  const auto rank = check(H5Sget_simple_extent_ndims(space), "read a shape", subject);
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check(H5Sget_simple_extent_dims(space, shape.data(), nullptr), "read a shape", subject);
  return shape;
}

/// Reads what is selected, or all of it, into `values`.
void read_values(const Handle& dataset, hid_t memory, hid_t memory_space, hid_t file_space, void* values,
                 const std::string& subject) {
  const Activity activity("read", subject);
  check(H5Dread(dataset, memory, memory_space, file_space, H5P_DEFAULT, values), "read a dataset", subject);
  beat();
}

hsize_t volume(std::span<const hsize_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), hsize_t{1}, std::multiplies<>());
}

void write_raw(hid_t file, const std::string& name, std::span<const hsize_t> shape, hid_t stored,
               hid_t memory, const void* values) {
  const auto subject = subject_of(file, name);
  const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                     "describe a shape", subject);
  Handle dataset(
      H5Dcreate2(file, name.c_str(), stored, space, H5P_DEFAULT, dataset_properties(), H5P_DEFAULT),
      "create a dataset", subject);
  if (volume(shape) > 0) {
    check(H5Dwrite(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "write a dataset", subject);
  }
  dataset.reset();
}

/// Where rows [begin, begin + count) lie: file and memory selection and the number of elements.
struct Rows {
  Handle file_space, memory_space;
  hsize_t elements;
};

Rows select_rows(const Handle& dataset, const std::string& subject, hsize_t begin, hsize_t count) {
  Rows rows;
  rows.file_space = Handle(H5Dget_space(dataset), "read a shape", subject);
  auto shape = extents(rows.file_space, subject);
  if (shape.empty() || begin > shape[0] || count > shape[0] - begin) {
    throw FormatError(subject + " has " + std::to_string(shape.empty() ? 0 : shape[0]) + " rows, but rows " +
                          std::to_string(begin) + " to " + std::to_string(begin + count) + " are wanted",
                      {"read rows", subject, ""});
  }
  std::vector<hsize_t> start(shape.size(), 0);
  start[0] = begin;
  shape[0] = count;
  rows.elements = volume(shape);
  if (rows.elements == 0) return rows;
  check(H5Sselect_hyperslab(rows.file_space, H5S_SELECT_SET, start.data(), nullptr, shape.data(), nullptr),
        "select rows", subject);
  rows.memory_space = Handle(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                             "describe a shape", subject);
  return rows;
}

/// FormatError unless every stored value can be read as `T` without loss of its kind.
template <typename T>
void demand_readable_as(const Handle& dataset, const std::string& subject) {
  const Handle type(H5Dget_type(dataset), "read a type", subject);
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t bytes = H5Tget_size(type);
  const bool integer = kind == H5T_INTEGER || kind == H5T_ENUM;
  const bool good = std::is_integral_v<T> ? integer && bytes <= sizeof(T) : integer || kind == H5T_FLOAT;
  if (!good) {
    throw FormatError(subject + " holds " + std::to_string(8 * bytes) + "-bit " +
                          (integer             ? "integers"
                           : kind == H5T_FLOAT ? "floating-point numbers"
                                               : "non-numbers") +
                          ", which cannot be read as " + std::to_string(8 * sizeof(T)) + "-bit " +
                          (std::is_integral_v<T> ? "integers" : "floating-point numbers"),
                      {"read a dataset", subject, ""});
  }
}

Handle text_type(std::size_t width) {
  Handle type(H5Tcopy(H5T_C_S1), "create a type", "text");
  check(H5Tset_size(type, std::max<std::size_t>(width, 1)), "set a text's width", "text");
  check(H5Tset_strpad(type, H5T_STR_NULLPAD), "set a text's padding", "text");
  check(H5Tset_cset(type, H5T_CSET_UTF8), "set a text's encoding", "text");
  return type;
}

std::string unpadded(const char* text, std::size_t width) { return {text, ::strnlen(text, width)}; }

Handle new_attribute(hid_t object, const std::string& name, hid_t type) {
  const auto subject = subject_of(object, name);
  if (check(H5Aexists(object, name.c_str()), "look for an attribute", subject) > 0) {
    check(H5Adelete(object, name.c_str()), "replace an attribute", subject);
  }
  const Handle space(H5Screate(H5S_SCALAR), "describe a scalar", subject);
  return {H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), "create an attribute",
          subject};
}

Handle open_scalar_attribute(hid_t object, const std::string& name, H5T_class_t kind) {
  const auto subject = subject_of(object, name);
  const ErrorContext context{"read an attribute", subject, ""};
  if (check(H5Aexists(object, name.c_str()), "look for an attribute", subject) == 0) {
    throw FormatError("the attribute " + subject + " is missing", context);
  }
  Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), "open an attribute", subject);
  const Handle space(H5Aget_space(attribute), "read a shape", subject);
  const Handle type(H5Aget_type(attribute), "read a type", subject);
  if (H5Sget_simple_extent_npoints(space) != 1 || H5Tget_class(type) != kind) {
    throw FormatError(
        "the attribute " + subject + " is no single " + (kind == H5T_STRING ? "text" : "integer"), context);
  }
  return attribute;
}

}  // namespace

template <typename T>
hid_t native_type() {
  const Lock lock(mutex());
  if constexpr (std::is_same_v<T, std::uint8_t>) return H5T_NATIVE_UINT8;
  if constexpr (std::is_same_v<T, std::int8_t>) return H5T_NATIVE_INT8;
  if constexpr (std::is_same_v<T, std::uint16_t>) return H5T_NATIVE_UINT16;
  if constexpr (std::is_same_v<T, std::int16_t>) return H5T_NATIVE_INT16;
  if constexpr (std::is_same_v<T, std::uint32_t>) return H5T_NATIVE_UINT32;
  if constexpr (std::is_same_v<T, std::int32_t>) return H5T_NATIVE_INT32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return H5T_NATIVE_UINT64;
  if constexpr (std::is_same_v<T, std::int64_t>) return H5T_NATIVE_INT64;
  if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return H5T_NATIVE_DOUBLE;
}

template <typename T>
void write_dataset(hid_t file, const std::string& name, std::span<const hsize_t> shape,
                   std::span<const T> values) {
  const Lock lock(mutex());
  if (volume(shape) != values.size()) {
    throw LibraryError("the shape of " + subject_of(file, name) + " holds " + std::to_string(volume(shape)) +
                           " values, but " + std::to_string(values.size()) + " are given",
                       {"write a dataset", subject_of(file, name), ""});
  }
  write_raw(file, name, shape, file_type<T>(), native_type<T>(), values.data());
}

template <typename T>
std::vector<T> read_rows(hid_t file, const std::string& name, hsize_t begin, hsize_t count) {
  const Lock lock(mutex());
  const auto subject = subject_of(file, name);
  const Handle dataset = open_dataset(file, name);
  demand_readable_as<T>(dataset, subject);
  const Rows rows = select_rows(dataset, subject, begin, count);
  std::vector<T> values(rows.elements);
  if (!values.empty()) {
    read_values(dataset, native_type<T>(), rows.memory_space, rows.file_space, values.data(), subject);
  }
  return values;
}

template <typename T>
std::vector<T> read_dataset(hid_t file, const std::string& name) {
  const Lock lock(mutex());
  const auto subject = subject_of(file, name);
  const Handle dataset = open_dataset(file, name);
  demand_readable_as<T>(dataset, subject);
  const Handle space(H5Dget_space(dataset), "read a shape", subject);
  std::vector<T> values(volume(extents(space, subject)));
  if (!values.empty()) {
    read_values(dataset, native_type<T>(), H5S_ALL, H5S_ALL, values.data(), subject);
  }
  return values;
}

std::vector<hsize_t> shape_of(hid_t file, const std::string& name) {
  const Lock lock(mutex());
  const auto subject = subject_of(file, name);
  const Handle dataset = open_dataset(file, name);
  const Handle space(H5Dget_space(dataset), "read a shape", subject);
  return extents(space, subject);
}

bool has(hid_t file, const std::string& name) {
  const Lock lock(mutex());
  return check(H5Lexists(file, name.c_str(), H5P_DEFAULT), "look for a dataset", subject_of(file, name)) > 0;
}

void write_strings(hid_t file, const std::string& name, std::size_t width,
                   std::span<const std::string> values) {
  const Lock lock(mutex());
  const std::size_t stride = std::max<std::size_t>(width, 1);
  std::vector<char> padded(stride * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].size() > stride) {
      throw FormatError("\"" + values[i] + "\" has " + std::to_string(values[i].size()) + " bytes, but " +
                            subject_of(file, name) + " holds " + std::to_string(stride),
                        {"write a text column", subject_of(file, name), ""});
    }
    std::copy(values[i].begin(), values[i].end(), padded.begin() + static_cast<std::ptrdiff_t>(i * stride));
  }
  const Handle type = text_type(stride);
  const hsize_t shape[1] = {values.size()};
  write_raw(file, name, shape, type, type, padded.data());
}

std::vector<std::string> read_strings(hid_t file, const std::string& name, hsize_t begin, hsize_t count) {
  const Lock lock(mutex());
  const auto subject = subject_of(file, name);
  const Handle dataset = open_dataset(file, name);
  const Handle stored(H5Dget_type(dataset), "read a type", subject);
  if (H5Tget_class(stored) != H5T_STRING || H5Tis_variable_str(stored) != 0) {
    throw FormatError(subject + " is no fixed-length text", {"read a text column", subject, ""});
  }
  const std::size_t width = H5Tget_size(stored);
  const Rows rows = select_rows(dataset, subject, begin, count);
  std::vector<char> padded(width * rows.elements);
  if (!padded.empty()) {
    read_values(dataset, stored, rows.memory_space, rows.file_space, padded.data(), subject);
  }
  std::vector<std::string> values;
  values.reserve(rows.elements);
  for (hsize_t i = 0; i < rows.elements; ++i) values.push_back(unpadded(padded.data() + i * width, width));
  return values;
}

void write_attribute(hid_t object, const std::string& name, const std::string& value) {
  const Lock lock(mutex());
  const Handle type = text_type(value.size());
  const Handle attribute = new_attribute(object, name, type);
  check(H5Awrite(attribute, type, value.c_str()), "write an attribute", subject_of(object, name));
}

void write_attribute(hid_t object, const std::string& name, std::int64_t value) {
  const Lock lock(mutex());
  const Handle attribute = new_attribute(object, name, H5T_STD_I64LE);
  check(H5Awrite(attribute, H5T_NATIVE_INT64, &value), "write an attribute", subject_of(object, name));
}

std::string read_text_attribute(hid_t object, const std::string& name) {
  const Lock lock(mutex());
  const auto subject = subject_of(object, name);
  const Handle attribute = open_scalar_attribute(object, name, H5T_STRING);
  const Handle type(H5Aget_type(attribute), "read a type", subject);
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    check(H5Aread(attribute, type, static_cast<void*>(&text)), "read an attribute", subject);
    std::string value = text == nullptr ? "" : text;
    check(H5free_memory(text), "free a text", subject);
    return value;
  }
  std::vector<char> padded(H5Tget_size(type));
  check(H5Aread(attribute, type, padded.data()), "read an attribute", subject);
  return unpadded(padded.data(), padded.size());
}

std::int64_t read_integer_attribute(hid_t object, const std::string& name) {
  const Lock lock(mutex());
  const Handle attribute = open_scalar_attribute(object, name, H5T_INTEGER);
  std::int64_t value = 0;
  check(H5Aread(attribute, H5T_NATIVE_INT64, &value), "read an attribute", subject_of(object, name));
  return value;
}

#define TERRAMILL_H5_INSTANTIATE(T)                                                                        \
  template hid_t native_type<T>();                                                                         \
  template void write_dataset<T>(hid_t, const std::string&, std::span<const hsize_t>, std::span<const T>); \
  template std::vector<T> read_rows<T>(hid_t, const std::string&, hsize_t, hsize_t);                       \
  template std::vector<T> read_dataset<T>(hid_t, const std::string&);
TERRAMILL_H5_INSTANTIATE(std::uint8_t)
TERRAMILL_H5_INSTANTIATE(std::int8_t)
TERRAMILL_H5_INSTANTIATE(std::uint16_t)
TERRAMILL_H5_INSTANTIATE(std::int16_t)
TERRAMILL_H5_INSTANTIATE(std::uint32_t)
TERRAMILL_H5_INSTANTIATE(std::int32_t)
TERRAMILL_H5_INSTANTIATE(std::uint64_t)
TERRAMILL_H5_INSTANTIATE(std::int64_t)
TERRAMILL_H5_INSTANTIATE(float)
TERRAMILL_H5_INSTANTIATE(double)
#undef TERRAMILL_H5_INSTANTIATE

}  // namespace terramill::h5
