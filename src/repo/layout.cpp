#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::repo {

std::string cluster_prefix(std::string_view stanza) {
  return format("{}{}/", kClustersPrefix, stanza);
}

std::string cluster_key(std::string_view stanza, std::string_view cluster) {
  return format("{}{}.json", cluster_prefix(stanza), cluster);
}

std::string marker_prefix(std::string_view stanza) {
  return format("{}/backup/", stanza);
}

std::string marker_key(std::string_view stanza, std::string_view label) {
  return format("{}{}.json", marker_prefix(stanza), label);
}

std::string backups_data_prefix(std::string_view stanza) {
  return format("{}/data/", stanza);
}

std::string data_prefix(std::string_view stanza, std::string_view label) {
  return format("{}{}/", backups_data_prefix(stanza), label);
}

std::string manifest_key(std::string_view stanza, std::string_view label, std::uint32_t part) {
  return format("{}manifest/{:08}", data_prefix(stanza, label), part);
}

std::string pack_prefix(std::string_view stanza, std::string_view label) {
  return format("{}pack/", data_prefix(stanza, label));
}

std::string pack_key(std::string_view stanza, std::string_view label, std::uint32_t pack) {
  return format("{}{:08}", pack_prefix(stanza, label), pack);
}

std::string wal_prefix(std::string_view stanza, std::string_view cluster) {
  return format("{}/wal/{}/", stanza, cluster);
}

std::string wal_key(std::string_view stanza, std::string_view cluster, std::string_view file) {
  if (file.ends_with(".history")) return format("{}{}", wal_prefix(stanza, cluster), file);
  return format("{}{}/{}", wal_prefix(stanza, cluster), file.substr(0, 16), file);
}

std::string lease_prefix(std::string_view stanza) {
  return format("lease/{}/", stanza);
}

std::string lease_key(std::string_view stanza, std::uint32_t number) {
  return format("{}{:08}.json", lease_prefix(stanza), number);
}

std::string slot_key(std::uint32_t number) {
  return format("{}{:08}.json", kSlotsPrefix, number);
}

std::string record_prefix(std::string_view stanza) {
  return format("record/{}/", stanza);
}

std::string record_key(std::string_view stanza, std::string_view name) {
  return format("{}{}.json", record_prefix(stanza), name);
}

bool tells_of_repository(std::string_view key) {
  return key == kRepositoryKey || key.starts_with(kClustersPrefix) || key.starts_with("record/") ||
         key.starts_with("key/");
}

bool is_document(std::string_view key) {
  return key.ends_with(".json");
}

bool needs_lease(std::string_view operation, std::string_view key) {
  if (operation == "remove") return !key.starts_with("lease/");
  const std::size_t slash = key.find('/');
  return slash != std::string_view::npos && key.substr(slash).starts_with("/backup/");
}

std::string document_name(std::string_view key, std::string_view prefix) {
  constexpr std::string_view suffix = ".json";
  if (!key.starts_with(prefix) || !key.ends_with(suffix) ||
      key.size() < prefix.size() + suffix.size())
    return {};
  return std::string(key.substr(prefix.size(), key.size() - prefix.size() - suffix.size()));
}

std::optional<ObjectKey> parse_key(std::string_view key) {
  if (key.ends_with(".json")) return ObjectKey{};
  const std::vector<std::string> parts = split(key, '/');
  if (parts.size() < 4) return std::nullopt;
  ObjectKey found{ObjectKind::wal, parts[0], parts[2], 0, parts.back()};
  if (parts[1] == "wal" && wal_file_kind(found.file)) {
    if (key == wal_key(found.stanza, found.owner, found.file)) return found;
    return std::nullopt;
  }
  const auto number = parse_u64(parts.back());
  if (parts[1] != "data" || !number || *number > UINT32_MAX) return std::nullopt;
  found.file.clear();
  found.number = static_cast<std::uint32_t>(*number);
  found.kind = ObjectKind::manifest;
  if (key == manifest_key(found.stanza, found.owner, found.number)) return found;
  found.kind = ObjectKind::pack;
  if (key == pack_key(found.stanza, found.owner, found.number)) return found;
  return std::nullopt;
}

void check_stanza_name(std::string_view stanza) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  };
  if (stanza.empty() || stanza.size() > 64 || !std::all_of(stanza.begin(), stanza.end(), allowed) ||
      stanza.front() == '-' || stanza.front() == '_' || stanza == "lease" || stanza == "cluster" ||
      stanza == "record" || stanza == "key") {
    throw UsageError(format("\"{}\" cannot be the name of a stanza", stanza),
                     "use up to 64 letters, digits, '_' and '-', beginning with a letter or digit; "
                     "\"cluster\", \"key\", \"lease\" and \"record\" are taken");
  }
}

}  // namespace pgcairn::repo
