#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace pgcairn::postgres {

/// What an operator types to start and to stop a server.
struct ServerCommands {
  std::string start;
  std::string stop;
  bool needs_root = false;
};

/// How the server of a data directory is run where this machine's package does that: Debian's
/// postgresql-common knows clusters by /etc/postgresql/VERSION/NAME/postgresql.conf, and starts
/// them by systemd or pg_ctlcluster. Nothing when none of these is of the data directory. `root` is
/// another root directory, for tests.
std::optional<ServerCommands> service_of(const std::filesystem::path& data_directory, int major,
                                         const std::filesystem::path& root = "/");

/// The same of the cluster that `config_file` ("/etc/postgresql/15/main/postgresql.conf") is of,
/// whether it is there or not.
std::optional<ServerCommands> service_by_config(const std::filesystem::path& config_file, int major,
                                                const std::filesystem::path& root = "/");

/// pg_ctl of a version, with its directory where that is known: `programs`, or where the packages
/// of Debian and Red Hat have it, which is in no PATH.
std::string pg_ctl_path(const std::filesystem::path& programs, int major);

/// The ports of the machine's clusters that such files name, whether they run or not.
std::set<std::uint16_t> ports_of_services(const std::filesystem::path& root = "/");

/// The port that a data directory's own configuration files name; nothing when they name none, or
/// cannot be read.
std::optional<std::uint16_t> configured_port(const std::filesystem::path& directory);

}  // namespace pgcairn::postgres
