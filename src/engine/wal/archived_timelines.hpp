#pragma once

#include "wal/branches.hpp"

#include <pgcairn/repo/repository.hpp>

#include <functional>
#include <set>
#include <string>
#include <string_view>

namespace pgcairn::engine {

/// The timelines that have WAL in a repository: what folders of segments are named after, which
/// costs little however many segments there are. One that was emptied may be among them.
std::set<Timeline> timelines_with_folders(repo::Repository& repository, const std::string& stanza,
                                          const std::string& cluster_id);

/// Histories of timelines. One that is not there leaves its timeline without; `unreadable` is given
/// those that are there and cannot be understood.
Timelines read_histories(repo::Repository& repository, const std::string& stanza,
                         const repo::Cluster& cluster, const std::set<Timeline>& timelines,
                         const std::function<void(Timeline, const DamagedError&)>& unreadable);

}  // namespace pgcairn::engine
