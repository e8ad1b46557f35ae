#pragma once

#include <pgcairn/engine/stanza.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/server.hpp>

namespace pgcairn::engine {

/// Refuses what would end in a backup that cannot be restored, or in one of another cluster.
void check_server(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                  const postgres::ControlFile& control, bool copies_wal);

}  // namespace pgcairn::engine
