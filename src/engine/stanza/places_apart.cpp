#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <deque>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr int kMostLinks = 40;  // one after the other, as the kernel follows them

/// A mount, as /proc/self/mountinfo lists it.
struct Mount {
  std::string device;
  fs::path root;  // what of the device's file system is mounted
  fs::path point;
};
using Mounts = std::map<std::uint64_t, Mount>;  // by their numbers

/// Spaces and the like are written as a backslash and three octal digits.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = text[i] == '\\' ? parse_u64(text.substr(i + 1, 3), 8) : std::nullopt;
    result += code ? static_cast<char>(*code) : text[i];
    if (code) i += 3;
  }
  return result;
}

/// Empty where there is no /proc: paths and inodes have to do then.
Mounts read_mounts() {
  Mounts mounts;
  const auto content = read_file_if_exists("/proc/self/mountinfo");
  if (!content) return mounts;
  for (const std::string& line : split(as_text(*content), '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    if (words.size() < 5) continue;
    mounts[parse_u64(words[0]).value_or(0)] = {words[2], unescaped(words[3]), unescaped(words[4])};
  }
  return mounts;
}

/// The same directory has one inode, and one path in its file system, however it is reached.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::string file_system;  // "8:1"; empty: not known
  fs::path inner;           // the path in the file system
  fs::path rest;            // below it, and not there yet
};

/// A path with all that it is in, itself first, what is mounted below it, and the symbolic links
/// that lead to it: who removes one of these loses the place.
struct Location {
  fs::path real;
  std::vector<Identity> levels;
  std::vector<Identity> mounted;
  std::vector<Location> ways;
};

fs::path joined(const fs::path& path, const fs::path& rest) {
  return rest.empty() ? path : path / rest;  // no slash at the end
}

bool begins_with(const fs::path& path, const fs::path& directory) {
  const auto [at, end] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return at == directory.end();
}

bool leads_up(const fs::path& path) {
  return !path.empty() && *path.begin() == "..";
}

/// Splits a path into what exists, without links, and the rest.
std::pair<fs::path, fs::path> existing_part(fs::path path) {
  std::error_code error;
  path = fs::absolute(path, error);
  fs::path rest;
  for (int links = 0; path.has_relative_path();) {
    const fs::path found = fs::canonical(path, error);
    if (!error) {
      rest = rest.lexically_normal();
      if (leads_up(rest)) return existing_part((found / rest).lexically_normal());
      return {found, rest == "." ? fs::path() : rest};
    }
    const fs::path target = fs::read_symlink(path, error);
    if (!error && links++ < kMostLinks) {  // a link that leads to what is not there yet
      path = path.parent_path() / target;
      continue;
    }
    rest = joined(path.filename(), rest);
    path = path.parent_path();
  }
  return {"/", rest.lexically_normal()};
}

