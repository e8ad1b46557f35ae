#pragma once

#include <filesystem>
#include <string>

namespace pgcairn::postgres {

enum class ServerLife { stopped, running, unknown };

/// Whether a server uses a data directory, and what says so.
struct ServerSigns {
  ServerLife life = ServerLife::unknown;
  std::string words;  // running: what proves it; unknown: why nothing is proved; else empty
};

/// Looks for a server on a data directory. "Stopped" is said only with a proof: no postmaster.pid
/// beside a pg_control that a server has shut down or never opened; the server's shared memory,
/// which nothing is attached to; or a look at every process of this machine. A process number that
/// nobody has here proves nothing: in containers processes are counted separately, and a shared
/// file system has servers on other machines.
ServerSigns look_for_server(const std::filesystem::path& data_directory);

}  // namespace pgcairn::postgres
