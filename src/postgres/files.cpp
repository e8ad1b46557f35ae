#include "source_file.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/excluded.hpp>
#include <pgcairn/postgres/files.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

// Kept as empty directories (basebackup.c excludeDirContents). pg_wal is one of them, with
// sub-directories.
constexpr std::string_view kEmptyDirectories[] = {
    "pg_dynshmem",  "pg_notify",   "pg_replslot", "pg_serial",
    "pg_snapshots", "pg_stat_tmp", "pg_subtrans",
};

// Left out wherever they stand (basebackup.c excludeFiles).
constexpr std::string_view kExcludedFiles[] = {
    "postgresql.auto.conf.tmp",
    "current_logfiles.tmp",
    "backup_label",
    "tablespace_map",
    "backup_manifest",
    "postmaster.pid",
    "postmaster.opts",
    ".DS_Store",
    "lost+found",  // root's, at the top of each file system
};
constexpr std::string_view kExcludedPrefixes[] = {"pgsql_tmp", "pg_internal.init"};

// Left out at the top: they say what one start of one server was to do, not what the cluster is.
constexpr std::string_view kExcludedAtTop[] = {"recovery.signal", "standby.signal", kRestoreMark,
                                               kWitnessFile};

template <class List, class Value>
bool contains(const List& list, const Value& value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

bool is_core_file(std::string_view name) {
  return name == "core" || (name.starts_with("core.") && is_digits(name.substr(5)));
}

bool is_excluded(std::string_view name, bool at_top) {
  for (const std::string_view prefix : kExcludedPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  if (contains(kExcludedFiles, name) || name.ends_with(kTemporarySuffix)) return true;
  return at_top && (contains(kExcludedAtTop, name) || is_core_file(name));
}

// Takes decimal digits from the front.
std::string_view take_digits(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// A number from 1 to 2^32-1, without leading zeros.
std::optional<std::uint32_t> positive_u32(std::string_view digits) {
  if (digits.empty() || digits.front() == '0') return std::nullopt;
  const auto value = parse_u64(digits);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

std::optional<RelationFile::Fork> take_fork(std::string_view& text) {
  using Fork = RelationFile::Fork;
  static constexpr std::pair<std::string_view, Fork> forks[] = {
      {"_fsm", Fork::fsm}, {"_vm", Fork::vm}, {"_init", Fork::init}};
  if (!text.starts_with('_')) return Fork::main;
  for (const auto& [name, fork] : forks) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return fork;
  }
  return std::nullopt;
}

}  // namespace

std::optional<RelationFile> parse_relation_file(std::string_view name) {
  RelationFile relation;
  const auto number = positive_u32(take_digits(name));
  const auto fork = take_fork(name);
  if (!number || !fork) return std::nullopt;
  relation.relfilenode = *number;
  relation.fork = *fork;
  if (name.empty()) return relation;
  if (!name.starts_with('.')) return std::nullopt;
  name.remove_prefix(1);
  const auto segment = positive_u32(take_digits(name));
  if (!segment || !name.empty()) return std::nullopt;
  relation.segment = *segment;
  return relation;
}

std::string relation_path(std::string_view file, const RelationFile& relation) {
  return format("{}{}", file.substr(0, file.rfind('/') + 1), relation.relfilenode);
}

bool is_temporary_relation(std::string_view name) {
  // looks_like_temp_rel_name, fd.c
  if (!name.starts_with('t')) return false;
  name.remove_prefix(1);
  if (take_digits(name).empty() || !name.starts_with('_')) return false;
  name.remove_prefix(1);
  if (take_digits(name).empty() || !take_fork(name)) return false;
  if (name.empty()) return true;
  if (!name.starts_with('.')) return false;
  name.remove_prefix(1);
  return !take_digits(name).empty() && name.empty();
}

bool path_before(std::string_view a, std::string_view b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_b == b.end()) return false;
  if (in_a == a.end()) return true;
  // The end of a part comes before any byte that goes on with it.
  if (*in_a == '/' || *in_b == '/') return *in_a == '/';
  return static_cast<unsigned char>(*in_a) < static_cast<unsigned char>(*in_b);
}

namespace {

using Status = struct stat;

// The names in one directory, sorted by byte value, in one run of memory: a database with a
// million files must not cost a million strings.
class Names {
 public:
  explicit Names(DIR* directory, const fs::path& path) {
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(directory);
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      starts_.push_back(static_cast<std::uint32_t>(text_.size()));
      text_.append(name).push_back('\0');
    }
    if (errno != 0) throw SystemError(format("cannot list \"{}\"", path.native()), errno);
    std::sort(starts_.begin(), starts_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return at(a) < at(b); });
  }
  std::size_t size() const { return starts_.size(); }
  std::string_view operator[](std::size_t i) const { return at(starts_[i]); }

 private:
  std::string_view at(std::uint32_t start) const { return text_.c_str() + start; }
  std::string text_;
  std::vector<std::uint32_t> starts_;
};

