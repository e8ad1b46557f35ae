#pragma once

#include "wal/branches.hpp"

#include <pgcairn/repo/stanza_view.hpp>

#include <functional>
#include <set>

namespace pgcairn::engine {

/// Histories of timelines. One that is not there leaves its timeline without; `unreadable` is given
/// those that are there and cannot be understood.
Timelines read_histories(const repo::StanzaView& view, const repo::Cluster& cluster,
                         const std::set<Timeline>& timelines,
                         const std::function<void(Timeline, const DamagedError&)>& unreadable);

}  // namespace pgcairn::engine
