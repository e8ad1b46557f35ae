#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/isolation.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace pgcairn::postgres {

namespace {

constexpr int kMostTried = 200;
constexpr int kMostPort = 65'535;
constexpr int kLeastPort = 1'024;

bool listens(std::uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return false;  // no network, so nobody is on it
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);  // whichever address it listens on
  address.sin_port = htons(port);
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
}

}  // namespace

Settings isolation_settings(int major, const std::string& name) {
  Settings settings = {
      {"cluster_name", name},
      {"listen_addresses", ""},
      {"bonjour", "off"},
      // Files of the original's. An empty name the server would try to write to.
      {"external_pid_file", "external.pid"},
      {"log_directory", "log"},
      // Its archive, its primary, its standbys, its publishers.
      {"archive_mode", "off"},
      {"archive_command", ""},
      {"archive_cleanup_command", ""},
      {"recovery_end_command", ""},
      {"primary_conninfo", ""},
      {"primary_slot_name", ""},
      {"synchronous_standby_names", ""},
      {"max_logical_replication_workers", "0"},
      // Jobs of extensions. Where one is not loaded these are names without meaning.
      {"cron.launch_active_jobs", "off"},
      {"timescaledb.max_background_workers", "0"},
      {"citus.recover_2pc_interval", "-1"},
      {"citus.defer_shard_delete_interval", "-1"},
      {"citus.background_task_queue_interval", "-1"},
  };
  if (major >= 15) settings.emplace_back("archive_library", "");
  if (major >= 17) settings.emplace_back("sync_replication_slots", "off");
  return settings;
}

std::uint16_t free_port_after(std::uint16_t taken,
                              const std::vector<std::filesystem::path>& directories,
                              const std::set<std::uint16_t>& reserved) {
  int port = taken;
  for (int tried = 0; tried < kMostTried; ++tried) {
    port = port == kMostPort ? kLeastPort : port + 1;
    const auto number = static_cast<std::uint16_t>(port);
    bool used = reserved.contains(number) || listens(number);
    for (const auto& directory : directories) {
      std::error_code unknown;  // what cannot be looked at stops the server, and nothing else
      used |= std::filesystem::exists(directory / format(".s.PGSQL.{}", port), unknown);
    }
    if (!used) return number;
  }
  return taken;
}

}  // namespace pgcairn::postgres
