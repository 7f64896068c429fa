#include "embed_writer.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <set>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/base64.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

namespace terramill::eval {
namespace {

constexpr std::int64_t kGroupRows = 4096;

/// Throws what Arrow says went wrong.
class Checker {
 public:
  explicit Checker(std::filesystem::path path) : path_(std::move(path)) {}
  void operator()(const arrow::Status& status) const {
    if (!status.ok()) throw LibraryError(status.ToString(), {"write Parquet", path_.string(), ""});
  }
  template <typename T>
  T operator()(arrow::Result<T> result) const {
    (*this)(result.status());
    return std::move(result).ValueUnsafe();
  }

 private:
  std::filesystem::path path_;
};

/// A GeoParquet file (specification 1.1.0).
class ParquetWriter final : public FeatureWriter {
 public:
  ParquetWriter(std::filesystem::path path, const FeatureFileHead& head)
      : output_(std::move(path)),
        check_(output_.path()),
        head_(head),
        features_(arrow::default_memory_pool(), std::make_shared<arrow::FloatBuilder>(),
                  static_cast<std::int32_t>(head.shape.front())) {
    fields_ = {arrow::field("tile_id", arrow::utf8(), false), arrow::field("geometry", arrow::binary()),
               arrow::field("date", arrow::date32())};
    if (head.labelled) {
      fields_.push_back(arrow::field("label", arrow::int32()));
      fields_.push_back(arrow::field("label_bits", arrow::uint64(), false));
    }
    fields_.push_back(arrow::field("model", arrow::utf8(), false));
    fields_.push_back(arrow::field("feature", features_.type(), false));
    schema_ = arrow::schema(fields_);
    file_ = check_(arrow::io::FileOutputStream::Open(output_.temporary().string()));
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::ZSTD)->disable_dictionary("feature.list.element");
    writer_ = check_(
        parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), file_, properties.build()));
  }

  void append(const FeatureRows& rows) override {
    const auto width = static_cast<std::size_t>(head_.shape.front());
    for (std::size_t i = 0; i < rows.records.size(); ++i) {
      append_record(rows.records[i], rows.windows[i]);
      check_(features_.Append());
      auto* values = static_cast<arrow::FloatBuilder*>(features_.value_builder());
      check_(values->AppendValues(rows.values.data() + i * width, static_cast<std::int64_t>(width)));
      if (features_.length() == kGroupRows) write_group();
    }
  }

  void finish() override {
    if (features_.length() > 0) write_group();
    const auto about = arrow::key_value_metadata({"geo", "terramill"}, {geo_text(), dump_json(head_.about)});
    check_(writer_->AddKeyValueMetadata(about));
    // Arrow's readers take types and metadata from the Arrow schema where the file has one: without it the
    // list's fixed size is lost. It is stored here and not by the writer, which would do so before the
    // metadata are known.
    const auto schema = check_(arrow::ipc::SerializeSchema(*schema_->WithMetadata(about)));
    check_(writer_->AddKeyValueMetadata(arrow::key_value_metadata(
        {"ARROW:schema"}, {arrow::util::base64_encode(std::string_view(*schema))})));
    check_(writer_->Close());
    check_(file_->Close());
    output_.publish();
  }

 private:
  void append_record(const corpus::TileRecord& record, const geo::Grid& window) {
    const Geometry geometry = geometry_of(record, window);
    check_(ids_.Append(record.tile_id));
    check_(geometry.wkb.empty() ? geometries_.AppendNull() : geometries_.Append(geometry.wkb));
    if (!geometry.wkb.empty()) types_.insert(geometry.type);
    for (const geo::LonLat& corner : geometry.corners) {
      west_ = std::min(west_, corner.lon);
      east_ = std::max(east_, corner.lon);
      south_ = std::min(south_, corner.lat);
      north_ = std::max(north_, corner.lat);
    }
    std::int32_t day = 0;
    const bool dated = read_day(record.date, day);
    check_(dated ? dates_.Append(day) : dates_.AppendNull());
    if (head_.labelled) {
      check_(record.label < 0 ? labels_.AppendNull() : labels_.Append(record.label));
      check_(label_bits_.Append(record.label_bits));
    }
    check_(models_.Append(head_.model));
  }

  /// Days since 1970-01-01.
  static bool read_day(const std::string& text, std::int32_t& day) {
    int year = 0;
    unsigned month = 0, of_month = 0;
    if (std::sscanf(text.c_str(), "%4d-%2u-%2u", &year, &month, &of_month) != 3) return false;
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                           std::chrono::day(of_month)};
    if (!date.ok()) return false;
    day = static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
    return true;
  }

  void write_group() {
    const std::int64_t rows = features_.length();
    std::vector<std::shared_ptr<arrow::Array>> columns = {check_(ids_.Finish()), check_(geometries_.Finish()),
                                                          check_(dates_.Finish())};
    if (head_.labelled) {
      columns.push_back(check_(labels_.Finish()));
      columns.push_back(check_(label_bits_.Finish()));
    }
    columns.push_back(check_(models_.Finish()));
    columns.push_back(check_(features_.Finish()));
    check_(writer_->WriteTable(*arrow::Table::Make(schema_, columns, rows), rows));
  }

  std::string geo_text() const {
    Json column = {{"encoding", "WKB"}, {"geometry_types", types_}, {"orientation", "counterclockwise"}};
    if (west_ <= east_) column["bbox"] = {west_, south_, east_, north_};
    return dump_json(
        {{"version", "1.1.0"}, {"primary_column", "geometry"}, {"columns", {{"geometry", column}}}});
  }

  PendingFile output_;
  Checker check_;
  FeatureFileHead head_;
  arrow::StringBuilder ids_, models_;
  arrow::BinaryBuilder geometries_;
  arrow::Date32Builder dates_;
  arrow::Int32Builder labels_;
  arrow::UInt64Builder label_bits_;
  arrow::FixedSizeListBuilder features_;
  arrow::FieldVector fields_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::FileOutputStream> file_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
  std::set<std::string> types_;
  double west_ = std::numeric_limits<double>::infinity(), east_ = -west_, south_ = west_, north_ = -west_;
};

}  // namespace

bool have_parquet() noexcept { return true; }

std::unique_ptr<FeatureWriter> open_parquet(const std::filesystem::path& path, const FeatureFileHead& head) {
  return std::make_unique<ParquetWriter>(path, head);
}

}  // namespace terramill::eval
