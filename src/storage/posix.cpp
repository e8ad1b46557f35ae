#include "posix_system.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::storage {

namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;
// How often a directory may vanish under a put (because another run pruned it) before that is odd.
constexpr int kMostVanishings = 100;
constexpr std::size_t kMostReadyDirectories = 4096;

class Posix final : public Driver {
 public:
  explicit Posix(const fs::path& root) : root_(root.has_filename() ? root : root.parent_path()) {}

  std::string describe() const override { return format("directory \"{}\"", root_.native()); }
  Features features() const override {
    return {.create_only = true, .strong_listing = true, .connections = 8};
  }

  bool put(std::string_view key, Bytes body, IfExists if_exists) override;
  bool get(std::string_view key, Range range, Buffer& out) override;
  std::optional<Object> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override;
  std::vector<std::string> folders(std::string_view prefix) override;
  void remove(std::span<const std::string> keys) override;

 private:
  template <class Action>
  decltype(auto) at_border(Action&& action);
  [[noreturn]] void rethrow(const SystemError& error) const;

  fs::path path_of(std::string_view key) const { return root_ / key; }
  void note_root();
  void check_root();
  [[noreturn]] void blocked(std::string_view verb, const fs::path& path) const;
  std::optional<struct stat> examine(const fs::path& path, int flags = 0) const;

  void make_ready(const fs::path& directory);
  bool make_one_ready(const fs::path& directory);
  void forget_ready();
  bool is_taken(const fs::path& target) const;
  bool publish(const fs::path& target, Bytes body);
  std::optional<bool> try_publish(const fs::path& target, Bytes body);

  std::optional<std::vector<Entry>> entries_of(const fs::path& directory);
  void walk(const std::string& directory_key, std::string_view name_prefix,
            const std::function<void(const Object&)>& visit);
  void remove_one(const std::string& key, std::set<fs::path>& touched);
  fs::path prune(const fs::path& directory);

  fs::path root_;
  std::mutex ready_mutex_;    // held while directories are made and synced: others wait for that
  std::set<fs::path> ready_;  // directories whose names are durable
  std::mutex seen_mutex_;
  std::optional<std::pair<dev_t, ino_t>> seen_;  // the root, once it was there
};

/// Turns what the system says into what the contract says.
template <class Action>
decltype(auto) Posix::at_border(Action&& action) {
  try {
    return action();
  } catch (const SystemError& error) {
    rethrow(error);
  }
}

void Posix::rethrow(const SystemError& error) const {
  const int number = error.error_number();
  std::string hint = error.hint();
  if (number == ENOSPC || number == EDQUOT) {
    hint = format("free space under \"{}\" or keep fewer backups", root_.native());
  } else if (number == EACCES || number == EPERM) {
    hint = format("the user that runs pgcairn needs to read and write everything below \"{}\"",
                  root_.native());
  } else if (number == EROFS) {
    hint = format("mount the file system of \"{}\" for writing", root_.native());
  }
  const auto with_context = [&](auto changed) {
    for (const std::string& line : error.context()) changed.add_context(line);
    return changed;
  };
  if (is_transient(number)) throw with_context(TransientError(error.message(), hint));
  SystemError changed = error;
  changed.set_hint(std::move(hint));
  throw changed;
}

/// Remembers which directory the root is, so that check_root() can tell.
void Posix::note_root() {
  std::lock_guard lock(seen_mutex_);
  if (seen_) return;
  if (const auto status = status_of(root_)) seen_.emplace(status->st_dev, status->st_ino);
}

/// Absent is certain only in the directory that we know.
void Posix::check_root() {
  std::lock_guard lock(seen_mutex_);
  if (!seen_) return;
  const auto status = status_of(root_);
  if (status && std::pair(status->st_dev, status->st_ino) == *seen_) return;
  throw Error(
      format("cannot rely on \"{}\": it is no longer the directory that it was", root_.native()),
      "mount the file system of the repository again");
}

void Posix::blocked(std::string_view verb, const fs::path& path) const {
  fs::path part = root_;
  const fs::path rest = path.lexically_relative(root_);
  for (auto name = rest.begin(); name != rest.end(); ++name) {
    const auto status = status_of(part);
    if (status && !S_ISDIR(status->st_mode)) break;
    part /= *name;
  }
  throw Error(
      format("cannot {} \"{}\": \"{}\" is not a directory", verb, path.native(), part.native()));
}

std::optional<struct stat> Posix::examine(const fs::path& path, int flags) const {
  try {
    return status_of(path, flags);
  } catch (const SystemError& error) {
    if (error.error_number() == ENOTDIR) blocked("examine", path);
    throw;
  }
}

// --- put
// ------------------------------------------------------------------------------------------

