#include <pgcairn/common/account.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/excluded.hpp>

#include <algorithm>

#include <unistd.h>

namespace pgcairn::postgres {

namespace {

// Without these at the top of a data directory, no server starts, or not as the same cluster.
constexpr std::string_view kNeeded[] = {
    "PG_VERSION",      "base",
    "global",          "pg_commit_ts",
    "pg_dynshmem",     "pg_hba.conf",
    "pg_ident.conf",   "pg_logical",
    "pg_multixact",    "pg_notify",
    "pg_replslot",     "pg_serial",
    "pg_snapshots",    "pg_stat",
    "pg_stat_tmp",     "pg_subtrans",
    "pg_tblspc",       "pg_twophase",
    "pg_wal",          "pg_xact",
    "postgresql.conf", "postgresql.auto.conf",
};

std::optional<struct stat> look(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

std::optional<std::string> why_needed(std::string_view path) {
  const std::string_view top = path.substr(0, path.find('/'));
  if (std::find(std::begin(kNeeded), std::end(kNeeded), top) == std::end(kNeeded))
    return std::nullopt;
  return format("PostgreSQL needs \"{}\"", top);
}

std::optional<std::string> excluded_path(std::string_view text) {
  const fs::path path = fs::path(text).lexically_normal();
  if (path.empty() || path.is_absolute() || path == "." || *path.begin() == "..")
    return std::nullopt;
  return (path.has_filename() ? path : path.parent_path()).native();
}

std::string unreadable_hint(const fs::path& data_directory, std::string_view path) {
  const fs::path file = data_directory / path;
  const auto status = look(file);
  const auto root = look(data_directory);
  if (!status || !root) return "run pgcairn as the user that runs PostgreSQL";
  const auto name_of = [](const struct stat& one) {
    return account_of(one.st_uid, one.st_gid).describe();
  };
  if (status->st_uid == ::geteuid())
    return format("its mode is {:04o}: chmod u+rX \"{}\"", status->st_mode & 07777, file.native());
  if (status->st_uid == root->st_uid)
    return format("run pgcairn as {}, who owns it and the data directory", name_of(*status));
  const std::string owner = format("it belongs to {}: chown {}:{} \"{}\"", name_of(*status),
                                   root->st_uid, root->st_gid, file.native());
  if (path.empty() || path.front() == '/' || why_needed(path)) return owner;
  return format(
      "{}, or leave it out of all backups with exclude = [\"{}\"] in the stanza's section", owner,
      path);
}

}  // namespace pgcairn::postgres
