#include "config_includes.hpp"
#include "source_file.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/external_config.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

using Status = struct stat;

constexpr std::size_t kMostFiles = 20'000;
constexpr std::size_t kMostFollowed = 1'000;            // files that are looked through
constexpr std::uint64_t kMostFollowedBytes = 4 * kMiB;  // of one of them

std::string words(int error_number) {
  return std::generic_category().message(error_number);
}

bool is_below(const fs::path& directory, const fs::path& path) {
  return std::mismatch(directory.begin(), directory.end(), path.begin(), path.end()).first ==
         directory.end();
}

fs::path followed(const fs::path& path) {
  std::error_code ignored;
  const fs::path found = fs::weakly_canonical(path, ignored);
  return ignored ? path.lexically_normal() : found;
}

/// Without "." and ".."; those are resolved as the file system does, links and all.
fs::path plain(const fs::path& path) {
  const bool climbs = std::find(path.begin(), path.end(), "..") != path.end();
  fs::path result = climbs ? followed(path.parent_path()) / path.filename() : path;
  result = result.lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

bool leads_to_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::string target_of(const fs::path& link) {
  std::error_code ignored;
  return fs::read_symlink(link, ignored).native();
}

struct PathBefore {
  bool operator()(const std::string& a, const std::string& b) const { return path_before(a, b); }
};

class Finder {
 public:
  explicit Finder(const fs::path& data_directory) : data_directory_(data_directory) {}

  void follow(const fs::path& path, ConfigSyntax syntax);
  void add_package_files(const fs::path& config_file);
  void add_tree(const fs::path& path);
  ExternalConfigFiles take();

 private:
  struct Waiting {
    fs::path path;
    ConfigSyntax syntax;
    bool may_be_absent;
  };
  void look_through(const Waiting& item);
  void add_inclusion(const Waiting& from, const Inclusion& inclusion);
  void add_directory(const fs::path& directory, ConfigSyntax syntax);
  Fd open(const fs::path& path, bool may_be_absent);
  void keep(const fs::path& path, FileType type, const Status& status);
  void keep_way_to(const fs::path& path);
  void walk(const fs::path& path);
  void visit(const fs::path& path);
  bool is_data_directory(const fs::path& path) const {
    std::error_code ignored;
    return fs::equivalent(path, data_directory_, ignored);
  }
  void miss(const fs::path& path, std::string_view cause) {
    if (unreadable_.size() < kMostFiles && !is_inside(data_directory_, path))
      unreadable_.emplace(path.native(), cause);
  }

  fs::path data_directory_;
  std::deque<Waiting> waiting_;
  std::set<fs::path> followed_;
  std::map<std::string, SourceFile, PathBefore> found_;
  std::map<std::string, std::string, PathBefore> unreadable_;
};

void Finder::keep(const fs::path& path, FileType type, const Status& status) {
  if (found_.size() >= kMostFiles) {
    throw Error(
        format("more than {} files outside of the data directory would be backed up", kMostFiles),
        "include-path is meant for configuration: name smaller directories");
  }
  SourceFile file = source_file(type, status);
  file.path = path.native();
  file.source = path;
  file.link_target = target_of(path);
  found_.insert_or_assign(file.path, std::move(file));
}

void Finder::keep_way_to(const fs::path& path) {
  fs::path above;
  for (const fs::path& part : path.parent_path()) {
    above /= part;
    if (above == path.root_path()) continue;
    const auto known = found_.find(above.native());
    if (known != found_.end() && known->second.type == FileType::directory) continue;
    Status status{};
    if (::stat(above.c_str(), &status) == 0) keep(above, FileType::directory, status);
  }
}

/// Opens a file and keeps it; one in the data directory is only opened. Nothing when it cannot be
/// read.
Fd Finder::open(const fs::path& path, bool may_be_absent) {
  Status status{};
  if (::stat(path.c_str(), &status) != 0) {
    if (!may_be_absent || errno != ENOENT) miss(path, words(errno));
    return {};
  }
  if (!S_ISREG(status.st_mode)) {  // opening a pipe would wait for its writer
    miss(path, "not a regular file");
    return {};
  }
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    miss(path, words(errno));
    return {};
  }
  if (!is_inside(data_directory_, path)) {
    keep_way_to(path);
    keep(path, FileType::regular, status);
  }
  return fd;
}

void Finder::follow(const fs::path& path, ConfigSyntax syntax) {
  waiting_.push_back({path, syntax, false});
  while (!waiting_.empty()) {
    const Waiting item = std::move(waiting_.front());
    waiting_.pop_front();
    look_through(item);
  }
}