class Directory {
 public:
  /// Nothing when it is gone.
  static std::optional<Directory> open(const fs::path& path) {
    Directory directory(::opendir(path.c_str()));
    if (directory.handle_ != nullptr) return directory;
    if (errno == ENOENT) return std::nullopt;
    throw SystemError(format("cannot open directory \"{}\"", path.native()), errno,
                      "run pgcairn as the user that runs PostgreSQL");
  }
  explicit Directory(DIR* handle) : handle_(handle) {}
  Directory(Directory&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Directory& operator=(Directory&&) = delete;
  ~Directory() {
    if (handle_ != nullptr) ::closedir(handle_);
  }
  DIR* handle() const { return handle_; }
  Status status(const fs::path& path) const {
    Status found{};
    if (::fstat(::dirfd(handle_), &found) != 0)
      throw SystemError(format("cannot examine \"{}\"", path.native()), errno);
    return found;
  }

 private:
  DIR* handle_;
};

// What stands at `path`, through links or not; nothing when it is gone.
std::optional<Status> look(const fs::path& path, bool follow) {
  Status found{};
  const int result = follow ? ::stat(path.c_str(), &found) : ::lstat(path.c_str(), &found);
  if (result == 0) return found;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  if (errno == ELOOP) return std::nullopt;
  throw SystemError(format("cannot examine \"{}\"", path.native()), errno);
}

std::string read_link(const fs::path& path) {
  std::string target(4096, '\0');
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length < 0) throw SystemError(format("cannot read link \"{}\"", path.native()), errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

// One walk over a cluster.
class Scan {
 public:
  Scan(const fs::path& root, int major, std::uint32_t catalog_version,
       const std::function<void(SourceFile&&)>& visit, std::span<const std::string> exclude)
      : root_(root),
        version_directory_(format("PG_{}_{}", major, catalog_version)),
        major_(major),
        visit_(visit),
        exclude_(exclude) {}

  /// What of `exclude` was met.
  std::vector<std::string> run() {
    const auto status = look(root_, true);
    if (!status)
      throw SystemError(format("cannot examine \"{}\"", root_.native()), ENOENT,
                        "check pg-path in the configuration");
    find_tablespaces();
    walk("", Place::top);
    return std::move(left_out_);
  }

 private:
  // What the rules say of a directory's content.
  enum class Place {
    top,
    plain,
    global,      // shared relations
    databases,   // base, or a tablespace's PG_<major>_<catalog>: databases by their OID
    database,    // relations
    tablespaces  // pg_tblspc
  };
  struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
  };
  static Identity identity_of(const Status& status) { return {status.st_dev, status.st_ino}; }

  fs::path source(const std::string& path) const { return root_ / path; }

  void emit(std::string path, FileType type, const Status& status,
            std::optional<RelationFile> relation = {}, std::string link_target = {}) {
    SourceFile file = source_file(type, status);
    file.source = source(path);
    file.path = std::move(path);
    file.link_target = std::move(link_target);
    file.relation = relation;
    visit_(std::move(file));
  }

  std::optional<Directory> open_directory(const std::string& path) const {
    try {
      return Directory::open(source(path));
    } catch (SystemError& error) {
      if (error.error_number() == EACCES) error.set_hint(unreadable_hint(root_, path));
      throw;
    }
  }
  void find_tablespaces();
  void walk(const std::string& path, Place place);
  void enter(const std::string& path, std::string_view name, Place place, const Status& status);
  void visit_entry(const std::string& path, std::string_view name, Place place,
                   const std::vector<std::uint32_t>& unlogged);
  void visit_wal(const Status& status);
  void visit_tablespace(const std::string& path);

  const fs::path root_;
  const std::string version_directory_;
  const int major_;
  const std::function<void(SourceFile&&)>& visit_;
  const std::span<const std::string> exclude_;
  std::vector<std::string> left_out_;
  std::vector<Identity> tablespaces_;  // the directories that links in pg_tblspc lead to
  std::vector<Identity> open_;         // those that the walk is in
  std::string link_;                   // where the entry in hand leads, when it is a link
};

void Scan::find_tablespaces() {
  const fs::path path = root_ / "pg_tblspc";
  const auto directory = Directory::open(path);
  if (!directory) return;
  const Names names(directory->handle(), path);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto link = look(path / names[i], false);
    if (!link || !S_ISLNK(link->st_mode)) continue;
    const auto target = look(path / names[i], true);
    if (target) tablespaces_.push_back(identity_of(*target));
  }
}

