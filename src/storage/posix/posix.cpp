#include "posix/directory_io.hpp"
#include "posix/reserve.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <atomic>
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
  Posix(const fs::path& root, const UsesReserve& uses_reserve)
      : root_(root.has_filename() ? root : root.parent_path()),
        reserve_(root_),
        uses_reserve_(uses_reserve) {}

  std::string describe() const override {
    return format("directory \"{}\"", root_.path().native());
  }
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

  [[noreturn]] void blocked(std::string_view verb, const fs::path& below) const;
  bool hold_root();
  std::optional<struct stat> examine(const fs::path& below, int flags = 0) const;

  void make_ready(const fs::path& directory);
  bool make_one_ready(const fs::path& directory);
  void forget_ready();
  bool is_taken(const fs::path& target) const;
  void make_root();
  bool publish(const fs::path& target, Bytes body);
  bool publish_with_reserve(std::string_view key, Bytes body);
  std::optional<bool> try_publish(const fs::path& target, Bytes body);

  std::optional<std::vector<Entry>> entries_of(const fs::path& directory);
  void walk(const std::string& directory_key, std::string_view name_prefix,
            const std::function<void(const Object&)>& visit);
  void remove_one(const std::string& key, std::set<fs::path>& touched);
  fs::path prune(const fs::path& directory);

  // Paths are those below the root.
  Root root_;
  Reserve reserve_;
  const UsesReserve uses_reserve_;
  std::mutex ready_mutex_;    // held while directories are made and synced: others wait for that
  std::set<fs::path> ready_;  // directories whose names are durable
  // Once the medium has failed, what is asked for is read from it, and not from memory.
  std::atomic<bool> medium_failed_ = false;
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
    hint = format("free space under \"{}\" or keep fewer backups", root_.path().native());
  } else if (number == EACCES || number == EPERM) {
    hint = format("the user that runs pgcairn needs to read and write everything below \"{}\"",
                  root_.path().native());
  } else if (number == EROFS) {
    hint = format("mount the file system of \"{}\" for writing", root_.path().native());
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

/// `below` is in the way of a longer path, or a part of it is.
void Posix::blocked(std::string_view verb, const fs::path& below) const {
  fs::path part;
  for (const fs::path& name : below) {
    const auto status = status_of(root_, part);
    if (status && !S_ISDIR(status->st_mode)) break;
    part /= name;
  }
  throw Error(format("cannot {} \"{}\": \"{}\" is not a directory", verb,
                     root_.whole(below).native(), root_.whole(part).native()));
}

/// False: there is no root, and so there is nothing.
bool Posix::hold_root() {
  try {
    return root_.hold();
  } catch (const SystemError& error) {
    if (error.error_number() != ENOTDIR) throw;
    throw Error(format("cannot use \"{}\": it is not a directory", root_.path().native()),
                "the path of a repository names its directory");
  }
}

std::optional<struct stat> Posix::examine(const fs::path& below, int flags) const {
  try {
    return status_of(root_, below, flags);
  } catch (const SystemError& error) {
    if (error.error_number() == ENOTDIR) blocked("examine", below);
    throw;
  }
}

// --- put
// ------------------------------------------------------------------------------------------

/// The root alone is reached by its name, until it is held.
void Posix::make_root() {
  const fs::path& root = root_.path();
  const fs::path parent = root.has_parent_path() ? root.parent_path() : fs::path(".");
  while (!hold_root()) {
    if (::mkdir(root.c_str(), kDirectoryMode) == 0) {
      fsync_directory(parent);
    } else if (errno != EEXIST || !hold_root()) {  // also a dangling link, which is not a directory
      const int error_number = errno;
      throw SystemError(
          format("cannot create \"{}\"", root.native()), error_number,
          error_number == ENOENT
              ? format("create \"{}\" first, or mount its file system", parent.native())
              : std::string());
    }
  }
}

/// Makes `directory` and what is missing above it up to the root, all durable.
void Posix::make_ready(const fs::path& directory) {
  std::lock_guard lock(ready_mutex_);
  make_root();
  if (ready_.size() >= kMostReadyDirectories) ready_.clear();
  fs::path at;
  for (const fs::path& name : directory) {
    at /= name;
    if (ready_.contains(at)) continue;
    // False: what is above it was pruned meanwhile. The caller finds no directory and comes again.
    if (!make_one_ready(at)) return ready_.clear();
    ready_.insert(at);
  }
}

bool Posix::make_one_ready(const fs::path& directory) {
  const fs::path parent = directory.parent_path();
  if (const auto status = examine(directory)) {
    if (!S_ISDIR(status->st_mode)) blocked("write below", directory / "");
    if (!is_young_directory(root_, directory)) return true;
  } else if (::mkdirat(root_.fd(), directory.c_str(), kDirectoryMode) == 0) {
    const auto made = open_if_exists(root_, directory, O_RDONLY | O_DIRECTORY);
    const auto above = status_of(root_, parent);
    if (!made || !above) return false;
    give_to_owner(*above, *made, root_.whole(directory));
  } else if (errno != EEXIST) {
    const int error_number = errno;
    if (error_number == ENOENT) return false;
    if (error_number == ENOTDIR) blocked("create", directory);
    throw SystemError(format("cannot create \"{}\"", root_.whole(directory).native()),
                      error_number);
  }
  return sync_directory_if_exists(root_, parent);
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
  if (!behind)
    throw Error(format("cannot write \"{}\": it is a dangling link", root_.whole(target).native()));
  if (S_ISDIR(behind->st_mode))
    throw Error(format("cannot write \"{}\": it is a directory", root_.whole(target).native()));
  return true;
}

/// True when the object was created, false when it exists, nothing when its directory vanished.
std::optional<bool> Posix::try_publish(const fs::path& target, Bytes body) {
  const fs::path directory = target.parent_path();
  make_ready(directory);
  // Who made an object may have died before its name was durable. A run that relies on it (a WAL
  // segment pushed again) syncs it once more.
  const auto exists = [&]() -> std::optional<bool> {
    return sync_directory_if_exists(root_, directory) ? std::optional(false) : std::nullopt;
  };
  if (is_taken(target)) return exists();

  auto file = Unfinished::create(root_, directory, kFileMode);
  if (!file) return std::nullopt;
  const fs::path whole = root_.whole(target);
  write_all(file->fd(), body, whole);
  fsync_file(file->fd(), whole);
  file->fd().close(whole);
  switch (file->publish(target)) {
    case Unfinished::Outcome::published:
      sync_directory_if_exists(root_, directory);
      return true;
    case Unfinished::Outcome::exists:
      if (is_taken(target)) return exists();
      return std::nullopt;  // it was removed at once: ours may have the name
    case Unfinished::Outcome::unsupported:
      break;
  }
  throw Error(format("cannot store objects in \"{}\": its file system ({}) has neither "
                     "renameat2(RENAME_NOREPLACE) nor hard links",
                     root_.path().native(), file_system_name(root_)),
              "put the repository on a file system that has one of them");
}

bool Posix::publish(const fs::path& target, Bytes body) {
  for (int i = 0; i < kMostVanishings; ++i) {
    if (const auto created = try_publish(target, body)) {
      // Durable in a directory that nobody finds any more is not stored.
      root_.require_in_place();
      return *created;
    }
    root_.require_in_place();
    forget_ready();
  }
  throw TransientError(format("cannot write \"{}\": its directory keeps being removed",
                              root_.whole(target).native()));
}

/// What a full file system has no room for finds it where the reserve was.
bool Posix::publish_with_reserve(std::string_view key, Bytes body) {
  for (;;) {
    try {
      const bool created = publish(key, body);
      if (uses_reserve_) reserve_.fill();
      return created;
    } catch (const SystemError& error) {
      const bool full = error.error_number() == ENOSPC || error.error_number() == EDQUOT;
      if (!full || !uses_reserve_ || !uses_reserve_(key) || !reserve_.give_up_some()) throw;
    }
  }
}

bool Posix::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  if (at_border([&] { return publish_with_reserve(key, body); })) return true;
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\": it exists already", root_.whole(key).native()));
}

