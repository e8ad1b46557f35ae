#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>

namespace pgcairn::repo {

namespace {

constexpr std::size_t kFrameLinesBytes = 512 * kKiB;  // a frame is closed when it holds this much
constexpr std::size_t kPartBytes = 8 * kMiB;          // a part when it is this long
constexpr std::size_t kLongestLineBytes = 4 * kMiB;
constexpr int kManifestLevel = 3;

std::string octal(std::uint32_t mode) {
  return format("{:04o}", mode);
}

void write_map(JsonWriter& line, const std::vector<Extent>& map) {
  line.key("map").begin_array();
  for (const Extent& extent : map) {
    line.value(extent.length_bytes)
        .value(extent.ref)
        .value(extent.pack)
        .value(extent.frame)
        .value(extent.offset_bytes);
  }
  line.end_array();
}

}  // namespace

ManifestWriter::ManifestWriter(storage::Driver& driver, SealContext seal_context,
                               std::string stanza, ManifestHeader header, PutObject put)
    : put_(std::move(put)),
      seal_context_(std::move(seal_context)),
      stanza_(std::move(stanza)),
      header_(std::move(header)),
      codec_(compress::make_codec(compress::CodecId::zst, kManifestLevel)) {
  if (!put_) {
    put_ = [&driver](const std::string& key, MutableBytes part) {
      driver.put(key, part, storage::IfExists::fail);
    };
  }
  line_.begin_object();
  line_.member("manifest", 1).member("label", header_.label).member("page-bytes", kHashedBytes);
  line_.key("refs").begin_array();
  for (const ManifestRef& ref : header_.refs) {
    line_.begin_object()
        .member("backup", ref.backup)
        .member("frame-bytes", ref.frame_bytes)
        .end_object();
  }
  line_.end_array();
  line_.key("defaults").begin_object();
  line_.member("mode", octal(header_.file_mode)).member("dir-mode", octal(header_.directory_mode));
  line_.member("user", escape_bytes(header_.user)).member("group", escape_bytes(header_.group));
  line_.end_object();
  line_.end_object();
  add_line();
}

ManifestWriter::~ManifestWriter() = default;

bool is_outside(std::string_view path) {
  return path.starts_with('/');
}

void ManifestWriter::add(const ManifestEntry& entry) {
  line_.begin_object().member("path", escape_bytes(entry.path));
  if (entry.type == EntryType::directory) line_.member("type", "dir");
  if (entry.type == EntryType::link) {
    line_.member("type", "link").member("target", escape_bytes(entry.target));
  }
  if (entry.type != EntryType::link && !entry.target.empty())
    line_.member("link", escape_bytes(entry.target));
  if (entry.type == EntryType::file)
    line_.member("size", entry.size_bytes).member("time", entry.time_us);
  const std::uint32_t usual_mode =
      entry.type == EntryType::directory ? header_.directory_mode : header_.file_mode;
  if (entry.type != EntryType::link && entry.mode != usual_mode)
    line_.member("mode", octal(entry.mode));
  if (entry.user != header_.user) line_.member("user", escape_bytes(entry.user));
  if (entry.group != header_.group) line_.member("group", escape_bytes(entry.group));
  if (entry.pages) line_.member("pages", true);
  if (!entry.hash.empty()) line_.member("hash", entry.hash);
  if (!entry.bad_blocks.empty()) {
    line_.key("bad").begin_array();
    for (const std::uint32_t block : entry.bad_blocks) line_.value(block);
    line_.end_array();
  }
  if (!entry.map.empty()) write_map(line_, entry.map);
  line_.end_object();
  ++entries_;
  add_line();
}

void ManifestWriter::add(const ManifestPack& pack) {
  line_.begin_object().key("pack").begin_array().value(pack.ref).value(pack.pack).end_array();
  line_.member("size", pack.size_bytes);
  line_.key("index").begin_array().value(pack.index_offset).value(pack.index_bytes).end_array();
  if (pack.seal) line_.member("seal", hex(*pack.seal));
  line_.end_object();
  ++packs_;
  add_line();
}

std::uint32_t ManifestWriter::finish() {
  line_.begin_object()
      .key("end")
      .begin_object()
      .member("entries", entries_)
      .member("packs", packs_)
      .end_object();
  line_.end_object();
  add_line();
  flush_frame();
  flush_part();
  return parts_;
}

void ManifestWriter::add_line() {
  if (line_.text().size() > kLongestLineBytes) {
    throw Error(format(
        "cannot list a file in the manifest: its line has {} bytes, more than the limit of {}",
        line_.text().size(), kLongestLineBytes));
  }
  lines_ += line_.text();
  lines_ += '\n';
  line_.clear();
  if (lines_.size() >= kFrameLinesBytes) flush_frame();
}

void ManifestWriter::flush_frame() {
  if (lines_.empty()) return;
  if (!frames_) {
    frames_ = std::make_unique<FrameWriter>(FrameKind::manifest, seal_context_,
                                            manifest_key(stanza_, header_.label, parts_), *codec_);
    frames_->number_from(frame_number_);
  }
  frames_->append(as_bytes(lines_), {}, part_);
  frame_number_ = frames_->count();
  lines_.clear();
  if (part_.size() >= kPartBytes) flush_part();
}

void ManifestWriter::flush_part() {
  if (part_.empty()) return;
  const std::string key = manifest_key(stanza_, header_.label, parts_);
  doing([&] { return format("storing part {} of the manifest", parts_); },
        [&] { put_(key, part_.writable()); });
  stored_bytes_ += part_.size();
  ++parts_;
  part_.clear();
  if (const auto seal = frames_->seal()) seals_.push_back(*seal);
  frames_.reset();
}

ManifestReader::ManifestReader(storage::Driver& driver, SealContext seal_context,
                               std::string stanza, std::string label, std::uint32_t parts,
                               std::vector<Binding> seals)
    : driver_(driver),
      seal_context_(std::move(seal_context)),
      stanza_(std::move(stanza)),
      label_(std::move(label)),
      parts_(parts),
      seals_(std::move(seals)) {
  // None in a copy of what was not sealed.
  if (seal_context_.sealed() && !seals_.empty() && seals_.size() != parts_)
    damaged("the marker does not say which parts the manifest must have");
  const auto line = next_line();
  if (!line) damaged("the manifest is empty");
  const JsonValue header = document_->parse(*line);
  if (header["manifest"].u64() != 1)
    damaged("the manifest has a version that this program does not know");
  header_.label = header["label"].string();
  if (header_.label != label_) damaged(format("this is the manifest of backup {}", header_.label));
  for (const JsonValue ref : header["refs"].array()) {
    const std::uint32_t frame_bytes = ref["frame-bytes"].u32();
    if (!is_backup_label(ref["backup"].string())) damaged("a ref is not the label of a backup");
    header_.refs.push_back({std::string(ref["backup"].string()), frame_bytes});
    if (frame_bytes == 0 || frame_bytes > kMostFrameBytes || frame_bytes % kHashedBytes != 0)
      damaged(format("frames of {} bytes are not possible", frame_bytes));
  }
  const JsonValue defaults = header["defaults"];
  header_.file_mode = read_mode(defaults["mode"]);
  header_.directory_mode = read_mode(defaults["dir-mode"]);
  header_.user = unescape_bytes(defaults["user"].string());
  header_.group = unescape_bytes(defaults["group"].string());
}

ManifestReader::~ManifestReader() = default;

void ManifestReader::damaged(std::string_view cause) const {
  throw DamagedError(manifest_key(stanza_, label_, next_part_ == 0 ? 0 : next_part_ - 1),
                     part_position_, cause);
}

std::uint32_t ManifestReader::read_mode(const JsonValue& value) const {
  const auto mode = parse_u64(value.string(), 8);
  if (!mode || *mode > 07777) damaged(format("\"{}\" is not a file mode", value.string()));
  return static_cast<std::uint32_t>(*mode);
}

void ManifestReader::load_part() {
  const std::string key = manifest_key(stanza_, label_, next_part_);
  if (!driver_.get(key, {0, kMostManifestPartBytes + 1}, part_))
    throw DamagedError(key, 0, "this part of the manifest is missing");
  if (part_.size() > kMostManifestPartBytes)
    throw DamagedError(key, kMostManifestPartBytes, "this part of the manifest is too long");
  frames_ = std::make_unique<FrameReader>(
      seal_context_, key,
      seal_context_.sealed() && !seals_.empty() ? std::optional(seals_[next_part_]) : std::nullopt);
  document_ = std::make_unique<JsonDocument>(key);
  part_position_ = 0;
  ++next_part_;
}

std::optional<std::string_view> ManifestReader::next_line() {
  while (rest_.empty()) {
    if (part_position_ == part_.size()) {
      if (next_part_ == parts_) return std::nullopt;
      load_part();
    }
    const Frame frame = frames_->read(part_.bytes().subspan(part_position_), part_position_,
                                      FrameKind::manifest, frame_number_);
    frames_->open(frame, part_position_, lines_);
    ++frame_number_;
    part_position_ += frame.whole_bytes;
    rest_ = as_text(lines_);
  }
  const std::size_t end = rest_.find('\n');
  if (end == std::string_view::npos) damaged("a line of the manifest has no end");
  const std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  return line;
}

namespace {

/// True when the extent begins and ends in frames that a pack can have.
bool fits_a_pack(const Extent& extent, std::uint32_t frame_bytes) {
  return extent.offset_bytes < frame_bytes && extent.frame < kMostPackFrames &&
         extent.length_bytes <=
             std::uint64_t{kMostPackFrames - extent.frame} * frame_bytes - extent.offset_bytes;
}

std::vector<Extent> read_map(const JsonValue& value, const std::vector<ManifestRef>& refs,
                             std::uint64_t size_bytes, const JsonDocument& document) {
  const auto wrong = [&](std::string_view cause) {
    return DamagedError(document.object(), document.offset(), cause);
  };
  const std::vector<std::uint64_t> numbers = value.u64s();
  if (numbers.size() % 5 != 0) throw wrong("the length of a map is not a multiple of five");
  std::vector<Extent> map;
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < numbers.size(); i += 5) {
    Extent extent{numbers[i], static_cast<std::uint32_t>(numbers[i + 1]),
                  static_cast<std::uint32_t>(numbers[i + 2]),
                  static_cast<std::uint32_t>(numbers[i + 3]),
                  static_cast<std::uint32_t>(numbers[i + 4])};
    if (numbers[i + 1] >= refs.size() ||
        std::max({numbers[i + 2], numbers[i + 3], numbers[i + 4]}) > UINT32_MAX ||
        !fits_a_pack(extent, refs[extent.ref].frame_bytes)) {
      throw wrong("a map has impossible values");
    }
    if (extent.length_bytes == 0 || extent.length_bytes > size_bytes - covered)
      throw wrong("a map does not match the size of its file");
    covered += extent.length_bytes;
    map.push_back(extent);
  }
  if (covered != size_bytes) throw wrong("a map does not cover its file");
  return map;
}

/// Paths are joined to a directory at restore: one that leads out of it is never believed.
bool leads_astray(std::string_view path) {
  if (is_outside(path)) path.remove_prefix(1);
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return true;
  }
  return path.find('\0') != std::string_view::npos;
}

}  // namespace

