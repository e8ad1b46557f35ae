#include "backup/changed_pages.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/changed_blocks.hpp>

#include <memory>

namespace pgcairn::engine {

namespace {

constexpr std::uint32_t kDefaultSpace = 1663;  // pg_default and pg_global (pg_tablespace.dat)
constexpr std::uint32_t kGlobalSpace = 1664;

std::uint32_t oid(std::string_view digits) {
  return static_cast<std::uint32_t>(parse_u64(digits).value_or(0));
}

/// The answer for one file, out of what the summaries say of its relation.
MarkedBlocks change_of_file(const postgres::ChangedBlocks& changed,
                            const postgres::SourceFile& source) {
  const postgres::FileChange found = changed.change_of(
      relation_of(source.path, source.relation->relfilenode), source.relation->segment);
  MarkedBlocks change;
  change.whole = found.kind() == postgres::FileChange::Kind::whole;
  if (found.kind() != postgres::FileChange::Kind::blocks) return change;
  const auto blocks = static_cast<std::uint32_t>(source.size_bytes / postgres::kPageBytes);
  for (auto block = found.next(0); block && *block < blocks; block = found.next(*block + 1)) {
    change.blocks.push_back(*block);
  }
  return change;
}

}  // namespace

postgres::RelationKey relation_of(std::string_view path, std::uint32_t relfilenode) {
  const std::vector<std::string> parts = split(path, '/');
  if (parts.front() == "global") return {kGlobalSpace, 0, relfilenode};
  if (parts.front() == "base" && parts.size() == 3)
    return {kDefaultSpace, oid(parts[1]), relfilenode};
  // pg_tblspc/<oid>/PG_<major>_<catalog>/<database>/<file>
  PGCAIRN_ASSERT(parts.size() == 5);
  return {oid(parts[1]), oid(parts[3]), relfilenode};
}

ChangedPages find_changes(postgres::Connection& connection,
                          const std::filesystem::path& data_directory,
                          const repo::BackupMarker& prior, const postgres::BackupStart& start,
                          std::stop_token stop) {
  postgres::SummaryRequest request;
  request.data_directory = data_directory;
  request.prior_start = {prior.timeline, prior.start_lsn};
  request.prior_stop = prior.stop_lsn;
  request.start = {start.timeline, start.start_lsn};
  request.prior_age =
      std::chrono::duration_cast<std::chrono::seconds>(start.time - prior.start_time);
  postgres::SummaryResult result =
      postgres::collect_changed_blocks(connection, request, std::move(stop));
  if (!result.warning.empty()) log_warn(result.warning);

  ChangedPages changes;
  changes.reason = std::move(result.reason);
  if (!result.changed) return changes;
  log_detail(format("{} of {} WAL summaries name {} relations", format_size(result.bytes),
                    result.files, result.changed->relations()));
  const auto changed = std::make_shared<const postgres::ChangedBlocks>(std::move(*result.changed));
  changes.change_of = [changed](const postgres::SourceFile& source) {
    return change_of_file(*changed, source);
  };
  return changes;
}

}  // namespace pgcairn::engine
