#include "config_includes.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/host_clusters.hpp>

#include <vector>

namespace pgcairn::postgres {

namespace {

constexpr std::string_view kConfig = "postgresql.conf";
constexpr std::string_view kAutoConfig = "postgresql.auto.conf";

/// A hint is made of this: what cannot be read is as if it were not there.
std::string text_of(const fs::path& path) {
  try {
    const auto content = read_file_if_exists(path, kMiB);
    return content ? std::string(as_text(*content)) : std::string();
  } catch (const Error&) {
    return {};
  }
}

std::vector<fs::path> folders_in(const fs::path& directory) {
  std::vector<fs::path> folders;
  std::error_code gone;
  for (fs::directory_iterator at(directory, gone), end; !gone && at != end; at.increment(gone))
    folders.push_back(at->path());
  return folders;
}

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

bool is_same(const fs::path& one, const fs::path& other) {
  std::error_code unknown;
  return one.lexically_normal() == other.lexically_normal() || fs::equivalent(one, other, unknown);
}

/// Where pg_lsclusters looks for the data of a cluster that does not say it.
fs::path data_directory_of(const fs::path& cluster, int major) {
  const auto named = setting_in(text_of(cluster / kConfig), "data_directory");
  if (named && !named->empty()) return *named;
  return fs::path("/var/lib/postgresql") / std::to_string(major) / cluster.filename();
}

bool runs_systemd(const fs::path& root) {
  if (!is_there(root / "run/systemd/system")) return false;
  for (const char* const place : {"etc", "usr/lib", "lib"}) {
    if (is_there(root / place / "systemd/system/postgresql@.service")) return true;
  }
  return false;
}

std::optional<ServerCommands> commands_of(const std::string& name, int major,
                                          const fs::path& root) {
  if (runs_systemd(root)) {
    const std::string unit = shell_quote(format("postgresql@{}-{}", major, name));
    return ServerCommands{"systemctl start " + unit, "systemctl stop " + unit, true};
  }
  if (!is_there(root / "usr/bin/pg_ctlcluster")) return std::nullopt;
  const std::string words = format("pg_ctlcluster {} {}", major, shell_quote(name));
  return ServerCommands{words + " start", words + " stop", false};
}

}  // namespace

std::optional<ServerCommands> service_of(const fs::path& data_directory, int major,
                                         const fs::path& root) {
  for (const fs::path& cluster : folders_in(root / "etc/postgresql" / std::to_string(major))) {
    if (!is_same(data_directory_of(cluster, major), data_directory)) continue;
    return commands_of(cluster.filename().native(), major, root);
  }
  return std::nullopt;
}

std::optional<ServerCommands> service_by_config(const fs::path& config_file, int major,
                                                const fs::path& root) {
  const fs::path cluster = config_file.parent_path();
  if (config_file.filename() != kConfig ||
      cluster.parent_path() != fs::path("/etc/postgresql") / std::to_string(major))
    return std::nullopt;
  return commands_of(cluster.filename().native(), major, root);
}

std::string pg_ctl_path(const fs::path& programs, int major) {
  for (const fs::path& place : {programs, fs::path(format("/usr/lib/postgresql/{}/bin", major)),
                                fs::path(format("/usr/pgsql-{}/bin", major))}) {
    if (!place.empty() && is_there(place / "pg_ctl")) return (place / "pg_ctl").native();
  }
  return "pg_ctl";
}

std::optional<std::uint16_t> configured_port(const fs::path& directory) {
  std::optional<std::uint16_t> port;
  for (const std::string_view file : {kConfig, kAutoConfig}) {
    const auto named = setting_in(text_of(directory / file), "port");
    const auto number = named ? parse_u64(*named) : std::nullopt;
    if (number && *number > 0 && *number <= UINT16_MAX) port = static_cast<std::uint16_t>(*number);
  }
  return port;
}

std::set<std::uint16_t> ports_of_services(const fs::path& root) {
  std::set<std::uint16_t> ports;
  for (const fs::path& version : folders_in(root / "etc/postgresql")) {
    for (const fs::path& cluster : folders_in(version)) {
      if (const auto port = configured_port(cluster)) ports.insert(*port);
    }
  }
  return ports;
}

}  // namespace pgcairn::postgres