// The relations in a directory that have an init fork: those are unlogged.
std::vector<std::uint32_t> unlogged_relations(const Names& names) {
  std::vector<std::uint32_t> unlogged;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto relation = parse_relation_file(names[i]);
    if (relation && relation->fork == RelationFile::Fork::init)
      unlogged.push_back(relation->relfilenode);
  }
  std::sort(unlogged.begin(), unlogged.end());
  return unlogged;
}

void Scan::walk(const std::string& path, Place place) {
  std::optional<Names> names;
  {
    const auto directory = open_directory(path);
    if (!directory) return;
    const Identity identity = identity_of(directory->status(source(path)));
    if (contains(open_, identity)) {
      log_warn(format("left out the content of \"{}\": the link points to a directory above it",
                      source(path).native()));
      return;
    }
    open_.push_back(identity);
    names.emplace(directory->handle(), source(path));
  }
  std::vector<std::uint32_t> unlogged;
  if (place == Place::database) unlogged = unlogged_relations(*names);
  for (std::size_t i = 0; i < names->size(); ++i) {
    visit_entry(path.empty() ? std::string((*names)[i]) : format("{}/{}", path, (*names)[i]),
                (*names)[i], place, unlogged);
  }
  open_.pop_back();
}

void Scan::visit_entry(const std::string& path, std::string_view name, Place place,
                       const std::vector<std::uint32_t>& unlogged) {
  if (is_excluded(name, place == Place::top)) {
    log_debug(format("left out \"{}\"", path));
    return;
  }
  if (contains(exclude_, path)) {
    left_out_.push_back(path);
    return;
  }
  if (place == Place::tablespaces && positive_u32(name)) {
    visit_tablespace(path);
    return;
  }
  if (place == Place::global && name == "pg_control") return;
  std::optional<RelationFile> relation;
  if (place == Place::database || place == Place::global) relation = parse_relation_file(name);
  if (place == Place::database) {
    if (is_temporary_relation(name)) return;
    if (relation && relation->fork != RelationFile::Fork::init &&
        std::binary_search(unlogged.begin(), unlogged.end(), relation->relfilenode))
      return;
  }
  auto status = look(source(path), false);
  if (!status) return;
  link_.clear();
  const Status link = *status;
  if (S_ISLNK(link.st_mode)) {
    link_ = read_link(source(path));
    status = look(source(path), true);
  }
  if (!status) {
    // Debian once linked pg_stat_tmp to a directory of /run that goes away with the machine.
    if (place == Place::top && contains(kEmptyDirectories, name)) {
      Status directory = link;
      link_.clear();
      directory.st_mode = S_IFDIR | 0700;
      emit(path, FileType::directory, directory);
    } else {
      log_warn(format("left out \"{}\": a dangling link", source(path).native()));
    }
    return;
  }
  if (S_ISDIR(status->st_mode)) {
    enter(path, name, place, *status);
  } else if (S_ISREG(status->st_mode)) {
    emit(path, FileType::regular, *status, relation, std::exchange(link_, {}));
  } else {
    log_warn(format("left out \"{}\": neither a file nor a directory", source(path).native()));
  }
}

