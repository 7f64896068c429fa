#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

namespace terramill::corpus {

/// Percent of cloudy pixels of a tile of the mmearth schema, among those that the mask knows. From the scene
/// classification (SCL 8, 9, 10: cloud of medium and high probability, thin cirrus; 0 is unknown) where it is
/// there, else from the cloud probability (50 % or more), else from QA60 (bit 10 opaque cloud, bit 11
/// cirrus). NaN without any.
float mmearth_cloud_share(const Schema& schema, const Tile& tile);

}  // namespace terramill::corpus