Identity identity_of(const fs::path& existing, const Mounts& mounts) {
  Identity identity;
  struct statx status {};
  if (::statx(AT_FDCWD, existing.c_str(), 0, STATX_INO | STATX_MNT_ID, &status) != 0)
    return identity;
  identity.device = static_cast<dev_t>(status.stx_dev_major) << 32U | status.stx_dev_minor;
  identity.inode = status.stx_ino;
  const auto mount = mounts.find((status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0);
  if (mount == mounts.end()) return identity;
  const fs::path below = existing.lexically_relative(mount->second.point);
  if (leads_up(below)) return identity;  // the mount is beyond our root directory
  identity.file_system = mount->second.device;
  identity.inner = (mount->second.root / below).lexically_normal();
  if (!identity.inner.has_filename()) identity.inner = identity.inner.parent_path();
  return identity;
}

Location locate(const fs::path& path, const Mounts& mounts) {
  auto [existing, rest] = existing_part(path);
  if (!rest.has_filename()) rest = rest.parent_path();  // of a path that ends with a slash
  Location location{joined(existing, rest), {}, {}, {}};
  for (const auto& [number, mount] : mounts) {
    if (begins_with(mount.point, location.real))
      location.mounted.push_back({0, 0, mount.device, mount.root, {}});
  }
  for (;;) {
    location.levels.push_back(identity_of(existing, mounts));
    location.levels.back().rest = rest;
    if (!existing.has_relative_path()) return location;
    rest = joined(existing.filename(), rest);
    existing = existing.parent_path();
  }
}

/// The symbolic links on the way along the path, each with its directory's links resolved.
std::vector<fs::path> links_along(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  std::deque<fs::path> names(whole.begin(), whole.end());
  std::vector<fs::path> links;
  fs::path at = "/";
  while (!names.empty() && links.size() < kMostLinks) {
    const fs::path name = names.front();
    names.pop_front();
    const fs::path next = name == ".." ? at.parent_path() : at / name;
    const fs::path target = name == ".." ? fs::path() : fs::read_symlink(next, error);
    if (target.empty()) {
      if (!name.empty() && name != ".") at = next;
      continue;
    }
    links.push_back(next);
    names.insert(names.begin(), target.begin(), target.end());
  }
  return links;
}

/// With the links that lead there.
Location locate_with_ways(const fs::path& path, const Mounts& mounts) {
  Location location = locate(path, mounts);
  for (const fs::path& link : links_along(path)) {
    Location way = locate(link.parent_path(), mounts);
    way.real = link;
    way.mounted.clear();
    for (Identity& level : way.levels) level.rest = joined(level.rest, link.filename());
    location.ways.push_back(std::move(way));
  }
  return location;
}

bool lies_within(const Location& path, const Identity& whole) {
  return std::any_of(path.levels.begin(), path.levels.end(), [&](const Identity& level) {
    const bool same = level.inode != 0 && level.device == whole.device &&
                      level.inode == whole.inode && begins_with(level.rest, whole.rest);
    return same || (!level.file_system.empty() && level.file_system == whole.file_system &&
                    begins_with(joined(level.inner, level.rest), joined(whole.inner, whole.rest)));
  });
}

bool lies_within(const Location& path, const Location& directory) {
  return lies_within(path, directory.levels.front()) ||
         std::any_of(directory.mounted.begin(), directory.mounted.end(),
                     [&](const Identity& mount) { return lies_within(path, mount); });
}

/// Whether a place of one kind may be in a place of another.
bool may_hold(PlaceKind outer, PlaceKind inner) {
  switch (outer) {
    case PlaceKind::data:
      return inner == PlaceKind::tablespace;
    case PlaceKind::repository:
      return inner == PlaceKind::state;
    case PlaceKind::state:
      return true;
    case PlaceKind::tablespace:
    case PlaceKind::link:
    case PlaceKind::config:
    case PlaceKind::drill:
    case PlaceKind::file:
    case PlaceKind::original:
      break;
  }
  return false;
}

std::string words(const NamedPlace& place, const Location& location) {
  const bool plain = location.real == place.path.lexically_normal();
  return plain ? format("{} (\"{}\")", place.name, place.path.native())
               : format("{} (\"{}\", which is \"{}\")", place.name, place.path.native(),
                        location.real.native());
}

struct Located {
  const NamedPlace& place;
  Location location;
};

/// The first link to `path` that is in the directory, and by which it is lost with that.
const Location* way_within(const Location& path, const Location& directory) {
  const auto found = std::find_if(path.ways.begin(), path.ways.end(),
                                  [&](const Location& way) { return lies_within(way, directory); });
  return found == path.ways.end() ? nullptr : &*found;
}

std::string relation(const Located& moved, const Located& stays, bool in, bool holds) {
  if (in && holds) return "is also";
  if (in) return "is in";
  if (holds) return "holds";
  if (const Location* const way = way_within(moved.location, stays.location))
    return format("is reached through \"{}\", which is in", way->real.native());
  const Location* const way = way_within(stays.location, moved.location);
  return format("holds \"{}\", which points to", way->real.native());
}

void require_apart(const Located& moved, const Located& stays) {
  const bool in = lies_within(moved.location, stays.location);
  const bool holds = lies_within(stays.location, moved.location);
  const bool below = in || way_within(moved.location, stays.location) != nullptr;
  const bool above = holds || way_within(stays.location, moved.location) != nullptr;
  if (!below && !above) return;
  const PlaceKind inner = below ? moved.place.kind : stays.place.kind;
  const PlaceKind outer = below ? stays.place.kind : moved.place.kind;
  if (below != above && may_hold(outer, inner)) return;
  throw UsageError(
      format("{} {} {}", words(moved.place, moved.location), relation(moved, stays, in, holds),
             words(stays.place, stays.location)),
      format("{}; name another with {}; nothing was touched",
             stays.place.kind == PlaceKind::file
                 ? format("move {} to a directory of its own, or restore into another directory",
                          stays.place.name)
                 : "each needs a directory apart from the other",
             moved.place.moved_with));
}

/// What is looked up for each of many places, once.
std::vector<Located> locate_all(const std::vector<NamedPlace>& places, const Mounts& mounts) {
  std::vector<Located> located;
  for (const NamedPlace& place : places)
    located.push_back({place, locate_with_ways(place.path, mounts)});
  return located;
}

/// Those of one list from those of the other, and not among themselves.
void require_lists_apart(const std::vector<Located>& moved, const std::vector<Located>& stay) {
  for (const Located& other : stay) {
    for (const Located& one : moved) require_apart(one, other);
  }
}

/// A file, such as a certificate, is read where it is: nothing is put beside it.
bool leads_to_a_file(const fs::path& link) {
  std::error_code unknown;
  const fs::file_type type = fs::status(link, unknown).type();
  return !unknown && type != fs::file_type::directory && type != fs::file_type::not_found;
}

/// Adds what a symbolic link of the cluster leads to.
void add_linked(std::vector<NamedPlace>& places, PlaceKind kind, std::string name,
                const fs::path& link) {
  const auto status = stat_if_exists(link);
  if (!status || !S_ISLNK(status->st_mode) || leads_to_a_file(link) ||
      engine::is_within(link / ".", places.front().path))
    return;
  places.push_back(
      {kind, std::move(name), link,
       kind == PlaceKind::tablespace ? "ALTER TABLESPACE, or a new one" : "another link"});
}

/// "PG_15_202209061"
bool is_version_directory(std::string_view name) {
  const std::vector<std::string> parts = split(name, '_');
  return parts.size() == 3 && parts[0] == "PG" && is_digits(parts[1]) && is_digits(parts[2]);
}

/// What of a tablespace's location is the tablespace's. All of it where nobody lets us look.
std::vector<fs::path> version_directories(const fs::path& location) {
  std::vector<fs::path> found;
  if (::faccessat(AT_FDCWD, location.c_str(), R_OK, AT_EACCESS) != 0) return {location};
  for (const std::string& name : list_directory(location)) {
    if (is_version_directory(name)) found.push_back(location / name);
  }
  return found;
}

/// What backups copy and restores empty.
std::vector<NamedPlace> copied_places(const fs::path& data_directory) {
  std::vector<NamedPlace> places;
  for (const NamedPlace& place : places_of_cluster(data_directory)) {
    if (place.kind != PlaceKind::tablespace) {
      places.push_back(place);
      continue;
    }
    for (const fs::path& directory : version_directories(place.path)) {
      places.push_back(place);
      places.back().path = directory;
    }
  }
  return places;
}

}  // namespace

