#pragma once

#include <pgcairn/postgres/recovery.hpp>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace pgcairn::postgres {

/// Settings that keep a server which was made from another one's backup from reaching out: archive,
/// standbys, publishers, the network, files of its original's, jobs of extensions. `name` becomes
/// its cluster_name. Limits that replay compares with the primary's stay as they are.
Settings isolation_settings(int major, const std::string& name);

/// The first port above `taken` with no socket in `directories`, nothing that listens on it on this
/// host, and that is not reserved, such as by a server that is down; `taken` when there is none.
std::uint16_t free_port_after(std::uint16_t taken,
                              const std::vector<std::filesystem::path>& directories,
                              const std::set<std::uint16_t>& reserved = {});

}  // namespace pgcairn::postgres
