#include "embed_writer.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hdf5.hpp>

#include <algorithm>

namespace terramill::eval {
namespace {

constexpr const char* kFeatures = "features";

class Hdf5Writer final : public FeatureWriter {
 public:
  Hdf5Writer(std::filesystem::path path, const FeatureFileHead& head)
      : output_(std::move(path)), path_(output_.path()), head_(head) {
    const h5::Lock lock(h5::mutex());
    file_ = h5::create_file(output_.temporary());
    std::vector<hsize_t> shape = row_shape(head_.rows);
    const h5::Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                           "describe features", path_.string());
    const h5::Handle properties = h5::dataset_properties();
    h5::check(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "set a fill time", path_.string());
    features_ =
        h5::Handle(H5Dcreate2(file_, kFeatures, H5T_IEEE_F32LE, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                   "create a dataset", path_.string());
  }

  void append(const FeatureRows& rows) override {
    const h5::Lock lock(h5::mutex());
    const std::vector<hsize_t> count = row_shape(rows.records.size());
    std::vector<hsize_t> start(count.size(), 0);
    start[0] = records_.size();
    const h5::Handle space(H5Dget_space(features_), "read a shape", path_.string());
    h5::check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
              "select rows", path_.string());
    const h5::Handle memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr),
                            "describe rows", path_.string());
    h5::check(H5Dwrite(features_, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, rows.values.data()),
              "write rows", path_.string());
    records_.insert(records_.end(), rows.records.begin(), rows.records.end());
    for (const geo::Grid& window : rows.windows)
      transforms_.insert(transforms_.end(), window.transform.begin(), window.transform.end());
  }

  void finish() override {
    const h5::Lock lock(h5::mutex());
    text("id", [](const corpus::TileRecord& record) { return record.tile_id; });
    text("date", [](const corpus::TileRecord& record) { return record.date; });
    text("crs", [](const corpus::TileRecord& record) { return record.crs; });
    numbers<double>("lon", [](const corpus::TileRecord& record) { return record.lon; });
    numbers<double>("lat", [](const corpus::TileRecord& record) { return record.lat; });
    const hsize_t shape[2] = {records_.size(), 6};
    h5::write_dataset<double>(file_, "transform", shape, transforms_);
    if (head_.labelled) {
      numbers<std::int32_t>("label", [](const corpus::TileRecord& record) { return record.label; });
      numbers<std::uint64_t>("label_bits",
                             [](const corpus::TileRecord& record) { return record.label_bits; });
    }
    for (const auto& [name, value] : head_.about.items()) {
      if (value.is_number_integer()) {
        h5::write_attribute(file_, name, value.get<std::int64_t>());
      } else {
        h5::write_attribute(file_, name, value.is_string() ? value.get<std::string>() : dump_json(value));
      }
    }
    features_.reset();
    file_.reset();
    output_.publish();
  }

 private:
  std::vector<hsize_t> row_shape(std::uint64_t rows) const {
    std::vector<hsize_t> shape = {rows};
    for (const std::int64_t axis : head_.shape) shape.push_back(static_cast<hsize_t>(axis));
    return shape;
  }

  template <typename F>
  void text(const std::string& name, F member) {
    std::vector<std::string> values;
    std::size_t width = 1;
    for (const corpus::TileRecord& record : records_) {
      values.push_back(member(record));
      width = std::max(width, values.back().size());
    }
    h5::write_strings(file_, name, width, values);
  }

  template <typename T, typename F>
  void numbers(const std::string& name, F member) {
    std::vector<T> values;
    for (const corpus::TileRecord& record : records_) values.push_back(member(record));
    const hsize_t shape[1] = {values.size()};
    h5::write_dataset<T>(file_, name, shape, values);
  }

  PendingFile output_;
  const std::filesystem::path& path_;
  FeatureFileHead head_;
  h5::Handle file_, features_;
  std::vector<corpus::TileRecord> records_;
  std::vector<double> transforms_;
};

}  // namespace

std::unique_ptr<FeatureWriter> open_hdf5(const std::filesystem::path& path, const FeatureFileHead& head) {
  return std::make_unique<Hdf5Writer>(path, head);
}

}  // namespace terramill::eval
