#include <terramill/core/error.hpp>
#include <terramill/corpus/index.hpp>

#include <algorithm>

namespace terramill::corpus {
namespace {

/// A fixed-length text type, NUL-padded.
h5::Handle text_type(std::size_t width) {
  h5::Handle type(H5Tcopy(H5T_C_S1), "copy a text type", "index.h5");
  h5::check(H5Tset_size(type, std::max<std::size_t>(width, 1)), "set a text's width", "index.h5");
  h5::check(H5Tset_strpad(type, H5T_STR_NULLPAD), "set a text's padding", "index.h5");
  return type;
}

void create_column(hid_t file, const std::string& name, hid_t type, std::uint64_t rows, hsize_t width) {
  const hsize_t shape[2] = {rows, width};
  const h5::Handle space(H5Screate_simple(width > 0 ? 2 : 1, shape, nullptr), "describe a column", name);
  h5::Handle properties = h5::dataset_properties();
  // Every row is written once: filling first would write the file twice.
  h5::check(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "set a fill time", name);
  const h5::Handle dataset(H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                           "create a column", name);
}

template <typename T, typename F>
std::vector<T> column(std::span<const TileRecord> records, F member) {
  std::vector<T> values;
  values.reserve(records.size());
  for (const TileRecord& record : records) values.push_back(static_cast<T>(member(record)));
  return values;
}

template <typename F>
std::vector<std::string> text_column(std::span<const TileRecord> records, F member) {
  std::vector<std::string> values;
  values.reserve(records.size());
  for (const TileRecord& record : records) values.push_back(member(record));
  return values;
}

}  // namespace

const std::vector<std::string>& index_datasets() {
  static const std::vector<std::string> names = {
      "tile_id",    "lon",     "lat",   "crs",   "transform",  "date",  "s2_type", "biome", "eco_region",
      "land_cover", "present", "cloud", "label", "label_bits", "split", "shard",   "row"};
  return names;
}

IndexWriter::IndexWriter(const std::filesystem::path& path, std::uint64_t rows, std::size_t id_width,
                         std::size_t crs_width)
    : path_(path),
      rows_(rows),
      id_width_(std::max<std::size_t>(id_width, 1)),
      crs_width_(std::max<std::size_t>(crs_width, 1)) {
  const h5::Lock lock(h5::mutex());
  file_ = h5::create_file(path);
  create_column(file_, "tile_id", text_type(id_width_), rows, 0);
  create_column(file_, "lon", H5T_IEEE_F64LE, rows, 0);
  create_column(file_, "lat", H5T_IEEE_F64LE, rows, 0);
  create_column(file_, "crs", text_type(crs_width_), rows, 0);
  create_column(file_, "transform", H5T_IEEE_F64LE, rows, 6);
  create_column(file_, "date", text_type(10), rows, 0);
  create_column(file_, "s2_type", H5T_STD_U8LE, rows, 0);
  create_column(file_, "biome", H5T_STD_I16LE, rows, 0);
  create_column(file_, "eco_region", H5T_STD_I16LE, rows, 0);
  create_column(file_, "land_cover", H5T_STD_U32LE, rows, kLandCoverClasses);
  create_column(file_, "present", H5T_STD_U32LE, rows, 0);
  create_column(file_, "cloud", H5T_IEEE_F32LE, rows, 0);
  create_column(file_, "label", H5T_STD_I32LE, rows, 0);
  create_column(file_, "label_bits", H5T_STD_U64LE, rows, 0);
  create_column(file_, "split", H5T_STD_U8LE, rows, 0);
  create_column(file_, "shard", H5T_STD_U32LE, rows, 0);
  create_column(file_, "row", H5T_STD_U32LE, rows, 0);
}

void IndexWriter::write_column(const std::string& name, hid_t memory_type, const void* values,
                               std::size_t count) {
  const std::string subject = name + " of " + path_.string();
  const h5::Handle dataset(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), "open a column", subject);
  const h5::Handle space(H5Dget_space(dataset), "read a shape", subject);
  hsize_t start[2] = {written_, 0}, shape[2] = {0, 0};
  const int axes =
      static_cast<int>(h5::check(H5Sget_simple_extent_dims(space, shape, nullptr), "read a shape", subject));
  shape[0] = count;
  h5::check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, shape, nullptr), "select rows",
            subject);
  const h5::Handle memory(H5Screate_simple(axes, shape, nullptr), "describe rows", subject);
  h5::check(H5Dwrite(dataset, memory_type, memory, space, H5P_DEFAULT, values), "write rows", subject);
}

void IndexWriter::write_text_column(const std::string& name, std::size_t width,
                                    const std::vector<std::string>& values) {
  std::string padded(values.size() * width, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].size() > width) {
      throw FormatError(
          "\"" + values[i] + "\" is longer than the " + std::to_string(width) + " bytes of its column",
          {"write the index", name, ""});
    }
    values[i].copy(padded.data() + i * width, width);
  }
  write_column(name, text_type(width), padded.data(), values.size());
}

void IndexWriter::append(std::span<const TileRecord> records) {
  if (records.empty()) return;
  if (records.size() > rows_ - written_) {
    throw Error("more rows than promised", {"write the index", path_.string(), ""});
  }
  const h5::Lock lock(h5::mutex());
  using R = const TileRecord&;
  const auto numbers = [&]<typename T>(const char* name, const std::vector<T>& values) {
    write_column(name, h5::native_type<T>(), values.data(), records.size());
  };
  write_text_column("tile_id", id_width_, text_column(records, [](R r) { return r.tile_id; }));
  numbers("lon", column<double>(records, [](R r) { return r.lon; }));
  numbers("lat", column<double>(records, [](R r) { return r.lat; }));
  write_text_column("crs", crs_width_, text_column(records, [](R r) { return r.crs; }));
  std::vector<double> transform;
  std::vector<std::uint32_t> land_cover;
  for (R record : records) {
    transform.insert(transform.end(), record.transform.begin(), record.transform.end());
    land_cover.insert(land_cover.end(), record.land_cover.begin(), record.land_cover.end());
  }
  numbers("transform", transform);
  write_text_column("date", 10, text_column(records, [](R r) { return r.date; }));
  numbers("s2_type", column<std::uint8_t>(records, [](R r) { return r.s2_type; }));
  numbers("biome", column<std::int16_t>(records, [](R r) { return r.biome; }));
  numbers("eco_region", column<std::int16_t>(records, [](R r) { return r.eco_region; }));
  numbers("land_cover", land_cover);
  numbers("present", column<std::uint32_t>(records, [](R r) { return r.present; }));
  numbers("cloud", column<float>(records, [](R r) { return r.cloud; }));
  numbers("label", column<std::int32_t>(records, [](R r) { return r.label; }));
  numbers("label_bits", column<std::uint64_t>(records, [](R r) { return r.label_bits; }));
  numbers("split", column<std::uint8_t>(records, [](R r) { return r.split; }));
  numbers("shard", column<std::uint32_t>(records, [](R r) { return r.shard; }));
  numbers("row", column<std::uint32_t>(records, [](R r) { return r.row; }));
  written_ += records.size();
}

void IndexWriter::finish() {
  if (written_ != rows_) {
    throw Error("only " + std::to_string(written_) + " of " + std::to_string(rows_) + " rows were appended",
                {"write the index", path_.string(), ""});
  }
  file_.reset();
}

}  // namespace terramill::corpus
