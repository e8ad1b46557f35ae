#include "drill/checks.hpp"

#include "drill/blame.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostAmcheckFailures = 200;
constexpr std::uint64_t kMostOutputBytes = 64 * kMiB;
constexpr int kFirstWithAmcheck = 14;
constexpr int kAmcheckDamage = 2;  // pg_amcheck's exit status when it found something

std::string value_of(const std::vector<postgres::Row>& rows) {
  if (rows.empty() || rows[0].empty()) return "no row";
  return rows[0][0].value_or("null");
}

/// A query for the rows of each foreign key's table that lack their row, as RI_Initial_Check
/// (ri_triggers.c) makes it; keys that were never enforced promise nothing.
constexpr const char* kForeignKeyQueries = R"(
SELECT c.conrelid::regclass::text, quote_ident(c.conname),
  format('SELECT count(*) FROM %s %s AS fk LEFT JOIN %s %s AS pk ON %s WHERE pk.%I IS NULL AND (%s)',
    CASE WHEN f.relkind = 'p' THEN '' ELSE 'ONLY' END, c.conrelid::regclass,
    CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY' END, c.confrelid::regclass,
    (SELECT string_agg(format('pk.%I OPERATOR(%I.%s) fk.%I', pa.attname, n.nspname, o.oprname, fa.attname), ' AND ')
       FROM unnest(c.conkey, c.confkey, c.conpfeqop) AS k(fk, pk, op)
       JOIN pg_attribute fa ON fa.attrelid = c.conrelid AND fa.attnum = k.fk
       JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.pk
       JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace n ON n.oid = o.oprnamespace),
    (SELECT attname FROM pg_attribute WHERE attrelid = c.confrelid AND attnum = c.confkey[1]),
    (SELECT string_agg(format('fk.%I IS NOT NULL', fa.attname), CASE c.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END)
       FROM unnest(c.conkey) AS k(fk) JOIN pg_attribute fa ON fa.attrelid = c.conrelid AND fa.attnum = k.fk))
FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class p ON p.oid = c.confrelid
WHERE c.contype = 'f' AND c.convalidated AND c.conparentid = 0
  AND pg_get_constraintdef(c.oid) !~ 'PERIOD '
ORDER BY 1, 2)";

/// A table that is locked, and its indexes, are named once each.
void tell_amcheck(const AmcheckOutput& output, DrillResult& result) {
  for (std::size_t i = 0; i < std::min(output.failures.size(), kMostAmcheckFailures); ++i) {
    const auto& [what, text] = output.failures[i];
    add_failure(result, what == "pg_amcheck" ? what : format("pg_amcheck: {}", what), text);
  }
  if (output.failures.size() > kMostAmcheckFailures) {
    result.findings.push_back(
        format("pg_amcheck: {} more", output.failures.size() - kMostAmcheckFailures));
  }
  for (const std::string& warning : output.warnings)
    result.notes.push_back(format("pg_amcheck: {}", warning));
}

void check_foreign_key(postgres::Connection& session, const std::string& name,
                       const std::string& query, DrillResult& result, const std::stop_token& stop) {
  try {
    const std::string orphans = value_of(session.query(query, {}, stop));
    if (orphans != "0") result.findings.push_back(format("{}: {} rows lack theirs", name, orphans));
  } catch (const PostgresError& error) {
    add_failure(result, name, error.message());
  }
}

}  // namespace

void note_prepared(postgres::PrivateServer& server, DrillResult& result) {
  const auto rows = server.connect().query(
      "SELECT count(*), min(prepared)::text, min(gid) FROM pg_prepared_xacts");
  const std::string count = value_of(rows);
  if (count == "0") return;
  result.notes.push_back(
      format("{} prepared transactions wait for COMMIT PREPARED or ROLLBACK PREPARED, the oldest "
             "since {} (\"{}\", for one): what they have locked is not checked",
             count, rows.at(0).at(1).value_or(""), rows.at(0).at(2).value_or("")));
}

