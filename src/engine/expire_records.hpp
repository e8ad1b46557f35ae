#pragma once

#include <pgcairn/repo/records.hpp>

#include <set>
#include <string>
#include <vector>

namespace pgcairn::engine {

// Beyond this many, verdicts go that nothing comes to any more.
inline constexpr std::size_t kMostVerdictsKept = 100;

/// The names of records that no longer say anything: of backups that are not `listed`, and old
/// verdicts. A release stays as long as one of the records that it names does. Pure.
std::vector<std::string> records_to_remove(const repo::Standing& standing,
                                           const std::set<std::string>& listed);

}  // namespace pgcairn::engine
