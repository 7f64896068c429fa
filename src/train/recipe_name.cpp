#include <terramill/train/recipe_options.hpp>

#include <filesystem>

namespace terramill::train {

std::string recipe_name(const std::vector<std::string>& arguments, const ModelOptions& model) {
  const std::string option = "--config";
  std::string file;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == option && i + 1 < arguments.size()) file = arguments[i + 1];
    if (arguments[i].starts_with(option + "=")) file = arguments[i].substr(option.size() + 1);
  }
  return file.empty() ? model.family + "-" + model.size : std::filesystem::path(file).stem().string();
}

}  // namespace terramill::train
