#include <pgcairn/common/error.hpp>
#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::repo {

namespace {

constexpr std::string_view kLeasesPrefix = "lease/";
constexpr std::string_view kRecordsPrefix = "record/";
constexpr std::size_t kWalFolderDigits = 16;
/// Folders of the repository itself, which no stanza may be called like: its own would be theirs.
constexpr std::array kOwnPrefixes = {kClustersPrefix, kSlotsPrefix, kLeasesPrefix, kRecordsPrefix};

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// On a file system that ignores case, "Key" is "key".
bool is_taken(std::string_view name) {
  const std::string folder = lower_case(name) + "/";
  return std::find(kOwnPrefixes.begin(), kOwnPrefixes.end(), folder) != kOwnPrefixes.end();
}

std::string below(std::string_view folder, std::string_view stanza) {
  check_stanza_name(stanza);
  return format("{}{}/", folder, stanza);
}

}  // namespace

std::string stanza_prefix(std::string_view stanza) {
  return below("", stanza);
}

std::string cluster_prefix(std::string_view stanza) {
  return below(kClustersPrefix, stanza);
}

std::string cluster_key(std::string_view stanza, std::string_view cluster) {
  return format("{}{}.json", cluster_prefix(stanza), cluster);
}

std::string marker_prefix(std::string_view stanza) {
  return stanza_prefix(stanza) + "backup/";
}

std::string marker_key(std::string_view stanza, std::string_view label) {
  return format("{}{}.json", marker_prefix(stanza), label);
}

std::string backups_data_prefix(std::string_view stanza) {
  return stanza_prefix(stanza) + "data/";
}

std::string data_prefix(std::string_view stanza, std::string_view label) {
  return format("{}{}/", backups_data_prefix(stanza), label);
}

std::string manifest_prefix(std::string_view stanza, std::string_view label) {
  return format("{}manifest/", data_prefix(stanza, label));
}

std::string manifest_key(std::string_view stanza, std::string_view label, std::uint32_t part) {
  return format("{}{:08}", manifest_prefix(stanza, label), part);
}

std::string pack_prefix(std::string_view stanza, std::string_view label) {
  return format("{}pack/", data_prefix(stanza, label));
}

std::string pack_key(std::string_view stanza, std::string_view label, std::uint32_t pack) {
  return format("{}{:08}", pack_prefix(stanza, label), pack);
}

std::string all_wal_prefix(std::string_view stanza) {
  return stanza_prefix(stanza) + "wal/";
}

std::string wal_prefix(std::string_view stanza, std::string_view cluster) {
  return format("{}{}/", all_wal_prefix(stanza), cluster);
}

std::string wal_key(std::string_view stanza, std::string_view cluster, std::string_view file) {
  if (file.ends_with(".history")) return format("{}{}", wal_prefix(stanza, cluster), file);
  return format("{}{}/{}", wal_prefix(stanza, cluster), wal_folder(file), file);
}

std::string_view wal_folder(std::string_view file) {
  return file.substr(0, kWalFolderDigits);
}

std::string wal_folder_prefix(std::string_view stanza, std::string_view cluster,
                              std::string_view folder) {
  const std::string_view end = folder.size() < kWalFolderDigits ? "" : "/";
  return format("{}{}{}", wal_prefix(stanza, cluster), folder, end);
}

std::string_view wal_file(std::string_view key) {
  return key.substr(key.rfind('/') + 1);
}

std::string lease_prefix(std::string_view stanza) {
  return below(kLeasesPrefix, stanza);
}

std::string lease_key(std::string_view stanza, std::uint32_t number) {
  return format("{}{:08}.json", lease_prefix(stanza), number);
}

std::string slot_key(std::uint32_t number) {
  return format("{}{:08}.json", kSlotsPrefix, number);
}

std::string record_prefix(std::string_view stanza) {
  return below(kRecordsPrefix, stanza);
}

std::string record_key(std::string_view stanza, std::string_view name) {
  return format("{}{}.json", record_prefix(stanza), name);
}

bool tells_of_repository(std::string_view key) {
  return key == kRepositoryKey || key.starts_with(kClustersPrefix) ||
         key.starts_with(kRecordsPrefix) || key.starts_with(kSlotsPrefix);
}

bool is_lease(std::string_view key) {
  return key.starts_with(kLeasesPrefix);
}

bool is_document(std::string_view key) {
  return key.ends_with(".json");
}

bool needs_lease(std::string_view operation, std::string_view key) {
  if (operation == "remove") return !key.starts_with(kLeasesPrefix);
  // Only below a stanza's own folder: the stanza may be called "backup", and its leases not wait
  // for themselves.
  const std::string_view stanza = key.substr(0, key.find('/'));
  return is_stanza_name(stanza) && key.starts_with(marker_prefix(stanza));
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
  if (parts.size() < 4 || !is_stanza_name(parts[0])) return std::nullopt;
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

bool is_stanza_name(std::string_view name) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), allowed) &&
         is_letter_or_digit(name.front()) && !is_taken(name);
}

void check_stanza_name(std::string_view stanza, std::string_view origin) {
  if (is_stanza_name(stanza)) return;
  const std::string_view space = origin.empty() ? "" : " ";
  if (is_taken(stanza)) {
    throw UsageError(format("{}{}\"{}\" cannot be the name of a stanza", origin, space, stanza),
                     "the repository reserves this name; choose another");
  }
  throw UsageError(format("{}{}\"{}\" cannot be the name of a stanza", origin, space, stanza),
                   "names have letters, digits, '_' and '-', at most 64, and start with a letter "
                   "or digit");
}

}  // namespace pgcairn::repo