void Finder::look_through(const Waiting& item) {
  const fs::path path = plain(item.path);
  if (!followed_.insert(path).second) return;
  if (followed_.size() > kMostFollowed)
    return miss(path, format("more than {} files include each other", kMostFollowed));
  const Fd fd = open(path, item.may_be_absent);
  if (!fd) return;
  std::string text(kMostFollowedBytes, '\0');
  try {
    if (static_cast<std::uint64_t>(stat_of(fd, path).st_size) > text.size())
      log_warn(format("\"{}\" is too long to be searched for includes", path.native()));
    text.resize(read_at(fd, std::as_writable_bytes(std::span(text)), 0, path));
  } catch (const SystemError& error) {
    found_.erase(path.native());
    return miss(path, words(error.error_number()));
  }
  for (const Inclusion& inclusion : inclusions(item.syntax, text)) add_inclusion(item, inclusion);
}

void Finder::add_inclusion(const Waiting& from, const Inclusion& inclusion) {
  // From where the file is named, not from where a link leads (AbsoluteConfigLocation).
  const fs::path path = from.path.parent_path() / inclusion.path;
  if (inclusion.form == Inclusion::Form::directory) return add_directory(path, from.syntax);
  waiting_.push_back({path, from.syntax, inclusion.form == Inclusion::Form::if_exists});
}

/// The files that the server takes from a directory (GetConfFilesInDir, conffiles.c), and the
/// directory itself: the server does not start without it, even if it is empty.
void Finder::add_directory(const fs::path& directory, ConfigSyntax syntax) {
  try {
    const std::vector<std::string> names = list_directory(directory);
    if (!is_inside(data_directory_, directory)) keep_way_to(plain(directory) / ".");
    for (const std::string& name : names) {
      const fs::path path = directory / name;
      if (name.starts_with('.') || !name.ends_with(".conf") || leads_to_directory(path)) continue;
      waiting_.push_back({path, syntax, false});
    }
  } catch (const SystemError& error) {
    miss(plain(directory), words(error.error_number()));
  }
}

/// What Debian's postgresql-common keeps beside postgresql.conf: whether and how to start the
/// cluster. Without start.conf it is not that package's directory.
void Finder::add_package_files(const fs::path& config_file) {
  const fs::path directory = plain(config_file).parent_path();
  if (is_inside(data_directory_, directory / "start.conf")) return;
  if (!open(directory / "start.conf", true)) return;
  for (const char* const name : {"environment", "pg_ctl.conf"}) open(directory / name, true);
}

void Finder::add_tree(const fs::path& named) {
  const fs::path path = plain(named);
  if (is_inside(data_directory_, path) || is_data_directory(path)) {
    log_detail(format("\"{}\" is in the data directory, and backed up with it", path.native()));
    return;
  }
  Status status{};
  if (::stat(path.c_str(), &status) != 0) return miss(path, words(errno));
  if (!S_ISDIR(status.st_mode)) {
    open(path, false);
    return;
  }
  keep_way_to(path / ".");
  walk(path);
}

void Finder::walk(const fs::path& path) {
  try {
    for (const std::string& name : list_directory(path)) visit(path / name);
  } catch (const SystemError& error) {
    miss(path, words(error.error_number()));
  }
}

void Finder::visit(const fs::path& path) {
  Status link{};
  Status status{};
  if (::lstat(path.c_str(), &link) != 0 || ::stat(path.c_str(), &status) != 0)
    return miss(path, words(errno));
  if (!S_ISDIR(status.st_mode)) {
    open(path, true);
  } else if (S_ISLNK(link.st_mode)) {
    if (!found_.contains(path.native())) keep(path, FileType::link, link);
  } else if (!is_data_directory(path)) {
    keep(path, FileType::directory, status);
    walk(path);
  }
}

ExternalConfigFiles Finder::take() {
  ExternalConfigFiles all;
  for (auto& [path, file] : found_) all.files.push_back(std::move(file));
  for (const auto& [path, cause] : unreadable_) all.unreadable.push_back({path, cause});
  return all;
}

}  // namespace

bool is_inside(const fs::path& data_directory, const fs::path& path) {
  return is_below(data_directory.lexically_normal(), path.lexically_normal()) ||
         is_below(followed(data_directory), followed(path.parent_path()));
}

ExternalConfigFiles find_external_config(const ConfigPlaces& places, const fs::path& data_directory,
                                         const std::vector<fs::path>& extra) {
  Finder finder(data_directory);
  finder.follow(places.config_file, ConfigSyntax::settings);
  finder.follow(places.hba_file, ConfigSyntax::rules);
  finder.follow(places.ident_file, ConfigSyntax::rules);
  finder.add_package_files(places.config_file);
  for (const fs::path& path : extra) finder.add_tree(path);
  return finder.take();
}

}  // namespace pgcairn::postgres
