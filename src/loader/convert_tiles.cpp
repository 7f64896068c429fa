#include "batch_layout.hpp"
#include "conversion.hpp"

#include <terramill/core/error.hpp>
#include <terramill/loader/convert_tiles.hpp>

namespace terramill::loader {

MicroBatch convert_tiles(const corpus::Schema& schema, const std::vector<Request>& requests,
                         const corpus::StatisticsTable& statistics, NoDataMode mode,
                         std::span<const corpus::Tile> tiles) {
  if (schema.height != schema.width) throw Error("the tiles are not square", {"convert tiles", "", ""});
  std::vector<Conversion> conversions;
  for (const Request& request : requests) conversions.push_back(resolve(request, schema, statistics, mode));
  const BatchLayout layout(conversions, schema.width, tiles.size());
  MicroBatch batch = layout.make(BufferPool::create(layout.bytes(), Allocator::host())->take(), tiles.size());
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const SamplePlace place = layout.place(batch, i);
    for (std::size_t r = 0; r < conversions.size(); ++r) {
      const Conversion& conversion = conversions[r];
      const bool present = (tiles[i].record.present >> conversion.index & 1u) != 0;
      *place.present[r] = present ? 1 : 0;
      if (!present && conversion.absent_is_missing && conversion.form != Form::kStored) {
        fill_missing(conversion, place.into[r]);
      } else {
        convert(conversion, tiles[i].values[conversion.index], tiles[i].record.s2_type, {}, schema.width,
                place.into[r]);
      }
    }
  }
  return batch;
}

}  // namespace terramill::loader
