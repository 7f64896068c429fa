#include "sections.hpp"

#include <terramill/geo/land_cover.hpp>
#include <terramill/report/bar_chart.hpp>

#include <algorithm>
#include <numeric>

namespace terramill::report {

namespace {

std::string histogram(Page& page, const SampledTiles& sampled) {
  const auto total = [](const std::vector<double>& counts) {
    return std::accumulate(counts.begin(), counts.end(), 0.0);
  };
  const double before = total(sampled.classes_before), after = total(sampled.classes_after);
  const auto& classes = geo::land_cover_classes();
  if (sampled.classes_before.size() != classes.size() || sampled.classes_after.size() != classes.size() ||
      !(before > 0) || !(after > 0))
    return "";
  std::vector<PairedBar> bars;
  std::string description;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const PairedBar bar{std::string(classes[i].name), classes[i].color, sampled.classes_before[i] / before,
                        sampled.classes_after[i] / after};
    if (bar.before == 0 && bar.after == 0) continue;
    bars.push_back(bar);
    description +=
        bar.name + ": " + percent_text(bar.before) + " before, " + percent_text(bar.after) + " after. ";
  }
  return page.chart(
      "classes", paired_bars("Land cover", description, bars),
      "Share of tiles by their dominant ESA WorldCover class: of all tiles that may be drawn (before) and "
      "of those that the first epoch takes (after). Official colours.");
}

std::string map_of(Page& page, const SampledTiles& sampled) {
  const TileMap map = tile_map("Sampled tiles", sampled.positions);
  if (map.svg.empty()) return "";
  std::string caption = "Tiles of the first epoch";
  if (sampled.positions.size() < sampled.tiles) {
    caption += ": " + exact(static_cast<double>(sampled.positions.size())) + " of " +
               exact(static_cast<double>(sampled.tiles)) +
               ", evenly spaced, without those that have no location";
  }
  caption += format(", in squares of %.6g km side. ", map.cell_km);
  caption += map.world ? "Equal Earth projection; areas are true."
                       : "Cylindrical equal-area projection; areas are true.";
  if (map.land) {
    caption += " Land: Natural Earth, 1:110 million, simplified.";
  } else {
    caption += " No coastline is drawn at this scale.";
  }
  if (const std::size_t lost = sampled.positions.size() - map.used; lost > 0)
    caption += " " + exact(static_cast<double>(lost)) + " more are nowhere on the Earth and left out.";
  return page.chart("map", map.svg, caption, "span");
}

template <typename Classes>
std::string legend(const std::string& name, const Classes& classes) {
  std::string html = "<ul class=\"classes\" aria-label=\"Colours of " + name + "\"><li>" + name + ":</li>";
  for (const geo::LandCoverClass& entry : classes) {
    if (entry.code == 0) continue;
    html += format("<li><span class=\"swatch\" style=\"background:#%02x%02x%02x\"></span>", entry.color[0],
                   entry.color[1], entry.color[2]) +
            escape_markup(std::string(entry.name)) + "</li>";
  }
  return html + "</ul>";
}

}  // namespace

void add_sampling(Page& page, const RunRecord& run) {
  page.section("sampling", "Sampling");
  if (!run.sampled) return;
  const std::string charts = map_of(page, *run.sampled) + histogram(page, *run.sampled);
  if (!charts.empty()) page.add("<div class=\"charts\">" + charts + "</div>\n");
}

void add_attention(Page& page, const std::vector<PicturedTile>& tiles) {
  page.section("attention", "Attention");
  if (tiles.empty()) return;
  page.add(
      "<p>What the class token attends to in the last block, over the image: yellow most, dark blue least, "
      "each "
      "picture scaled by itself. Held-out tiles, centred windows.</p>\n");
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    page.add("<h3>Tile " + escape_markup(tiles[i].tile_id) + "</h3>\n<div class=\"tiles\">");
    for (std::size_t k = 0; k < tiles[i].pictures.size(); ++k) {
      const auto& [caption, picture] = tiles[i].pictures[k];
      page.add("<figure>" +
               page.picture(format("attention/%zu/%zu.png", i, k), picture,
                            caption + ", tile " + tiles[i].tile_id) +
               "<figcaption>" + escape_markup(caption) + "</figcaption></figure>\n");
    }
    page.add("</div>\n");
  }
}

void add_reconstructions(Page& page, const std::vector<ReconstructedTile>& tiles) {
  page.section("reconstructions", "Reconstructions");
  if (tiles.empty()) return;
  bool world_cover = false, dynamic_world = false;
  std::string html;
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const ReconstructedTile& tile = tiles[i];
    const std::string folder = "tiles/" + std::to_string(i) + "/";
    html +=
        "<h3>Tile " + escape_markup(tile.tile_id) + "</h3>\n<div class=\"tiles\"><figure>" +
        "<div class=\"pair\">" +
        page.picture(folder + "visible.png", tile.visible, "what the model sees of tile " + tile.tile_id) +
        "</div><figcaption>what the model sees</figcaption></figure>\n";
    for (const ReconstructedModality& modality : tile.modalities) {
      world_cover = world_cover || modality.name == "esa_worldcover" || modality.name == "land_cover";
      dynamic_world = dynamic_world || modality.name == "dynamic_world";
      html += "<figure><div class=\"pair\">" +
              page.picture(folder + modality.name + "-truth.png", modality.truth, modality.name + ", truth") +
              page.picture(folder + modality.name + "-prediction.png", modality.prediction,
                           modality.name + ", predicted") +
              "</div><figcaption>" + escape_markup(modality.name) + "</figcaption></figure>\n";
    }
    html += "</div>\n";
  }
  page.add(
      "<p>Held-out tiles, centred crops. The model sees the input's visible patches alone; in each pair the "
      "truth "
      "is on the left, the prediction of the removed patches on the right. Grey: not predicted, since "
      "visible. "
      "Magenta: no data.</p>\n");
  if (world_cover) page.add(legend("ESA WorldCover", geo::land_cover_classes()));
  if (dynamic_world) page.add(legend("Dynamic World", geo::dynamic_world_classes()));
  page.add(html);
}

}  // namespace terramill::report
