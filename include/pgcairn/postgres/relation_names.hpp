#pragma once

#include <pgcairn/common/named_relation.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

/// The numbers in the path of a relation's file in a data directory: "base/5/16399_vm.1",
/// "global/1262", "pg_tblspc/16400/PG_15_202209061/5/16401". None when it is another kind of file.
std::optional<RelationName> relation_of(std::string_view path);

/// Asks the server what these relations are called: shared ones, and those of the database that the
/// session is in. None for what no relation has as its file now.
std::vector<std::optional<NamedRelation>> name_relations(Connection& connection,
                                                         std::span<const RelationName> relations,
                                                         std::stop_token stop = {});

}  // namespace pgcairn::postgres
