#include "world_spectra.hpp"

#include "world_fields.hpp"
#include "world_noise.hpp"

#include <algorithm>
#include <cmath>

namespace terramill::corpus::world {
namespace {

enum Endmember : std::uint8_t {
  kBroadleaf,
  kNeedle,
  kHerb,
  kDry,
  kBark,
  kLoam,
  kSand,
  kRock,
  kAsphalt,
  kRoof,
  kTile,
  kClear,
  kTurbid,
  kSnowpack,
  kLichen,
  kEndmembers,
};

/// Reflectances that surfaces of these kinds typically have, in the order B1 … B7 B8A B8 B9 B10 B11 B12.
constexpr std::array<Spectrum, kEndmembers> kLibrary = {{
    {.020f, .024f, .045f, .025f, .080f, .250f, .320f, .355f, .340f, .350f, 0, .160f, .070f},  // broad leaves
    {.018f, .021f, .033f, .020f, .052f, .150f, .190f, .215f, .205f, .215f, 0, .098f, .045f},  // needles
    {.030f, .038f, .075f, .044f, .118f, .300f, .380f, .415f, .400f, .410f, 0, .220f, .110f},  // green herbs
    {.070f, .085f, .120f, .158f, .195f, .230f, .250f, .285f, .270f, .290f, 0, .350f, .240f},  // dry grass
    {.045f, .052f, .065f, .082f, .100f, .125f, .140f, .165f, .155f, .170f, 0, .185f, .125f},  // bark, litter
    {.060f, .074f, .108f, .148f, .175f, .198f, .215f, .245f, .232f, .250f, 0, .330f, .285f},  // loam
    {.130f, .172f, .262f, .355f, .395f, .405f, .415f, .440f, .430f, .440f, 0, .540f, .495f},  // sand
    {.090f, .105f, .126f, .146f, .156f, .161f, .166f, .176f, .171f, .176f, 0, .210f, .190f},  // rock
    {.078f, .086f, .098f, .110f, .117f, .123f, .128f, .138f, .134f, .138f, 0, .160f, .150f},  // asphalt
    {.145f, .165f, .188f, .212f, .222f, .230f, .240f, .260f, .250f, .258f, 0, .290f, .270f},  // bright roofs
    {.068f, .078f, .108f, .190f, .218f, .230f, .242f, .270f, .258f, .270f, 0, .312f, .272f},  // red tiles
    {.036f, .030f, .020f, .012f, .010f, .008f, .007f, .006f, .006f, .005f, 0, .003f, .002f},  // clear water
    {.060f, .070f, .096f, .088f, .078f, .042f, .040f, .028f, .032f, .024f, 0, .010f, .006f},  // turbid water
    {.900f, .920f, .920f, .910f, .890f, .870f, .860f, .800f, .840f, .750f, 0, .120f, .100f},  // snow
    {.050f, .060f, .085f, .092f, .122f, .190f, .220f, .262f, .245f, .270f, 0, .260f, .170f},  // lichen, moss
}};

/// Needle-leaved share of the trees, and deciduous share of the broad leaves, in each biome.
constexpr std::array<float, 14> kNeedleShare = {.7f,  .02f, .3f, .2f, .3f,  .85f, .85f,
                                                .25f, .4f,  0,   .1f, .03f, .08f, .7f};
constexpr std::array<float, 14> kDeciduousShare = {.9f, .08f, .35f, .4f, .85f, .9f, .7f,
                                                   .9f, .5f,  0,    .3f, .6f,  .7f, .3f};

}  // namespace

/// A weighted sum of library spectra.
struct Ground::Mixture {
  std::array<float, kEndmembers> weight{};
  void add(Endmember member, float amount) { weight[member] += amount; }
};

Ground::Ground(const World& world, const Site& site, const Scene& scene)
    : layout_(world, site), grain_(static_cast<std::uint32_t>(world.key(kFine))) {
  const Climate& climate = site.climate;
  const auto biome = static_cast<std::size_t>(climate.biome);
  const auto warmth = static_cast<float>(climate.monthly_temperature(scene.month, site.lat));
  // Rain of this month and the last, in tenths of a metre.
  const int before = scene.month == 1 ? 12 : scene.month - 1;
  const auto rain = static_cast<float>(5 * (climate.monthly_precipitation(scene.month, site.lat) +
                                            climate.monthly_precipitation(before, site.lat)));
  vigour_ = ramp(warmth, 0, 13) * (0.12f + 0.88f * ramp(rain, 0.06f, 0.75f));
  const bool warm_all_year = climate.temperature - climate.season > 14;
  leaf_ = warm_all_year ? 0.25f + 0.75f * ramp(rain, 0.1f, 0.7f) : ramp(warmth, 4, 11);
  deciduous_ = kDeciduousShare[biome];
  needles_ = kNeedleShare[biome];
  sand_ = ramp(0.32f - static_cast<float>(climate.moisture), 0, 0.2f) * (0.35f + 0.65f * layout_.regional(8));
  rock_ = ramp(static_cast<float>(climate.relief), 60, 260);
  hue_ = 0.75f + 0.5f * layout_.regional(9);
  turbid_ = layout_.regional(10);
  snow_ = static_cast<float>(scene.snow);
  season_ = static_cast<float>(scene.month - 1 + scene.day / 31.0) / 12.0f;
  if (site.lat < 0) season_ = season_ < 0.5f ? season_ + 0.5f : season_ - 0.5f;
}

float Ground::crop_green(std::uint32_t parcel) const noexcept {
  // Each field has one of the region's three crops, sown early or late.
  const std::uint64_t hash = mix(parcel);
  const auto crop = static_cast<int>(hash % 3);
  const float peak = 0.3f + 0.4f * layout_.regional(11 + crop) + 0.05f * (unit(hash, 8) - 0.5f);
  float away = std::abs(season_ - peak);
  away = std::min(away, 1 - away);
  const float breadth = 0.13f + 0.07f * layout_.regional(14 + crop);
  const float height = 0.35f + 0.65f * unit(hash, 32);
  return height * std::exp(-(away * away) / (breadth * breadth)) *
         (0.15f + 0.85f * ramp(vigour_, 0.02f, 0.25f));
}

float Ground::needles(const Surface& surface, std::size_t i) const noexcept {
  return clamp01(needles_ + 0.28f * surface.soil[i] * (needles_ > 0.1f && needles_ < 0.9f ? 1.0f : 0.3f));
}

void Ground::mix_crowns(const Surface& surface, std::size_t i, float cover, Mixture& out) const {
  const float needle = needles(surface, i);
  const float green = 1 - deciduous_ * (1 - leaf_);
  out.add(kNeedle, cover * needle);
  out.add(kBroadleaf, cover * (1 - needle) * green);
  out.add(kBark, cover * (1 - needle) * (1 - green));
}

void Ground::mix_sward(float cover, Mixture& out) const {
  out.add(kHerb, cover * vigour_);
  out.add(kDry, cover * (1 - vigour_));
}

void Ground::mix_soil(const Surface& surface, std::size_t i, float weight, Mixture& out) const {
  const float rock = clamp01(rock_ * (0.7f + 0.25f * surface.soil[i]));
  const float sand = clamp01(sand_ + 0.16f * surface.soil[i] * ramp(sand_, 0, 0.2f));
  out.add(kRock, weight * rock);
  out.add(kSand, weight * (1 - rock) * sand);
  out.add(kLoam, weight * (1 - rock) * (1 - sand) * hue_);
}

void Ground::mix_crops(const Surface& surface, std::size_t i, Mixture& out) const {
  const std::uint32_t parcel = surface.parcel[i];
  const float green = clamp01(crop_green(parcel) * (1 + 0.06f * surface.fine[i]));
  const float stubble = 0.65f * unit(mix(parcel + 3), 8);
  const float moisture = 0.8f + 0.4f * unit(mix(parcel + 4), 8);
  out.add(kHerb, green);
  out.add(kDry, (1 - green) * stubble);
  mix_soil(surface, i, (1 - green) * (1 - stubble) * moisture, out);
}

void Ground::mix_town(const Surface& surface, std::size_t i, Mixture& out) const {
  const std::uint32_t block = surface.parcel[i];
  if (block == 2u) {  // a street
    out.add(kAsphalt, 0.85f);
    out.add(kRoof, 0.15f);
    return;
  }
  const std::uint32_t own = mix32(static_cast<std::uint32_t>(i) * 2654435761u ^ grain_ ^ block);
  const float gardens = 0.55f * unit(mix(block + 5), 8) * (0.6f + 0.8f * unit(own, 4));
  const float industry = unit(mix(block + 6), 8);
  const float roof = (1 - gardens) * (0.45f + 0.4f * unit(mix32(own), 4));
  const float tiles = industry > 0.85f ? 0.05f : layout_.regional(7);
  mix_sward(gardens * 0.5f, out);
  mix_crowns(surface, i, gardens * 0.5f, out);
  out.add(kAsphalt, 1 - gardens - roof);
  out.add(kTile, roof * tiles);
  out.add(kRoof, roof * (1 - tiles) * (industry > 0.85f ? 1.5f : 0.85f));
}

void Ground::mix_water(const Surface& surface, std::size_t i, Mixture& out) const {
  const float depth = -surface.elevation[i];
  const float shallow = surface.elevation[i] < 0 ? ramp(12 - depth, 0, 12) : 0.35f;
  const float turbid = clamp01(turbid_ * shallow * 1.3f + 0.08f * surface.wet[i] * shallow);
  out.add(kClear, 1 - turbid);
  out.add(kTurbid, turbid);
}

void Ground::reflect(const Surface& surface, std::size_t i, Spectrum& out) const {
  Mixture mixture;
  const float fine = surface.fine[i];
  float buried = snow_;
  switch (surface.cover[i]) {
    case 10: {
      const float cover = clamp01(0.86f + 0.09f * surface.woods[i] + 0.07f * fine);
      mix_crowns(surface, i, cover, mixture);
      mixture.add(kHerb, (1 - cover) * vigour_);
      mixture.add(kBark, (1 - cover) * (1 - vigour_));
      buried *= 0.35f;
      break;
    }
    case 20: {
      const float crowns = clamp01(0.36f + 0.1f * surface.soil[i] + 0.09f * fine);
      mix_crowns(surface, i, crowns, mixture);
      mix_sward((1 - crowns) * 0.55f, mixture);
      mix_soil(surface, i, (1 - crowns) * 0.45f, mixture);
      buried *= 0.7f;
      break;
    }
    case 30: {
      const float sward = clamp01(0.62f + 0.3f * vigour_ + 0.09f * surface.wet[i] + 0.06f * fine);
      mix_sward(sward, mixture);
      mix_soil(surface, i, 1 - sward, mixture);
      break;
    }
    case 40:
      mix_crops(surface, i, mixture);
      break;
    case 50:
      mix_town(surface, i, mixture), buried *= 0.6f;
      break;
    case 60: {
      const float tufts = clamp01(0.06f + 0.05f * fine + 0.04f * surface.wet[i]);
      mix_sward(tufts, mixture);
      mix_soil(surface, i, 1 - tufts, mixture);
      break;
    }
    case 70:
      mixture.add(kSnowpack, clamp01(0.93f + 0.05f * fine + 0.03f * surface.soil[i]));
      mixture.add(kRock, 0.06f);
      break;
    case 90: {
      const float pools = clamp01(0.22f + 0.14f * surface.wet[i] * 0.5f + 0.1f * fine);
      mixture.add(kHerb, (1 - pools) * (0.2f + 0.65f * vigour_));
      mixture.add(kBark, (1 - pools) * 0.6f * (1 - vigour_));
      mixture.add(kClear, pools * 0.6f);
      mixture.add(kTurbid, pools * 0.4f);
      break;
    }
    case 95: {
      const float pools = clamp01(0.13f + 0.07f * fine);
      mixture.add(kBroadleaf, (1 - pools) * 0.85f);
      mixture.add(kBark, (1 - pools) * 0.15f);
      mixture.add(kTurbid, pools);
      break;
    }
    case 100: {
      const float mat = clamp01(0.62f + 0.1f * surface.soil[i] + 0.08f * fine);
      mixture.add(kLichen, mat);
      mixture.add(kHerb, (1 - mat) * 0.5f * vigour_);
      mixture.add(kDry, (1 - mat) * 0.3f);
      mix_soil(surface, i, (1 - mat) * 0.6f, mixture);
      break;
    }
    default:
      mix_water(surface, i, mixture), buried = 0;
      break;
  }
  if (buried > 0) {
    const float white = clamp01(buried * (1 + 0.25f * surface.soil[i] + 0.15f * fine));
    for (float& weight : mixture.weight) weight *= 1 - white;
    mixture.add(kSnowpack, white);
  }
  out.fill(0);
  for (std::size_t member = 0; member < kEndmembers; ++member) {
    const float weight = mixture.weight[member];
    if (weight == 0) continue;
    for (std::size_t band = 0; band < kBands; ++band) out[band] += weight * kLibrary[member][band];
  }
}

}  // namespace terramill::corpus::world