// --- get, stat
// ------------------------------------------------------------------------------------

bool Posix::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  out.clear();
  return at_border([&] {
    if (!hold_root()) return false;
    const fs::path path = root_.whole(key);
    const auto status = examine(key);
    // O_NONBLOCK: opening a pipe that somebody left here must not wait for a writer.
    const auto fd = status && !S_ISDIR(status->st_mode)
                        ? open_if_exists(root_, key, O_RDONLY | O_NONBLOCK)
                        : std::nullopt;
    if (!fd) {
      root_.require_in_place();
      return false;
    }
    const struct stat opened = stat_of(*fd, path);
    if (!S_ISREG(opened.st_mode))
      throw Error(format("cannot read \"{}\": it is not a regular file", path.native()));
    const auto size = static_cast<std::uint64_t>(opened.st_size);
    if (range.offset_bytes >= size) return true;
    if (medium_failed_) ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED);
    out.resize(std::min(range.length_bytes, size - range.offset_bytes));
    try {
      out.resize(read_at(*fd, out.writable(), range.offset_bytes, path));
    } catch (const SystemError&) {
      medium_failed_ = true;
      throw;
    }
    return true;
  });
}

std::optional<Object> Posix::stat(std::string_view key) {
  check_key(key);
  return at_border([&]() -> std::optional<Object> {
    const auto status = hold_root() ? examine(key) : std::nullopt;
    if (!status || S_ISDIR(status->st_mode)) {
      root_.require_in_place();
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
  if (!at_border([&] { return hold_root(); })) return;
  const std::size_t slash = prefix.rfind('/');
  const std::size_t cut = slash == std::string_view::npos ? 0 : slash + 1;
  walk(std::string(prefix.substr(0, cut)), prefix.substr(cut), visit);
  at_border([&] { root_.require_in_place(); });
}

std::vector<std::string> Posix::folders(std::string_view prefix) {
  check_folder(prefix);
  if (!at_border([&] { return hold_root(); })) return {};
  std::vector<std::string> names;
  for (Entry& entry : entries_of(prefix).value_or(std::vector<Entry>())) {
    if (!entry.ends_with('/')) continue;
    entry.pop_back();
    names.push_back(std::move(entry));
  }
  at_border([&] { root_.require_in_place(); });
  return names;
}

/// What is in a directory; nothing when it is not there.
std::optional<std::vector<Entry>> Posix::entries_of(const fs::path& directory) {
  return at_border([&] {
    try {
      return scan_directory(root_, directory);
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
  const auto entries = entries_of(directory_key);
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
  const fs::path path = key;
  if (::unlinkat(root_.fd(), path.c_str(), 0) != 0) {
    const int error_number = errno;
    if (error_number == ENOTDIR) blocked("remove", path);
    // A directory is not an object: absent.
    if (error_number != ENOENT && error_number != EISDIR)
      throw SystemError(format("cannot remove \"{}\"", root_.whole(path).native()), error_number);
  }
  touched.insert(path.parent_path());
}

/// Removes `directory` and those above it, up to the root, as far as they are empty; the first that
/// stays. Only that one is to be made durable: what was in the others is gone with their names.
fs::path Posix::prune(const fs::path& directory) {
  sweep_unfinished(root_, directory);
  fs::path at = directory;
  // A put may have come first, or another run: both are well. That an emptied directory stays
  // because it may not be removed harms nobody either.
  while (!at.empty() && (::unlinkat(root_.fd(), at.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT))
    at = at.parent_path();
  return at;
}

void Posix::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  if (!at_border([&] { return hold_root(); })) return;
  std::set<fs::path> touched;
  FirstError failure;
  std::size_t failures = 0;
  const auto attempt = [&](auto&& action) {
    try {
      at_border(action);
    } catch (const Error&) {
      failure.keep();
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
    attempt([&] { sync_directory_if_exists(root_, directory); });
  }
  forget_ready();
  attempt([&] { root_.require_in_place(); });
  if (keys.size() == 1) failure.throw_if_any();
  if (!failure) return;
  doing([&] { return format("removing {} objects, of which {} failed", keys.size(), failures); },
        [&] { failure.throw_if_any(); });
}

}  // namespace

std::unique_ptr<Driver> make_posix(fs::path root, UsesReserve uses_reserve) {
  return std::make_unique<Posix>(root, uses_reserve);
}

}  // namespace pgcairn::storage
