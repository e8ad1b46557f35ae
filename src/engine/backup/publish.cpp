#include "backup/publish.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace pgcairn::engine {

namespace {

using Range = std::pair<std::uint64_t, std::uint64_t>;  // both ends included

/// The first number of the ranges below which there is no object.
std::optional<std::uint64_t> first_missing(storage::Driver& driver, const std::string& prefix,
                                           std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end());
  auto range = ranges.begin();
  std::uint64_t wanted = 0;
  const auto skip = [&] {  // to what is wanted next
    while (range != ranges.end() && range->second < wanted) ++range;
    if (range != ranges.end()) wanted = std::max(wanted, range->first);
  };
  skip();
  std::optional<std::uint64_t> missing;
  // Listed in the order of the keys, which is that of the numbers.
  driver.list(prefix, [&](const storage::Object& object) {
    const auto parsed = repo::parse_key(object.key);
    if (missing || !parsed || range == ranges.end() || parsed->number < wanted) return;
    if (parsed->number > wanted) {
      missing = wanted;
      return;
    }
    ++wanted;
    skip();
  });
  if (!missing && range != ranges.end()) missing = wanted;
  return missing;
}

void take_back(repo::Repository& repository, const std::string& stanza,
               const repo::BackupMarker& info, const LockedError& cause) {
  const std::string key = repo::marker_key(stanza, info.label);
  log_warn(format("backup {} is removed again from repository \"{}\": {}", info.label,
                  repository.name(), cause.message()));
  repository.fence().clear();  // it is of a lease that we no longer have
  repository.driver().remove({&key, 1});
}

/// What goes wrong in `action` leaves the marker where it is.
void saying_that_it_may_be_listed(const repo::Repository& repository,
                                  const repo::BackupMarker& info,
                                  const std::function<void()>& action) {
  const auto unknown = [&] {
    return format(
        "confirming backup {} in repository \"{}\": it may be listed although this run failed, and "
        "lack files if another run took the lease; run verify to find out",
        info.label, repository.name());
  };
  try {
    doing(unknown, action);
  } catch (const Interrupted&) {
    log_warn(format("interrupted while {}", unknown()));
    throw;
  }
}

}  // namespace

std::optional<std::string> first_missing(repo::Repository& repository, const std::string& stanza,
                                         const repo::BackupMarker& info) {
  std::map<std::string, std::vector<Range>> packs;
  for (const repo::PackRange& range : info.packs)
    packs[range.backup].emplace_back(range.first, range.last);
  storage::Driver& driver = repository.driver();
  for (const auto& [owner, ranges] : packs) {
    const auto missing = first_missing(driver, repo::pack_prefix(stanza, owner), ranges);
    if (missing) return repo::pack_key(stanza, owner, static_cast<std::uint32_t>(*missing));
  }
  if (info.manifest_parts == 0) return std::nullopt;
  const auto part = first_missing(driver, repo::manifest_prefix(stanza, info.label),
                                  {{0, info.manifest_parts - 1}});
  if (part) return repo::manifest_key(stanza, info.label, static_cast<std::uint32_t>(*part));
  return std::nullopt;
}

void publish(repo::Repository& repository, const std::string& stanza,
             const repo::BackupMarker& info, const std::function<void()>& check_lease,
             const std::function<void()>& put_marker) {
  if (const auto missing = first_missing(repository, stanza, info)) {
    check_lease();  // what another run removed while it had the lease is not damage
    throw DamagedError(*missing, 0,
                       format("it is no longer in repository \"{}\", and backup {} needs it",
                              repository.name(), info.label),
                       "nothing is listed; find out what removed it, then run the backup again");
  }
  check_lease();
  put_marker();
  std::optional<LockedError> lost;
  // Only a lease that is known to be lost takes a good backup back.
  saying_that_it_may_be_listed(repository, info, [&] {
    try {
      check_lease();
    } catch (const LockedError& error) {
      lost = error;
      take_back(repository, stanza, info, error);
    }
  });
  if (lost) throw LockedError(*lost);
}

}  // namespace pgcairn::engine
