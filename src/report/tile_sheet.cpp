#include <terramill/geo/land_cover.hpp>
#include <terramill/report/text.hpp>
#include <terramill/report/tile_sheet.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <string>

namespace terramill::report {

namespace {

constexpr Color kPaper = {255, 255, 255}, kInk = {30, 30, 30};
constexpr int kGap = 12, kLine = kTextHeight + 4, kColumns = 4, kSmallest = 192;

struct Panel {
  std::string title, limits;
  Picture picture;  // empty where there is nothing to draw
};

template <typename T>
void append_numbers(std::span<const std::byte> values, std::vector<float>& numbers) {
  for (std::size_t i = 0; i + sizeof(T) <= values.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, values.data() + i, sizeof(T));
    numbers.push_back(static_cast<float>(value));
  }
}

std::string short_text(float value) {
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value) >= 100 ? "%.0f" : "%.4g", static_cast<double>(value));
  return text;
}

/// Maps the band's 2nd … 98th percentile to -2 … 2, black and white for draw_continuous; the limits as text,
/// empty where no value is valid.
std::string stretch(std::span<float> band) {
  std::vector<float> valid;
  std::ranges::copy_if(band, std::back_inserter(valid), [](float value) { return std::isfinite(value); });
  if (valid.empty()) return "";
  std::ranges::sort(valid);
  const float low = valid[valid.size() / 50], high = valid[valid.size() - 1 - valid.size() / 50];
  const float span = high > low ? high - low : 1;
  for (float& value : band) value = (value - low) / span * 4 - 2;
  return short_text(low) + " .. " + short_text(high);
}

bool has_palette(const corpus::Modality& modality) {
  return modality.name == "dynamic_world" || modality.name == "esa_worldcover" ||
         modality.name == "land_cover";
}

std::vector<std::int64_t> class_indices(const corpus::Modality& modality, const std::vector<float>& numbers) {
  std::vector<std::int64_t> indices;
  for (const float number : numbers) {
    const auto found =
        std::ranges::find(modality.classes, std::isnan(number) ? -1 : static_cast<int>(number));
    indices.push_back(found == modality.classes.end() ? -1 : found - modality.classes.begin());
  }
  return indices;
}

class Sheet {
 public:
  explicit Sheet(const corpus::Schema& schema) : schema_(schema) {}

  void add(const corpus::Modality& modality, const std::vector<std::byte>& values, bool present) {
    if (!present) {
      missing_.push_back(modality.name);
      return;
    }
    std::vector<float> numbers = numbers_of(modality, values);
    if (has_palette(modality)) return add_classes(modality, numbers);
    const std::size_t area =
        static_cast<std::size_t>(schema_.height) * static_cast<std::size_t>(schema_.width);
    const bool optical =
        modality.band_index("B4") >= 0 && modality.band_index("B3") >= 0 && modality.band_index("B2") >= 0;
    if (optical) return add_optical(modality, numbers, area);
    for (std::size_t band = 0; band < modality.bands.size(); ++band) {
      const std::span<float> plane(numbers.data() + band * area, area);
      std::string title = modality.name;
      if (modality.bands.size() > 1) title += " " + modality.bands[band].name;
      std::string limits = stretch(plane);
      if (limits.empty()) {
        missing_.push_back(title);
        continue;
      }
      if (!modality.bands[band].unit.empty()) limits += " " + modality.bands[band].unit;
      panels_.push_back({title, limits,
                         draw_continuous(plane, {modality.bands[band].name}, schema_.height, schema_.width)});
    }
  }

  Picture draw(const corpus::TileRecord& record) const {
    const int scale = std::max(1, (kSmallest + schema_.width - 1) / schema_.width);
    const int width = schema_.width * scale, height = schema_.height * scale;
    const int columns = std::clamp(static_cast<int>(panels_.size()), 1, kColumns);
    const int rows = (static_cast<int>(panels_.size()) + columns - 1) / columns;
    const int head = kGap + 2 * kLine, cell = height + 2 * kLine + kGap;
    std::vector<std::string> notes = wrapped(missing_, kGap + columns * (width + kGap));
    const int foot = static_cast<int>(notes.size() + legend_.size()) * kLine + kGap;
    Picture sheet = plain_picture(kGap + columns * (width + kGap), head + rows * cell + foot, kPaper);
    draw_text(sheet, kGap, kGap, record.tile_id, kInk);
    draw_text(sheet, kGap, kGap + kLine, place_of(record), kInk);
    for (std::size_t i = 0; i < panels_.size(); ++i) {
      const Panel& panel = panels_[i];
      const int x = kGap + static_cast<int>(i) % columns * (width + kGap);
      const int y = head + static_cast<int>(i) / columns * cell + kGap / 2;
      draw_text(sheet, x, y, panel.title, kInk);
      draw_text(sheet, x, y + kLine, panel.limits, kInk);
      paste(sheet, x, y + 2 * kLine, panel.picture, scale);
    }
    int y = head + rows * cell + kGap / 2;
    for (const auto& [name, color] : legend_) {
      fill_box(sheet, kGap, y, 2 * kTextHeight, kTextHeight, color);
      draw_text(sheet, kGap + 3 * kTextHeight, y, name, kInk);
      y += kLine;
    }
    for (const std::string& note : notes) {
      draw_text(sheet, kGap, y, note, kInk);
      y += kLine;
    }
    return sheet;
  }

