#pragma once

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/server.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Throws PostgresError when the server's settings leave nothing to archive with.
void require_archiving(const StanzaSettings& stanza, const postgres::ServerInfo& server);

/// What in the server's settings may keep its WAL from this stanza, each with what to set. Pure.
std::vector<std::string> archiving_doubts(const StanzaSettings& stanza,
                                          const postgres::ServerInfo& server);

extern const char* const kArchivesAfterPromotion;

/// Why a segment has not arrived, as the end of a sentence about it: by the settings, by the last
/// error of archive-push on this host, and by what the archiver counts.
std::string why_not_archived(postgres::Connection& connection, const postgres::ServerInfo& server,
                             const StanzaSettings& stanza, const std::vector<std::string>& doubts,
                             std::span<const std::filesystem::path> state_paths);

}  // namespace pgcairn::engine
