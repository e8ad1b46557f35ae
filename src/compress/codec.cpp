#include "codecs.hpp"

#include <algorithm>
#include <array>

namespace pgcairn::compress {

namespace {

struct Entry {
  CodecId id;
  std::string_view name;
  LevelRange levels;
};

// zst goes below 1 (faster than fast); gz has no 0, which would store: that is what none is for.
constexpr std::array kCodecs{
    Entry{CodecId::none, "none", {0, 0, 0}},
    Entry{CodecId::zst, "zst", {-7, 22, 3}},
    Entry{CodecId::lz4, "lz4", {0, 12, 1}},
    Entry{CodecId::gz, "gz", {1, 9, 6}},
};

const Entry& entry_of(CodecId id) {
  const auto found = std::find_if(kCodecs.begin(), kCodecs.end(),
                                  [&](const Entry& entry) { return entry.id == id; });
  PGCAIRN_ASSERT(found != kCodecs.end());
  return *found;
}

}  // namespace

std::string_view name_of(CodecId id) {
  return entry_of(id).name;
}

std::optional<CodecId> parse_codec(std::string_view name) {
  for (const Entry& entry : kCodecs) {
    if (entry.name == name) return entry.id;
  }
  return std::nullopt;
}

LevelRange levels_of(CodecId id) {
  return entry_of(id).levels;
}

std::unique_ptr<Codec> make_codec(CodecId id, int level) {
  const LevelRange levels = levels_of(id);
  PGCAIRN_ASSERT(level >= levels.least && level <= levels.most);
  switch (id) {
    case CodecId::none:
      return make_none();
    case CodecId::zst:
      return make_zst(level);
    case CodecId::lz4:
      return make_lz4(level);
    case CodecId::gz:
      return make_gz(level);
  }
  return nullptr;
}

std::unique_ptr<Codec> make_codec(CodecId id) {
  return make_codec(id, levels_of(id).usual);
}

}  // namespace pgcairn::compress
