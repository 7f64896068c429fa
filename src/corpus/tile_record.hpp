#pragma once

#include "bytes.hpp"

#include <terramill/corpus/tile.hpp>

namespace terramill::corpus {

/// The binary form of a record but for `shard` and `row`: in the parts of an unfinished build, and what is
/// hashed.
void put_record(ByteWriter& out, const TileRecord& record);
TileRecord get_record(ByteReader& in);

}  // namespace terramill::corpus
