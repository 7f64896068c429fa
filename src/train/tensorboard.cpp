#include <terramill/core/error.hpp>
#include <terramill/train/tensorboard.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include <unistd.h>

namespace terramill::train {

namespace {

static_assert(std::endian::native == std::endian::little);

std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}

/// The mask of the TFRecord format, so that a CRC of data that holds CRCs stays useful.
std::uint32_t masked_crc(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <typename T>
void append_raw(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// Protocol-buffer wire format: a key is field number and wire type; 0 varint, 1 64-bit, 2 length-delimited, 5
// 32-bit.
void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void append_key(std::string& out, int field, int wire_type) {
  append_varint(out, static_cast<std::uint64_t>(field << 3 | wire_type));
}
void append_bytes(std::string& out, int field, std::string_view bytes) {
  append_key(out, field, 2);
  append_varint(out, bytes.size());
  out.append(bytes);
}

// Field numbers of tensorflow/core/util/event.proto and framework/summary.proto.
constexpr int kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5,
              kEventSessionLog = 7;
constexpr int kSummaryValue = 1, kValueTag = 1, kValueSimple = 2, kSessionStatus = 1;
constexpr std::uint64_t kSessionStart = 1;

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  static const std::array<std::uint32_t, 256> table = make_crc_table();
  std::uint32_t crc = ~0u;
  for (const char byte : bytes) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

EventWriter::EventWriter(const std::filesystem::path& directory, std::int64_t first_step) {
  std::filesystem::create_directories(directory);
  const auto now = static_cast<std::int64_t>(seconds_since_epoch());
  const std::string name =
      "events.out.tfevents." + std::to_string(now) + "." + process_host() + "." + std::to_string(::getpid());
  std::filesystem::path path = directory / name;
  for (int n = 1; std::filesystem::exists(path); ++n) path = directory / (name + "." + std::to_string(n));
  file_ = FileDescriptor::create(path);
  std::string version;
  append_bytes(version, kEventFileVersion, "brain.Event:2");
  write_event(0, version);

  std::string session, payload;
  append_key(session, kSessionStatus, 0);
  append_varint(session, kSessionStart);
  append_bytes(payload, kEventSessionLog, session);
  write_event(first_step, payload);
}

void EventWriter::scalars(std::int64_t step, std::span<const std::pair<std::string, double>> values) {
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value;
    append_bytes(value, kValueTag, tag);
    append_key(value, kValueSimple, 5);
    append_raw(value, static_cast<float>(number));
    append_bytes(summary, kSummaryValue, value);
  }
  std::string payload;
  append_bytes(payload, kEventSummary, summary);
  write_event(step, payload);
}

void EventWriter::write_event(std::int64_t step, std::string_view payload) {
  std::string event;
  append_key(event, kEventWallTime, 1);
  append_raw(event, seconds_since_epoch());
  append_key(event, kEventStep, 0);
  append_varint(event, static_cast<std::uint64_t>(step));
  event.append(payload);

  std::string length, frame;
  append_raw(length, static_cast<std::uint64_t>(event.size()));
  frame = length;
  append_raw(frame, masked_crc(length));
  frame += event;
  append_raw(frame, masked_crc(event));
  file_.write(std::as_bytes(std::span(frame)));
}

}  // namespace terramill::train