bool is_within(const fs::path& path, const fs::path& directory) {
  const Mounts mounts = read_mounts();
  return lies_within(locate(path, mounts), locate(directory, mounts));
}

fs::path real_path(const fs::path& path) {
  return locate(path, {}).real;
}

void require_apart(const std::vector<NamedPlace>& places, const std::vector<NamedPlace>& others) {
  const Mounts mounts = read_mounts();
  std::vector<Located> known;
  for (const NamedPlace& place : places) {
    Located one{place, locate_with_ways(place.path, mounts)};
    for (const Located& other : known) {
      const bool goes = one.place.kind >= other.place.kind;
      require_apart(goes ? one : other, goes ? other : one);
    }
    known.push_back(std::move(one));
  }
  require_lists_apart(known, locate_all(others, mounts));
}

void require_lists_apart(const std::vector<NamedPlace>& places,
                         const std::vector<NamedPlace>& others) {
  const Mounts mounts = read_mounts();
  require_lists_apart(locate_all(places, mounts), locate_all(others, mounts));
}

std::vector<NamedPlace> places_of_cluster(const fs::path& data_directory) {
  std::vector<NamedPlace> places;
  places.push_back({PlaceKind::data, "the data directory", data_directory, "pg-path"});
  std::error_code error;
  if (!fs::is_directory(data_directory, error)) return places;
  // Who may not look into a cluster does not change what it holds either.
  if (::faccessat(AT_FDCWD, data_directory.c_str(), R_OK | X_OK, AT_EACCESS) != 0) return places;
  for (const std::string& name : list_directory(data_directory))
    add_linked(places, PlaceKind::link, format("\"{}\" of the data directory", name),
               data_directory / name);
  const fs::path spaces = data_directory / "pg_tblspc";
  if (!stat_if_exists(spaces)) return places;
  for (const std::string& name : list_directory(spaces))
    add_linked(places, PlaceKind::tablespace, format("tablespace {}", name), spaces / name);
  return places;
}

void require_stanza_apart(const StanzaSettings& stanza) {
  require_apart(stanza.others, copied_places(stanza.data_directory));
}

}  // namespace pgcairn::engine