/// Makes `directory` and what is missing above it up to the root, all durable.
void Posix::make_ready(const fs::path& directory) {
  std::lock_guard lock(ready_mutex_);
  if (ready_.contains(directory)) return;
  if (ready_.size() >= kMostReadyDirectories) ready_.clear();
  std::vector<fs::path> missing;
  for (fs::path at = directory; !ready_.contains(at); at = at.parent_path()) {
    missing.push_back(at);
    if (at == root_) break;
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    // False: what is above it was pruned meanwhile. The caller finds no directory and comes again.
    if (!make_one_ready(*at)) {
      ready_.clear();
      return;
    }
    ready_.insert(*at);
  }
}

bool Posix::make_one_ready(const fs::path& directory) {
  const fs::path parent = directory.has_parent_path() ? directory.parent_path() : fs::path(".");
  const bool is_root = directory == root_;
  if (const auto status = examine(directory)) {
    if (!S_ISDIR(status->st_mode)) blocked("write below", directory / "");
    // An old root belongs to the administrator, whose directory above it may be closed to us.
    if (!is_young_directory(directory) || is_root) return true;
  } else if (::mkdir(directory.c_str(), kDirectoryMode) == 0) {
    // Above the root is no directory of a repository, whose owner would say anything.
    if (!is_root) {
      const auto made = open_if_exists(directory, O_RDONLY | O_DIRECTORY);
      if (!made || !give_to_owner_of(parent, *made, directory)) return false;
    }
  } else if (errno != EEXIST) {
    const int error_number = errno;
    if (error_number == ENOENT && !is_root) return false;
    if (error_number == ENOTDIR) blocked("create", directory);
    throw SystemError(
        format("cannot create \"{}\"", directory.native()), error_number,
        error_number == ENOENT
            ? format("make \"{}\" first, or mount what belongs there", parent.native())
            : std::string());
  }
  return sync_directory_if_exists(parent);
}

void Posix::forget_ready() {
  std::lock_guard lock(ready_mutex_);
  ready_.clear();
}

bool Posix::is_taken(const fs::path& target) const {
  // One look decides: another put may come between two.
  const auto status = examine(target, AT_SYMLINK_NOFOLLOW);
  if (!status) return false;
  const auto behind = S_ISLNK(status->st_mode) ? examine(target) : status;
  if (!behind) throw Error(format("cannot write \"{}\": it is a link to nothing", target.native()));
  if (S_ISDIR(behind->st_mode))
    throw Error(format("cannot write \"{}\": it is a directory", target.native()));
  return true;
}

/// True when the object was created, false when it exists, nothing when its directory vanished.
std::optional<bool> Posix::try_publish(const fs::path& target, Bytes body) {
  const fs::path directory = target.parent_path();
  make_ready(directory);
  // Who made an object may have died before its name was durable. Whoever relies on it (a WAL
  // segment pushed again) syncs it once more.
  const auto exists = [&]() -> std::optional<bool> {
    return sync_directory_if_exists(directory) ? std::optional(false) : std::nullopt;
  };
  if (is_taken(target)) return exists();

  auto file = Unfinished::create(directory, kFileMode);
  if (!file) return std::nullopt;
  write_all(file->fd(), body, target);
  fsync_file(file->fd(), target);
  file->fd().close(target);
  switch (file->publish(target)) {
    case Unfinished::Outcome::published:
      sync_directory_if_exists(directory);
      return true;
    case Unfinished::Outcome::exists:
      if (is_taken(target)) return exists();
      return std::nullopt;  // it was removed at once: ours may have the name
    case Unfinished::Outcome::unsupported:
      break;
  }
  throw Error(format("cannot store objects in \"{}\": its file system ({}) has neither "
                     "renameat2(RENAME_NOREPLACE) nor hard links",
                     root_.native(), file_system_name(root_)),
              "put the repository on a file system that has one of them");
}

bool Posix::publish(const fs::path& target, Bytes body) {
  for (int i = 0; i < kMostVanishings; ++i) {
    if (const auto created = try_publish(target, body)) return *created;
    forget_ready();
  }
  throw TransientError(
      format("cannot write \"{}\": its directory is removed again and again", target.native()));
}

bool Posix::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  const fs::path target = path_of(key);
  note_root();
  if (at_border([&] { return publish(target, body); })) return true;
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\": it exists already", target.native()));
}

// --- get, stat
// ------------------------------------------------------------------------------------

bool Posix::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  out.clear();
  return at_border([&] {
    note_root();
    const fs::path path = path_of(key);
    const auto status = examine(path);
    // O_NONBLOCK: opening a pipe that somebody left here must not wait for a writer.
    const auto fd = status && !S_ISDIR(status->st_mode)
                        ? open_if_exists(path, O_RDONLY | O_NONBLOCK)
                        : std::nullopt;
    if (!fd) {
      check_root();
      return false;
    }
    const struct stat opened = stat_of(*fd, path);
    if (!S_ISREG(opened.st_mode))
      throw Error(format("cannot read \"{}\": it is not a regular file", path.native()));
    const auto size = static_cast<std::uint64_t>(opened.st_size);
    if (range.offset_bytes >= size) return true;
    out.resize(std::min(range.length_bytes, size - range.offset_bytes));
    out.resize(read_at(*fd, out.writable(), range.offset_bytes, path));
    return true;
  });
}