std::optional<ManifestEntry> ManifestReader::next() {
  if (!held_line_.empty()) return std::nullopt;
  const auto text = next_line();
  if (!text) damaged("the manifest ends early");
  const JsonValue line = document_->parse(*text, part_position_);
  const auto path = line.find("path");
  if (!path) {
    held_line_ = *text;
    return std::nullopt;
  }
  ManifestEntry entry;
  entry.path = unescape_bytes(path->string());
  if (leads_astray(entry.path)) damaged(format("a path is unsafe: \"{}\"", path->string()));
  if (const auto type = line.find("type")) {
    entry.type = type->string() == "dir" ? EntryType::directory : EntryType::link;
    if (entry.type == EntryType::link) {
      if (type->string() != "link")
        damaged(format("an entry of unknown type \"{}\"", type->string()));
      entry.target = unescape_bytes(line["target"].string());
    }
  }
  if (const auto led = line.find("link")) entry.target = unescape_bytes(led->string());
  entry.mode = entry.type == EntryType::directory ? header_.directory_mode : header_.file_mode;
  if (const auto mode = line.find("mode")) entry.mode = read_mode(*mode);
  const auto text_or = [&](std::string_view name, const std::string& otherwise) {
    const auto value = line.find(name);
    return value ? unescape_bytes(value->string()) : otherwise;
  };
  entry.user = text_or("user", header_.user);
  entry.group = text_or("group", header_.group);
  entry.hash = text_or("hash", {});
  if (entry.type == EntryType::file) {
    entry.size_bytes = line["size"].u64();
    entry.time_us = line["time"].i64();
    if (const auto pages = line.find("pages")) entry.pages = pages->boolean();
    if (const auto bad = line.find("bad")) {
      for (const JsonValue block : bad->array()) entry.bad_blocks.push_back(block.u32());
    }
    if (const auto map = line.find("map")) {
      entry.map = read_map(*map, header_.refs, entry.size_bytes, *document_);
    } else if (entry.size_bytes != 0) {
      damaged(format("\"{}\" has a size and no map", entry.path));
    }
  }
  ++entries_;
  return entry;
}