void Scan::enter(const std::string& path, std::string_view name, Place place,
                 const Status& status) {
  if (place == Place::top && name == "pg_wal") return visit_wal(status);
  if (place == Place::top && contains(kEmptyDirectories, name))
    return emit(path, FileType::directory, status, {}, std::exchange(link_, {}));
  if (contains(tablespaces_, identity_of(status))) {
    log_debug(format("skipped \"{}\": it is backed up below pg_tblspc", path));
    return;
  }
  Place inside = Place::plain;
  if (place == Place::top && name == "global") inside = Place::global;
  if (place == Place::top && name == "base") inside = Place::databases;
  if (place == Place::top && name == "pg_tblspc") inside = Place::tablespaces;
  if (place == Place::databases && is_digits(name)) inside = Place::database;
  emit(path, FileType::directory, status, {}, std::exchange(link_, {}));
  walk(path, inside);
}

void Scan::visit_wal(const Status& status) {
  emit("pg_wal", FileType::directory, status, {}, std::exchange(link_, {}));
  for (const char* const name : {"archive_status", "summaries"}) {
    if (name == std::string_view("summaries") && major_ < 17) continue;
    const std::string path = format("pg_wal/{}", name);
    const auto found = look(source(path), true);
    emit(path, FileType::directory, found && S_ISDIR(found->st_mode) ? *found : status);
  }
}

void Scan::visit_tablespace(const std::string& path) {
  const std::string inside = format("{}/{}", path, version_directory_);
  for (int attempt = 0;; ++attempt) {
    const auto status = look(source(path), false);
    if (!status) return;  // dropped
    const auto target = look(source(path), true);
    const auto databases = look(source(inside), true);
    if (target && databases && S_ISDIR(databases->st_mode)) {
      if (S_ISLNK(status->st_mode)) {
        emit(path, FileType::link, *target, {}, read_link(source(path)));
      } else {
        emit(path, FileType::directory, *target);  // an in-place tablespace (15 on)
      }
      emit(inside, FileType::directory, *databases);
      return walk(inside, Place::databases);
    }
    // DROP TABLESPACE takes the directory before the link. A link that stays leads to a file system
    // that is not mounted: what it holds would be missing from the backup.
    if (attempt == 10) {
      throw Error(format("cannot back up tablespace \"{}\": \"{}\" is not there", path,
                         source(inside).native()),
                  "mount the tablespace's file system, or drop the tablespace");
    }
    sleep_for(milliseconds(50), {});
  }
}

}  // namespace

std::vector<std::string> scan_cluster(const std::filesystem::path& data_directory, int major,
                                      std::uint32_t catalog_version,
                                      const std::function<void(SourceFile&&)>& visit,
                                      std::span<const std::string> exclude) {
  return Scan(data_directory, major, catalog_version, visit, exclude).run();
}

namespace {

/// Of one directory's databases.
void find_unlogged_in(const fs::path& root, const std::string& databases,
                      const std::function<void(std::string&&)>& visit) {
  const auto directory = Directory::open(root / databases);
  if (!directory) return;
  const Names names(directory->handle(), root / databases);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!is_digits(names[i])) continue;
    const std::string path = format("{}/{}", databases, names[i]);
    const auto database = Directory::open(root / path);
    if (!database) continue;
    for (const std::uint32_t relation : unlogged_relations(Names(database->handle(), root / path)))
      visit(format("{}/{}", path, relation));
  }
}

}  // namespace

void find_unlogged(const std::filesystem::path& data_directory, int major,
                   std::uint32_t catalog_version, const std::function<void(std::string&&)>& visit) {
  find_unlogged_in(data_directory, "base", visit);
  const fs::path spaces = data_directory / "pg_tblspc";
  const auto directory = Directory::open(spaces);
  if (!directory) return;
  const Names names(directory->handle(), spaces);
  for (std::size_t i = 0; i < names.size(); ++i) {
    find_unlogged_in(data_directory,
                     format("pg_tblspc/{}/PG_{}_{}", names[i], major, catalog_version), visit);
  }
}

}  // namespace pgcairn::postgres
