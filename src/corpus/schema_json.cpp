#include <terramill/core/error.hpp>
#include <terramill/corpus/schema.hpp>

#include <cmath>
#include <limits>

namespace terramill::corpus {
namespace {

/// Strict JSON has no infinities: they are written as text.
Json no_data_to_json(const std::optional<double>& value) {
  if (!value) return nullptr;
  if (std::isnan(*value)) return "nan";
  if (std::isinf(*value)) return *value < 0 ? "-inf" : "inf";
  return *value;
}

std::optional<double> no_data_from_json(const Json& json, const std::string& origin) {
  if (json.is_null()) return std::nullopt;
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  throw FormatError("a no-data value is neither a number nor nan, inf, -inf", {"read a schema", origin, ""});
}

Kind kind_from(const std::string& name, const std::string& origin) {
  for (Kind kind : {Kind::kContinuous, Kind::kCategorical, Kind::kOneHot, Kind::kMask}) {
    if (name == name_of(kind)) return kind;
  }
  throw FormatError("\"" + name + "\" is no kind of modality", {"read a schema", origin, ""});
}

Json to_json(const Modality& modality) {
  Json json;
  json["name"] = modality.name;
  json["dtype"] = name_of(modality.dtype);
  json["kind"] = name_of(modality.kind);
  json["pixel"] = modality.pixel;
  if (modality.kind == Kind::kOneHot) {
    json["bands"] = modality.bands.size();
  } else {
    json["bands"] = Json::array();
    for (const Band& band : modality.bands)
      json["bands"].push_back({{"name", band.name}, {"unit", band.unit}});
  }
  json["no_data"] = no_data_to_json(modality.no_data);
  json["offset_state"] = modality.offset_state;
  if (!modality.classes.empty()) json["classes"] = modality.classes;
  return json;
}

Modality modality_from_json(const Json& json, const std::string& origin) {
  Modality modality;
  modality.name = json_get<std::string>(json, "name", origin);
  modality.dtype = dtype_from(json_get<std::string>(json, "dtype", origin));
  modality.kind = kind_from(json_get<std::string>(json, "kind", origin), origin);
  modality.pixel = json_get<bool>(json, "pixel", origin);
  if (modality.kind == Kind::kOneHot) {
    const int classes = json_get<int>(json, "bands", origin);
    for (int i = 0; i < classes; ++i) modality.bands.push_back({std::to_string(i), "one-hot"});
  } else {
    for (const Json& band : json_get<Json>(json, "bands", origin)) {
      modality.bands.push_back(
          {json_get<std::string>(band, "name", origin), json_get<std::string>(band, "unit", origin)});
    }
  }
  modality.no_data = no_data_from_json(json_get<Json>(json, "no_data", origin), origin);
  modality.offset_state = json_get<std::string>(json, "offset_state", origin);
  if (json.contains("classes")) modality.classes = json_get<std::vector<int>>(json, "classes", origin);
  return modality;
}

}  // namespace

Json to_json(const Schema& schema) {
  Json json;
  json["name"] = schema.name;
  json["height"] = schema.height;
  json["width"] = schema.width;
  json["modalities"] = Json::array();
  for (const Modality& modality : schema.modalities) json["modalities"].push_back(to_json(modality));
  return json;
}

Schema schema_from_json(const Json& json, const std::string& origin) {
  Schema schema;
  schema.name = json_get<std::string>(json, "name", origin);
  schema.height = json_get<int>(json, "height", origin);
  schema.width = json_get<int>(json, "width", origin);
  for (const Json& modality : json_get<Json>(json, "modalities", origin)) {
    schema.modalities.push_back(modality_from_json(modality, origin));
  }
  return schema;
}

}  // namespace terramill::corpus
