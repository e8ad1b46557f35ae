#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
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

std::string document_name(std::string_view key, std::string_view prefix) {
  constexpr std::string_view suffix = ".json";
  if (!key.starts_with(prefix) || !key.ends_with(suffix) ||
      key.size() < prefix.size() + suffix.size())
    return {};
  return std::string(key.substr(prefix.size(), key.size() - prefix.size() - suffix.size()));
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
