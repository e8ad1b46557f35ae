#include "stop_file.hpp"

#include "settings/file_hint.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <cerrno>

#include <unistd.h>

namespace pgcairn::command {

namespace {

constexpr std::uint64_t kMostBytes = kMiB;

fs::path stop_file_of(const fs::path& state_path, const std::string& stanza) {
  return state_path / format("{}.stop", stanza);
}

std::optional<Buffer> read_stop_file(const fs::path& path) {
  try {
    return read_file_if_exists(path, kMostBytes);
  } catch (SystemError& error) {
    const fs::path state_path = path.parent_path();
    struct stat status {};
    if (error.error_number() == EACCES && ::stat(state_path.c_str(), &status) == 0) {
      // Root made it for somebody; another user has it for its own work.
      const Account self = account_of(::geteuid(), ::getegid());
      const std::string owner = account_of(status.st_uid, status.st_gid).describe();
      std::string way = format("run it as {}", owner);
      if (status.st_uid == 0) way = "run it as the user that runs PostgreSQL";
      if (status.st_uid == 0 && is_of_server(self))
        way = format("chown -R {} {}", self.uid, shell_quote(state_path.native()));
      error.set_hint(format("state-path belongs to {}, and pgcairn runs as {}: {}", owner,
                            self.describe(), way));
    }
    throw;
  }
}

fs::path stop_file_of(const Settings& settings) {
  return stop_file_of(settings.state_path, settings.stanza);
}

}  // namespace

bool write_stop_file(const Settings& settings, const std::string& reason) {
  const fs::path path = stop_file_of(settings);
  std::error_code error;
  fs::create_directories(settings.state_path, error);
  if (error) {
    throw SystemError(format("cannot make \"{}\"", settings.state_path.native()), error.value(),
                      "set state-path to a directory that belongs to the user pgcairn runs as");
  }
  JsonWriter json;
  json.begin_object().member("time", format_utc(now())).member("reason", escape_bytes(reason));
  json.end_object();
  AtomicFile file(path);
  give_to_owner_of(settings.state_path, file.fd(), path);
  file.write(as_bytes(json.take() + "\n"));
  return file.commit_if_absent();
}

bool remove_stop_file(const Settings& settings) {
  const fs::path path = stop_file_of(settings);
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  throw SystemError(format("cannot remove \"{}\"", path.native()), errno);
}

std::optional<std::string> stopped_here(const fs::path& state_path, const std::string& stanza) {
  const fs::path path = stop_file_of(state_path, stanza);
  const auto content = read_stop_file(path);
  if (!content) return std::nullopt;
  std::string words;
  try {
    JsonDocument document(path);
    const JsonValue root = document.parse(as_text(*content));
    const auto time = parse_utc(root["time"].string());
    if (time) words = format(" at {}", format_local(*time));
    const std::string reason = unescape_bytes(root["reason"].string());
    if (!reason.empty()) words += ": " + reason;
  } catch (const DamagedError&) {
    // A file that was made by hand stops the stanza, too.
  }
  return words;
}

void refuse_when_stopped_here(const Settings& settings) {
  const auto words = stopped_here(settings.state_path, settings.stanza);
  if (!words) return;
  throw LockedError(format("stanza \"{}\" was stopped on this host{}", settings.stanza, *words),
                    format("\"pgcairn --stanza={} start\" removes \"{}\" and allows it again",
                           settings.stanza, stop_file_of(settings).native()));
}

}  // namespace pgcairn::command
