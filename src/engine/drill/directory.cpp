#include "drill/directory.hpp"

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <algorithm>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr const char* kMark = "pgcairn.drill";  // holds the stanza's name
// "root" is what a server in a sandbox has for "/".
constexpr const char* kNames[] = {"data", "tablespaces", "config", "server", "root"};
constexpr std::string_view kFirstProcess = "1\n";

/// The server of a drill that was killed holds its lock until it has ended, too.
bool take_lock(const Fd& fd) {
  constexpr int patience = 50;
  for (int i = 0; i < patience; ++i) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return true;
    std::this_thread::sleep_for(milliseconds(100));
  }
  return false;
}

bool is_real_directory(const fs::path& path) {
  const auto status = stat_if_exists(path);
  return status && S_ISDIR(status->st_mode);
}

}  // namespace

DrillDirectory::DrillDirectory(const fs::path& directory, const std::string& stanza)
    : directory_(directory.lexically_normal()), made_(!stat_if_exists(directory_)) {
  require_ours(stanza);
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) throw SystemError(format("cannot create \"{}\"", directory_.native()), error.value());
  mark_ = open_file(directory_ / kMark, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!take_lock(mark_)) {
    throw LockedError(format("another drill is running in \"{}\"", directory_.native()),
                      "wait until it ends, or name another directory with --drill-path");
  }
  require_no_links();
  write_at(mark_, as_bytes(stanza + "\n"), 0, directory_ / kMark);
  for (const char* const name : {"config", "server", "root"}) remove(name);
  make("server");
  for_each_foreign_link([](const fs::path& link, const fs::path&) { ::unlink(link.c_str()); });
  remove_tablespace_links();
  // A server in a sandbox is process 1 of its own count, and its end is certain: it held our lock.
  const std::string pid_file = "data/postmaster.pid";
  const Beneath all(directory_);
  const auto status = all.status(pid_file);
  const bool pipe = status && !S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode);
  if (pipe || (status && S_ISREG(status->st_mode) &&
               as_text(*all.read_if_exists(pid_file)).starts_with(kFirstProcess)))
    all.remove(pid_file);
}

DrillDirectory::~DrillDirectory() {
  if (keep_ || !mark_) return;
  for (const char* const name : kNames) remove(name);
  remove(kMark);
  std::error_code ignored;
  if (made_) fs::remove(directory_, ignored);  // unless something else is in it
}

void DrillDirectory::require_ours(const std::string& stanza) const {
  if (made_) return;
  const std::vector<std::string> names = list_directory(directory_);
  const bool empty = names.empty() || (names.size() == 1 && names[0] == "lost+found");
  const auto mark = Beneath(directory_).read_if_exists(kMark);
  if (empty || (mark && trim(as_text(*mark)) == stanza)) return;
  throw UsageError(
      mark ? format("\"{}\" is the directory of drills of stanza \"{}\"", directory_.native(),
                    trim(as_text(*mark)))
           : format("\"{}\" is not empty, and its content is not of a drill", directory_.native()),
      "name an empty or new directory with --drill-path; nothing was touched");
}

void DrillDirectory::require_no_links() const {
  for (const char* const name : kNames) {
    if (!path_is_link(directory_ / name)) continue;
    throw UsageError(format("\"{}\" is a symbolic link", (directory_ / name).native()),
                     "a drill writes only to its own directory: remove the link, and name a "
                     "directory with room for the cluster with --drill-path; nothing was touched");
  }
}

void DrillDirectory::make(const char* name) const {
  std::error_code error;
  fs::create_directory(directory_ / name, error);
  fs::permissions(directory_ / name, fs::perms::owner_all, error);
  if (error)
    throw SystemError(format("cannot create \"{}\"", (directory_ / name).native()), error.value());
}

void DrillDirectory::remove(const char* name) const {
  std::error_code ignored;
  fs::remove_all(directory_ / name, ignored);
}

/// Links of tablespaces that lead anywhere but to the directory of the drill's tablespaces.
template <class Visit>
void DrillDirectory::for_each_foreign_link(Visit visit) const {
  const fs::path links = directory_ / "data/pg_tblspc";
  if (!is_real_directory(directory_ / "data") || !is_real_directory(links)) return;
  for (const std::string& name : list_directory(links)) {
    const fs::path link = links / name;
    if (!path_is_link(link)) continue;
    const fs::path target = link_target(link);
    if (!is_inside(target.lexically_normal(), directory_ / "tablespaces")) visit(link, target);
  }
}

/// A drill makes directories there. A link is the work of a server that ran in it, and the next
/// restore would follow it.
void DrillDirectory::remove_tablespace_links() const {
  const fs::path folder = directory_ / "tablespaces";
  if (!is_real_directory(folder)) return;
  for (const std::string& name : list_directory(folder)) {
    if (!is_real_directory(folder / name)) ::unlink((folder / name).c_str());
  }
}

void DrillDirectory::remove_unused_tablespaces(const RestorePlan& plan) const {
  const fs::path folder = directory_ / "tablespaces";
  if (!is_real_directory(folder)) return;
  for (const std::string& name : list_directory(folder)) {
    const bool used =
        std::any_of(plan.tablespaces.begin(), plan.tablespaces.end(),
                    [&](const TablespacePlan& space) { return space.location == folder / name; });
    if (!used) remove(("tablespaces/" + name).c_str());
  }
}

void DrillDirectory::keep() {
  keep_ = true;
  for_each_foreign_link([&](const fs::path& link, const fs::path& target) {
    const fs::path place = directory_ / "root" / target.relative_path();
    ::unlink(link.c_str());
    if (is_real_directory(place) && ::symlink(place.c_str(), link.c_str()) != 0)
      throw SystemError(format("cannot create \"{}\"", link.native()), errno);
  });
}

}  // namespace pgcairn::engine
