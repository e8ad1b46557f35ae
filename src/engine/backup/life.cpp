#include "backup/life.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// Enough for a full backup a week and an incremental one every ten minutes.
constexpr std::size_t kMostWitnesses = 1000;
constexpr std::uint64_t kMostBytes = kMiB;

std::vector<std::string> read_witnesses(const fs::path& path) {
  const auto content = read_file_if_exists(path, kMostBytes);
  std::vector<std::string> lines = split(content ? as_text(*content) : std::string_view{}, '\n');
  std::erase(lines, std::string());
  return lines;
}

std::string line_of(const std::string& label, const std::string& number) {
  return format("{} {}", label, number);
}

bool has_witness(const fs::path& data_directory, const repo::BackupMarker& prior) {
  if (prior.witness.empty()) return false;
  const auto lines = read_witnesses(data_directory / postgres::kWitnessFile);
  return std::find(lines.begin(), lines.end(), line_of(prior.label, prior.witness)) != lines.end();
}

}  // namespace

PriorLife life_of(const fs::path& data_directory, const repo::BackupMarker& prior) {
  using Verdict = PriorLife::Verdict;
  try {
    const auto ours =
        prior.wal_stop_hash.empty()
            ? std::nullopt
            : mark_wal(data_directory, prior.wal_stop, prior.wal_segment_bytes, prior.stop_lsn);
    if (ours && ours->hash != prior.wal_stop_hash) {
      return {Verdict::refuted,
              format("backup {} is of another life of this cluster: WAL segment {} is not the one "
                     "in which that backup ended",
                     prior.label, prior.wal_stop)};
    }
    if (ours && ours->is_timed)
      return {Verdict::proved, format("WAL segment {} is that backup's", prior.wal_stop)};
    if (has_witness(data_directory, prior))
      return {Verdict::proved, "the data directory has its witness"};
  } catch (const Error& error) {
    return {Verdict::unknown,
            format("whether backup {} is of this life of the cluster could not be determined: {}",
                   prior.label, error.message())};
  }
  return {Verdict::unknown,
          format("nothing proves that backup {} is of this life of the cluster (its WAL is not in "
                 "pg_wal, and it left no witness in the data directory)",
                 prior.label)};
}

void leave_restore_point(postgres::Connection& connection, const std::string& label) {
  try {
    // Asked first: a refusal would be an error in the server's log at each backup.
    const auto may = connection.query(
        "SELECT has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'EXECUTE')");
    if (may.size() == 1 && may[0].size() == 1 && may[0][0] == "t")
      connection.query("SELECT pg_create_restore_point($1)", {"pgcairn " + label});
  } catch (const PostgresError& error) {
    if (!connection.alive()) throw;
    log_detail(format("the backup leaves no restore point in the WAL: {}", error.message()));
  }
}

std::string leave_witness(const fs::path& data_directory, const std::string& label) {
  const std::string number = random_id();
  try {
    std::vector<std::string> lines = read_witnesses(data_directory / postgres::kWitnessFile);
    lines.push_back(line_of(label, number));
    if (lines.size() > kMostWitnesses)
      lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kMostWitnesses));
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file_atomically(data_directory / postgres::kWitnessFile, as_bytes(text), 0600);
    return number;
  } catch (const Error& error) {
    log_detail(format("the backup leaves no witness in the data directory: {}", error.message()));
    return {};
  }
}

}  // namespace pgcairn::engine