 private:
  void add_optical(const corpus::Modality& modality, std::vector<float>& numbers, std::size_t area) {
    std::string limits;
    std::vector<std::string> names;
    for (const corpus::Band& band : modality.bands) names.push_back(band.name);
    for (const char* name : {"B4", "B3", "B2"}) {
      const auto band = static_cast<std::size_t>(modality.band_index(name));
      const std::string text = stretch({numbers.data() + band * area, area});
      limits += (limits.empty() ? "" : ", ") + text;
    }
    panels_.push_back({modality.name + " B4 B3 B2", limits,
                       draw_continuous(numbers, names, schema_.height, schema_.width)});
  }

  void add_classes(const corpus::Modality& modality, const std::vector<float>& numbers) {
    const std::vector<std::int64_t> indices = class_indices(modality, numbers);
    panels_.push_back(
        {modality.name, "classes", draw_classes(indices, modality.name, schema_.height, schema_.width)});
    for (std::size_t index = 0; index < modality.classes.size(); ++index) {
      if (std::ranges::find(indices, static_cast<std::int64_t>(index)) == indices.end()) continue;
      const geo::LandCoverClass& known = modality.name == "dynamic_world"
                                             ? geo::dynamic_world_classes().at(index)
                                             : geo::land_cover_classes().at(index + 1);
      legend_.emplace_back(modality.name + ": " + std::string(known.name), known.color);
    }
  }

  static std::string place_of(const corpus::TileRecord& record) {
    std::string text = record.date.empty() ? "no date" : record.date;
    if (std::isfinite(record.lon)) {
      char place[64];
      std::snprintf(place, sizeof place, "  lon %.5f lat %.5f", record.lon, record.lat);
      text += place;
    }
    return text + (record.crs.starts_with("EPSG") ? "  " + record.crs : "");
  }

  /// "No data: …" in lines that fit.
  static std::vector<std::string> wrapped(const std::vector<std::string>& names, int width) {
    std::vector<std::string> lines;
    for (const std::string& name : names) {
      const std::string more = (lines.empty() ? "no data: " : ", ") + name;
      if (lines.empty() || text_width(lines.back() + more) > width - 2 * kGap) {
        lines.push_back(lines.empty() ? more : name);
      } else {
        lines.back() += more;
      }
    }
    return lines;
  }

  const corpus::Schema& schema_;
  std::vector<Panel> panels_;
  std::vector<std::string> missing_;
  std::vector<std::pair<std::string, Color>> legend_;
};

}  // namespace

std::vector<float> numbers_of(const corpus::Modality& modality, const std::vector<std::byte>& values) {
  std::vector<float> numbers;
  numbers.reserve(values.size() / size_of(modality.dtype));
  switch (modality.dtype) {
    case corpus::DType::kUInt8:
      append_numbers<std::uint8_t>(values, numbers);
      break;
    case corpus::DType::kInt8:
      append_numbers<std::int8_t>(values, numbers);
      break;
    case corpus::DType::kUInt16:
      append_numbers<std::uint16_t>(values, numbers);
      break;
    case corpus::DType::kInt16:
      append_numbers<std::int16_t>(values, numbers);
      break;
    case corpus::DType::kFloat32:
      append_numbers<float>(values, numbers);
      break;
  }
  if (!modality.no_data) return numbers;
  const auto missing = static_cast<float>(*modality.no_data);
  for (float& number : numbers) {
    if (number == missing) number = std::numeric_limits<float>::quiet_NaN();
  }
  return numbers;
}

Picture draw_tile_sheet(const corpus::Schema& schema, const corpus::Tile& tile) {
  Sheet sheet(schema);
  for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
    if (!schema.modalities[m].pixel) continue;
    sheet.add(schema.modalities[m], tile.values[m], (tile.record.present >> m & 1u) != 0);
  }
  return sheet.draw(tile.record);
}

}  // namespace terramill::report