std::vector<ManifestPack> ManifestReader::packs() {
  std::vector<ManifestPack> packs;
  std::string line = held_line_;
  for (;;) {
    const JsonValue value = document_->parse(line, part_position_);
    if (const auto end = value.find("end")) {
      if ((*end)["entries"].u64() != entries_ || (*end)["packs"].u64() != packs.size())
        damaged("lines of the manifest are missing");
      if (next_line()) damaged("lines follow the end of the manifest");
      return packs;
    }
    const std::vector<JsonValue> pack = value["pack"].array();
    const std::vector<JsonValue> index = value["index"].array();
    if (pack.size() != 2 || index.size() != 2 || pack[0].u64() >= header_.refs.size())
      damaged("a pack's line has an unknown format");
    packs.push_back(
        {pack[0].u32(), pack[1].u32(), value["size"].u64(), index[0].u64(), index[1].u32()});
    if (packs.back().size_bytes > kMostPackBytes) damaged("a pack is longer than packs can be");
    // Absent in a copy of what was not sealed.
    if (const auto seal = value.find("seal"); seal && seal_context_.sealed()) {
      packs.back().seal = parse_binding(seal->string());
      if (!packs.back().seal) damaged("a pack's seal has an unknown format");
    }
    const auto next = next_line();
    if (!next) damaged("the manifest ends early");
    line = *next;
  }
}

}  // namespace pgcairn::repo
