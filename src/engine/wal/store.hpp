#pragma once

#include "wal/compare.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// The same name, and other WAL: what led there, and the ways out.
extern const char* const kOtherLifeHint;

/// Where a segment of the server and the archived one parted, as a line of context.
std::string words_of(const WalComparison& comparison, Timeline timeline,
                     const StanzaSettings& stanza);

/// How the archived segment (or .partial) `name` relates to `ours`; nothing when the repository has
/// none.
std::optional<WalComparison> compare_archived(repo::Repository& repository,
                                              const std::string& stanza,
                                              const repo::Cluster& cluster, const std::string& name,
                                              const repo::WalContent& ours);

/// Stores a file of pg_wal, unless all its WAL is archived under its name already; true when it was
/// stored now. Throws ConflictError, with what can have led there, when other WAL is.
bool store_wal(repo::Repository& repository, const StanzaSettings& stanza,
               const repo::Cluster& cluster, const std::string& name,
               const repo::WalContent& content, compress::Codec& codec);

}  // namespace pgcairn::engine
