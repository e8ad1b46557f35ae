#pragma once

#include <pgcairn/engine/drill/drill.hpp>
#include <pgcairn/postgres/private_server.hpp>

#include <filesystem>
#include <stop_token>

namespace pgcairn::engine {

/// What a drill does with the running server, each adding to the result what it finds.

/// Where recovery came to: position and last transaction. `stopped`: it was not given all that the
/// archive has.
void look_at_end(postgres::PrivateServer& server, const RestorePlan& plan, bool stopped,
                 DrillResult& result);
/// Prepared transactions hold their locks until somebody ends them.
void note_prepared(postgres::PrivateServer& server, DrillResult& result);
/// Counts databases and relations.
void count_relations(postgres::PrivateServer& server, DrillResult& result, std::stop_token stop);
/// pg_amcheck of everything, where this version has it.
void run_amcheck(postgres::PrivateServer& server, const std::filesystem::path& programs,
                 unsigned jobs, DrillResult& result, std::stop_token stop);
/// Rows without the row that their foreign key asks for.
void check_foreign_keys(postgres::PrivateServer& server, DrillResult& result, std::stop_token stop);
void ask(postgres::PrivateServer& server, std::span<const DrillQuestion> questions,
         DrillResult& result, std::stop_token stop);

}  // namespace pgcairn::engine
