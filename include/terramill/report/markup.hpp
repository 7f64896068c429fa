#pragma once

#include <string>

namespace terramill::report {

/// Text with &, <, > and quotes escaped for XML and HTML.
std::string escape_markup(const std::string& text);

/// The style rules of every chart, with their colours as CSS variables (--ink, --line-0 …): for a page that
/// holds charts inline.
std::string chart_rules();
/// The variables of chart_rules() as CSS declarations, for a light or a dark background.
std::string chart_colors(bool dark);

/// A chart as an SVG document of its own: the same element with its style inside, colours for a light
/// background written out, since few viewers of SVG files know CSS variables.
std::string standalone_svg(const std::string& chart);

}  // namespace terramill::report
