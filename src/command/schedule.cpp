#include "schedule.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

namespace pgcairn::command {

namespace {

constexpr std::uint64_t kMostBytes = 4 * kMiB;

/// Of cron, by the names that cron(8) and cronie have for them, and of systemd.
constexpr const char* kPlaces[] = {"etc/crontab",
                                   "etc/cron.d",
                                   "etc/cron.hourly",
                                   "etc/cron.daily",
                                   "etc/cron.weekly",
                                   "etc/cron.monthly",
                                   "var/spool/cron",
                                   "var/spool/cron/crontabs",
                                   "etc/anacrontab",
                                   "etc/systemd/system",
                                   "usr/local/lib/systemd/system",
                                   "usr/lib/systemd/system"};

bool names_it(const std::filesystem::path& file) {
  const auto content = read_file_if_exists(file, kMostBytes);
  return content && as_text(*content).find("pgcairn") != std::string_view::npos;
}

bool names_it_in(const std::filesystem::path& place) {
  if (!std::filesystem::exists(place)) return false;
  if (!std::filesystem::is_directory(place)) return names_it(place);
  for (const auto& entry : std::filesystem::directory_iterator(place)) {
    if (entry.is_regular_file() && names_it(entry.path())) return true;
  }
  return false;
}

}  // namespace

std::optional<bool> is_scheduled(const std::filesystem::path& root) {
  bool unknown = false;
  for (const char* const place : kPlaces) {
    try {
      if (names_it_in(root / place)) return true;
    } catch (const Error&) {
      unknown = true;
    } catch (const std::filesystem::filesystem_error&) {
      unknown = true;
    }
  }
  return unknown ? std::nullopt : std::optional(false);
}

}  // namespace pgcairn::command