std::optional<Object> Posix::stat(std::string_view key) {
  check_key(key);
  return at_border([&]() -> std::optional<Object> {
    note_root();
    const auto status = examine(path_of(key));
    if (!status || S_ISDIR(status->st_mode)) {
      check_root();
      return std::nullopt;
    }
    const auto modified = std::chrono::seconds(status->st_mtim.tv_sec) +
                          std::chrono::microseconds(status->st_mtim.tv_nsec / 1000);
    return Object{std::string(key), static_cast<std::uint64_t>(status->st_size),
                  Timestamp(modified)};
  });
}

// --- list
// -----------------------------------------------------------------------------------------

void Posix::list(std::string_view prefix, const std::function<void(const Object&)>& visit) {
  check_prefix(prefix);
  at_border([&] { note_root(); });
  const std::size_t slash = prefix.rfind('/');
  const std::size_t cut = slash == std::string_view::npos ? 0 : slash + 1;
  walk(std::string(prefix.substr(0, cut)), prefix.substr(cut), visit);
  at_border([&] { check_root(); });
}

std::vector<std::string> Posix::folders(std::string_view prefix) {
  check_folder(prefix);
  at_border([&] { note_root(); });
  std::vector<std::string> names;
  for (Entry& entry : entries_of(root_ / prefix).value_or(std::vector<Entry>())) {
    if (!entry.ends_with('/')) continue;
    entry.pop_back();
    names.push_back(std::move(entry));
  }
  at_border([&] { check_root(); });
  return names;
}

/// What is in a directory; nothing when it is not there.
std::optional<std::vector<Entry>> Posix::entries_of(const fs::path& directory) {
  return at_border([&] {
    try {
      return scan_directory(directory);
    } catch (const SystemError& error) {
      if (error.error_number() == ENOTDIR) blocked("list", directory);
      throw;
    }
  });
}

/// `directory_key` is empty or ends with '/'. Holds the names of the directories on the way down,
/// no more.
void Posix::walk(const std::string& directory_key, std::string_view name_prefix,
                 const std::function<void(const Object&)>& visit) {
  const auto entries = entries_of(root_ / directory_key);
  if (!entries) return;
  for (const Entry& entry : *entries) {
    if (!entry.starts_with(name_prefix)) continue;
    const std::string key = directory_key + entry;
    if (entry.ends_with('/')) {
      walk(key, {}, visit);
    } else if (const auto object = stat(key)) {  // not when it was removed meanwhile
      visit(*object);
    }
  }
}

// --- remove
// ---------------------------------------------------------------------------------------

void Posix::remove_one(const std::string& key, std::set<fs::path>& touched) {
  const fs::path path = path_of(key);
  if (::unlink(path.c_str()) != 0) {
    const int error_number = errno;
    if (error_number == ENOTDIR) blocked("remove", path);
    // A directory is no object: absent.
    if (error_number != ENOENT && error_number != EISDIR)
      throw SystemError(format("cannot remove \"{}\"", path.native()), error_number);
  }
  touched.insert(path.parent_path());
}

/// Removes `directory` and those above it, up to the root, as far as they are empty; the first that
/// stays. Only that one is to be made durable: what was in the others is gone with their names.
fs::path Posix::prune(const fs::path& directory) {
  sweep_unfinished(directory);
  fs::path at = directory;
  // A put may have come first, or another run: both are well. That an emptied directory stays
  // because it may not be removed harms nobody either.
  while (at != root_ && (::rmdir(at.c_str()) == 0 || errno == ENOENT)) at = at.parent_path();
  return at;
}

void Posix::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  at_border([&] { note_root(); });
  std::set<fs::path> touched;
  std::exception_ptr first;
  std::size_t failures = 0;
  const auto attempt = [&](auto&& action) {
    try {
      at_border(action);
    } catch (const Error&) {
      if (!first) first = std::current_exception();
      ++failures;
    }
  };
  for (const std::string& key : keys) {
    attempt([&] { remove_one(key, touched); });
  }
  std::set<fs::path> left;
  for (const fs::path& directory : touched) {
    attempt([&] { left.insert(prune(directory)); });
  }
  for (const fs::path& directory : left) {
    attempt([&] { sync_directory_if_exists(directory); });
  }
  forget_ready();
  attempt([&] { check_root(); });
  if (!first) return;
  if (keys.size() == 1) std::rethrow_exception(first);
  doing([&] { return format("removing {} objects, of which {} failed", keys.size(), failures); },
        [&] { std::rethrow_exception(first); });
}

}  // namespace

std::unique_ptr<Driver> make_posix(fs::path root) {
  return std::make_unique<Posix>(root);
}

}  // namespace pgcairn::storage