void look_at_end(postgres::PrivateServer& server, const RestorePlan& plan, bool stopped,
                 DrillResult& result) {
  postgres::Connection session = server.connect();
  const auto rows = session.query(
      "SELECT pg_last_wal_replay_lsn(),"
      " (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint");
  result.end = parse_lsn(rows.at(0).at(0).value_or("")).value_or(Lsn{});
  if (const auto& time = rows.at(0).at(1)) {
    const auto microseconds = static_cast<std::int64_t>(parse_u64(*time).value_or(0));
    result.last_transaction = Timestamp(std::chrono::microseconds(microseconds));
  }
  if (result.end > plan.backup.start_lsn)
    result.wal_bytes = result.end.value - plan.backup.start_lsn.value;
  const bool to_the_end = plan.options.target.type() == RestoreType::latest && !stopped;
  if (to_the_end && result.end <= plan.wal.last_record) {
    result.findings.push_back(
        format("recovery ended at {}, and the archive goes on to {} (in {}): what is there cannot "
               "be replayed",
               to_string(result.end), to_string(plan.wal.last_record), plan.wal.last));
  }
  if (to_the_end && plan.has_gap) {
    result.findings.push_back(
        format("WAL segment {} is missing in the archive, while {} is there: recovery ends before "
               "it, and later WAL cannot be replayed",
               plan.wal.missing, plan.wal.after_gap));
  }
}

void count_relations(postgres::PrivateServer& server, DrillResult& result, std::stop_token stop) {
  for (const std::string& database : server.databases()) {
    try {
      postgres::Connection session = server.connect(database);
      const auto rows = session.query(
          "SELECT count(*) FROM pg_class WHERE relkind IN ('r','i','m','t','S')", {}, stop);
      result.relations += parse_u64(value_of(rows)).value_or(0);
    } catch (const PostgresError& error) {
      add_failure(result, format("database {}", database), error.message());
    }
    ++result.databases;
  }
}

void run_amcheck(postgres::PrivateServer& server, const std::filesystem::path& programs,
                 unsigned jobs, DrillResult& result, std::stop_token stop) {
  if (!path_exists(programs / "pg_amcheck")) {
    const bool has_none = server.major() < kFirstWithAmcheck;
    (has_none ? result.notes : result.unproved)
        .push_back(format("tables and indexes were not checked: there is no pg_amcheck in "
                          "\"{}\" (PostgreSQL has it from 14 on)",
                          programs.native()));
    return;
  }
  postgres::Connection session = server.connect();
  if (session.query("SELECT FROM pg_available_extensions WHERE name = 'amcheck'").empty()) {
    result.unproved.push_back(
        "tables and indexes were not checked: the extension amcheck is not installed on this "
        "machine (it comes with PostgreSQL's contrib package)");
    return;
  }
  const auto [status, said] = server.run_client("pg_amcheck",
                                                {"--all", "--install-missing", "--heapallindexed",
                                                 "--no-strict-names", format("--jobs={}", jobs)},
                                                kMostOutputBytes, stop);
  result.amcheck = status == 0 || status == kAmcheckDamage;
  if (status == 0) return;
  tell_amcheck(parse_amcheck(said), result);
  if (!result.amcheck)
    result.unproved.push_back(format("pg_amcheck did not finish (status {})", status));
}

void check_foreign_keys(postgres::PrivateServer& server, DrillResult& result,
                        std::stop_token stop) {
  for (const std::string& database : server.databases()) {
    std::string name = format("foreign keys of database {}", database);
    try {
      postgres::Connection session = server.connect(database);
      const auto keys = session.query(kForeignKeyQueries, {}, stop);
      for (const postgres::Row& key : keys) {
        name = format("foreign key {} of {} in database {}", key.at(1).value_or(""),
                      key.at(0).value_or(""), database);
        ++result.foreign_keys;
        check_foreign_key(session, name, key.at(2).value_or(""), result, stop);
      }
    } catch (const PostgresError& error) {
      add_failure(result, name, error.message());
    }
  }
}

void ask(postgres::PrivateServer& server, std::span<const DrillQuestion> questions,
         DrillResult& result, std::stop_token stop) {
  for (const DrillQuestion& question : questions) {
    const std::string database = question.database.empty() ? "postgres" : question.database;
    ++result.questions;
    try {
      postgres::Connection session = server.connect(database);
      session.query("RESET search_path");  // names are looked for as applications do
      const std::string answer = value_of(session.query(question.statement, {}, stop));
      if (answer == question.answer) continue;
      result.findings.push_back(format("in database {}, \"{}\" gives {} instead of {}", database,
                                       question.statement, answer, question.answer));
    } catch (const PostgresError& error) {
      // What was asked and not answered is not proved.
      const bool blocked = blame_of(error.message()) == Blame::lock;
      const std::string text = format("in database {}: {}", database, error.message());
      blocked ? result.unproved.push_back(text) : add_failure(result, "a query", text);
    }
  }
}

}  // namespace pgcairn::engine
