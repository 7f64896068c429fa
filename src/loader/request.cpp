#include <terramill/core/error.hpp>
#include <terramill/loader/request.hpp>

namespace terramill::loader {

NoDataMode no_data_mode_from(std::string_view name) {
  if (name == "fixed") return NoDataMode::kFixed;
  if (name == "v1") return NoDataMode::kV1;
  if (name == "legacy") return NoDataMode::kLegacy;
  throw UsageError("there is no no-data mode \"" + std::string(name) + "\"",
                   {"read the loader options", "nodata_mode", "known are fixed, v1 and legacy"});
}

Form default_form(const corpus::Modality& modality) noexcept {
  switch (modality.kind) {
    case corpus::Kind::kContinuous:
      return Form::kNormalised;
    case corpus::Kind::kCategorical:
      return Form::kClassIndex;
    case corpus::Kind::kOneHot:
      return Form::kOneHot;
    case corpus::Kind::kMask:
      return Form::kStored;
  }
  return Form::kStored;
}

}  // namespace terramill::loader
