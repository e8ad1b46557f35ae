#include "stanza/cluster_identity.hpp"
#include "wal/guard.hpp"
#include "wal/hole.hpp"
#include "wal/page_before.hpp"
#include "wal/recorded_limits.hpp"
#include "wal/source.hpp"
#include "wal/store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/engine/wal/archive.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kPageAddressAt = 8;  // XLogPageHeaderData, xlog_internal.h

void require_wal_name(const std::string& name) {
  if (wal_file_kind(name)) return;
  throw UsageError(format("\"{}\" is not the name of a WAL file", name),
                   "archive_command passes %p, restore_command passes %f and \"%p\"");
}

fs::path in_data_directory(const StanzaSettings& stanza, const fs::path& path) {
  if (path.is_absolute() || path_exists(path) || stanza.data_directory.empty()) return path;
  return stanza.data_directory / path;
}

bool is_data_directory(const fs::path& directory) {
  return stat_if_exists(directory / "PG_VERSION") &&
         stat_if_exists(directory / "global/pg_control");
}

/// The data directory that a file of pg_wal is of: the one that it is in or, since pg_wal may be a
/// link, the one that the server works in when it runs archive_command. Nothing when neither is
/// one, as of a segment that was rescued into some directory.
std::optional<fs::path> owner_of(const fs::path& file) {
  std::error_code gone;
  const fs::path working = fs::current_path(gone);
  const fs::path holder = (working / file).parent_path().parent_path();
  if (is_data_directory(holder)) return holder;
  if (!gone && is_data_directory(working)) return working;
  return std::nullopt;
}

bool is_same_directory(const fs::path& one, const fs::path& other) {
  std::error_code absent;
  return fs::equivalent(one, other, absent);
}

/// A copy of a cluster comes with its archive_command, and must not archive into the original's
/// stanza: later restores would follow it, or the original could not archive any more.
void require_own_file(const StanzaSettings& stanza, const fs::path& file) {
  const fs::path& own = stanza.data_directory;
  if (is_same_directory(file.parent_path(), own / "pg_wal")) return;
  const auto owner = owner_of(file);
  if (!owner || is_same_directory(*owner, own)) return;
  throw PostgresError(
      format("the data directory \"{}\" archives into stanza \"{}\", whose cluster is in \"{}\"",
             owner->lexically_normal().native(), stanza.name, own.native()),
      format("a copy of the cluster needs archive_mode=off or a stanza of its own; if the cluster "
             "has moved there, set pg-path in [stanza.{}], or --pg-path={} in archive_command",
             stanza.name, shell_quote(owner->lexically_normal().native())));
}

/// What went wrong in which repositories.
class Failures {
 public:
  /// In a handler of `error`.
  void keep(const repo::Repository& repository, const Error& error) {
    first_.keep();
    lines_.push_back(format("repository \"{}\": {}", repository.name(), error.render()));
  }
  /// With one repository its own error tells all; of several, each has a line below the message.
  void throw_if_any(std::size_t repositories, std::string message, std::string hint) const {
    if (repositories == 1) first_.throw_if_any();
    if (lines_.empty()) return;
    for (const std::string& line : lines_) message += "\n  " + line;
    throw Error(std::move(message), std::move(hint));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  FirstError first_;
  std::vector<std::string> lines_;
};

}  // namespace

void archive_push(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const std::filesystem::path& file, compress::CodecId codec_id, int level) {
  const std::string name = file.filename();
  require_wal_name(name);
  const repo::Cluster cluster = local_cluster(stanza);
  const fs::path path = in_data_directory(stanza, file);
  require_own_file(stanza, path);
  const auto source = WalSource::open_if_exists(path);
  if (!source) throw SystemError(format("cannot open \"{}\"", path.native()), ENOENT);
  source->check(name, cluster);

  const auto codec = compress::make_codec(codec_id, level);
  const std::vector<RecordedLimits> limits = limits_in(source->content(), name, path);
  Failures failures;
  for (repo::Repository& repository : repositories) {
    try {
      repository.open();
      require_cluster(repository, stanza, cluster);
      refuse_when_stopped(repository, stanza.name);
      record_limits(repository, stanza.name, cluster, name, limits);
      const bool stored = store_wal(repository, stanza, cluster, name, source->content(), *codec);
      log_detail(format("{} {} in repository \"{}\"", name,
                        stored ? "is stored" : "was there already", repository.name()));
    } catch (const Error& error) {
      failures.keep(repository, error);
    }
  }
  failures.throw_if_any(
      repositories.size(), format("{} is not in every repository", name),
      "PostgreSQL keeps the file and asks again; free or repair the repositories named above");
}

namespace {

/// Writes what is handed out, as far as the guard lets it.
class GuardedFile {
 public:
  GuardedFile(AtomicFile& file, const std::string& name, const std::optional<WalGuard>& guard,
              const PageBefore& before)
      : file_(file),
        name_(name),
        guard_(wal_file_kind(name) == WalFileKind::segment ? guard : std::nullopt),
        before_(before) {}

  void write(Bytes piece) {
    file_.write(piece);
    written_bytes_ += piece.size();
    if (!guard_) return;
    if (!segment_) {
      header_ = postgres::parse_wal_header(piece, name_);
      segment_.emplace(*guard_, header_.page_address);
    }
    segment_->add(piece, [&] { return before_.read(name_, header_); });
  }

  void finish() {
    if (!segment_ || !segment_->forbidden()) return;
    const postgres::CreatedTablespace& found = *segment_->forbidden();
    if (!is_read_ahead(found)) refuse(found);
    log_warn(format(
        "{} is returned without the WAL from {} on: there tablespace {} is created in \"{}\", a "
        "place that is not this copy's. Recovery was planned to end at {}; it cannot go further "
        "without a new restore",
        name_, to_string(found.start), found.oid, found.location, to_string(*guard_->until)));
    const Buffer nothing = zeros(written_bytes_ - segment_->harmless_bytes());
    write_at(file_.fd(), nothing, segment_->harmless_bytes(), name_);
  }

 private:
  static Buffer zeros(std::uint64_t count) {
    Buffer buffer(count);
    std::memset(buffer.data(), 0, count);
    return buffer;
  }
  /// Does recovery end before the record? Then the server asks for the segment only because it
  /// holds the end or is read ahead of it (from 15 on, by wal_decode_buffer_size of records, which
  /// may be in many short segments), and would not start without it.
  bool is_read_ahead(const postgres::CreatedTablespace& found) const {
    return guard_->until && found.start >= *guard_->until;
  }
  [[noreturn]] void refuse(const postgres::CreatedTablespace& found) const {
    throw ForbiddenPlace(
        format("{} creates tablespace {} in \"{}\" (at {}), a place that is not this copy's: the "
               "segment is not returned, and recovery stops before it",
               name_, found.oid, found.location, to_string(found.start)),
        format("plan the restore again: it names the last target before it; or, when the directory "
               "is this copy's, add --allow-tablespace={} to restore_command",
               shell_quote(found.location)));
  }

  AtomicFile& file_;
  const std::string& name_;
  const std::optional<WalGuard> guard_;
  const PageBefore& before_;
  postgres::WalHeader header_;
  std::optional<GuardedSegment> segment_;
  std::uint64_t written_bytes_ = 0;
};

/// What archive_get asks of each repository.
struct Question {
  const StanzaSettings& stanza;
  std::span<repo::Repository> repositories;
  repo::Cluster cluster;
  std::uint64_t segment_bytes;
  const WalRequest& request;
  const WalConditions& conditions;
};

/// One repository's answer, written to `file` when it has it.
Fetched fetch_from(repo::Repository& repository, const Question& question, AtomicFile& file) {
  const auto& [stanza, repositories, cluster, segment_bytes, request, conditions] = question;
  repository.open();
  const PageBefore before(stanza.name, repositories, cluster, request.destination.parent_path());
  GuardedFile guarded(file, request.name, conditions.guard, before);
  if (!repository.get_wal(stanza.name, cluster, request.name,
                          [&](Bytes piece) { guarded.write(piece); })) {
    // Certain only when this stanza is the cluster's: otherwise the question was put to the wrong
    // place.
    require_cluster(repository, stanza, cluster);
    return Fetched::absent;
  }
  guarded.finish();
  return Fetched::yes;
}

/// Has the server the whole segment itself? What it reserved for later, or has not received to its
/// end, has other pages there, or zeros.
bool is_in_pg_wal(const Question& question, const WalSegment& segment) {
  const fs::path path = question.request.destination.parent_path() / question.request.name;
  const std::uint64_t segment_bytes = question.segment_bytes;
  const auto source = WalSource::open_if_exists(path);
  if (!source || source->content().size_bytes != segment_bytes) return false;
  const std::uint64_t begin = segment.number * segment_bytes;
  Buffer page(postgres::kWalPageBytes);
  for (const std::uint64_t at : {std::uint64_t{0}, segment_bytes - page.size()}) {
    source->content().read(at, page.writable());
    if (load_le<std::uint64_t>(page.data() + kPageAddressAt) != begin + at) return false;
  }
  return true;
}

/// Asks the repositories in order. Throws when none has it and one could not answer.
Fetched ask_all(const Question& question) {
  const std::string& name = question.request.name;
  Failures failures;
  std::vector<std::string> without;
  for (repo::Repository& repository : question.repositories) {
    // What is wrong with it is no repository's failure.
    AtomicFile file(question.request.destination, 0600);
    try {
      if (fetch_from(repository, question, file) != Fetched::yes) {
        without.push_back(repository.name());
        continue;
      }
    } catch (const ForbiddenPlace&) {
      throw;  // what another repository has of it is the same
    } catch (const Error& error) {
      failures.keep(repository, error);
      continue;
    }
    // The server makes durable what it keeps (KeepFileRestoredFromArchive, xlogarchive.c).
    file.publish();
    for (const std::string& failure : failures.lines()) log_warn("skipped " + failure);
    for (const std::string& other : without)
      log_warn(format("skipped repository \"{}\": it does not have {}", other, name));
    log_detail(format("{} is fetched from repository \"{}\"", name, repository.name()));
    return Fetched::yes;
  }
  failures.throw_if_any(
      question.repositories.size(), format("cannot determine whether {} is archived", name),
      "make the repositories named above readable; recovery goes on when they answer; of one that "
      "is lost, remove [repo.NAME] from the configuration, or restore with --repo=NAME of another");
  return Fetched::absent;
}

/// What shows that the log went on after an absent segment; empty: nothing, or its loss is
/// accepted, or the server has the segment itself. To a server, the first segment that is absent is
/// the end of the log: where it is none, that would be a loss that nobody hears of.
std::string what_follows_absent(const Question& question) {
  const std::string& name = question.request.name;
  if (wal_file_kind(name) != WalFileKind::segment) return {};
  const auto segment = parse_wal_segment_name(name, question.segment_bytes);
  if (!segment || is_in_pg_wal(question, *segment)) return {};
  // The server asks for the same place on each timeline of its way.
  constexpr std::size_t kTimelineDigits = 8;
  const std::string& accepted = question.conditions.accepted_gap;
  if (!accepted.empty() && accepted.substr(kTimelineDigits) == name.substr(kTimelineDigits))
    return {};
  return wal_after(question.repositories, question.stanza.name, question.cluster, name,
                   question.segment_bytes);
}

}  // namespace

Fetched archive_get(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                    const WalRequest& request, const WalConditions& conditions) {
  require_wal_name(request.name);
  if (is_known_absent(request)) return Fetched::absent;
  const postgres::ControlFile control = local_control(stanza);
  return archive_get(stanza, {control.system_id, control.major}, control.wal_segment_bytes,
                     repositories, request, conditions);
}

Fetched archive_get(const StanzaSettings& stanza, const repo::Cluster& cluster,
                    std::uint64_t segment_bytes, std::span<repo::Repository> repositories,
                    const WalRequest& request, const WalConditions& conditions) {
  require_wal_name(request.name);
  if (is_known_absent(request)) return Fetched::absent;
  const Question question{stanza, repositories, cluster, segment_bytes, request, conditions};
  if (ask_all(question) == Fetched::yes) return Fetched::yes;
  const std::string later = what_follows_absent(question);
  if (later.empty()) return Fetched::absent;
  // A live server may have archived it and the next ones between the question and the look.
  if (ask_all(question) == Fetched::yes) return Fetched::yes;
  throw WalHole(
      format("{} is missing in the archive, while {} is there: it is a gap, and recovery must not "
             "end there as if it were the end of the archive",
             request.name, later),
      format("bring the segment back; or plan the restore again, which names what can be reached; "
             "or accept the loss of all later WAL: --accept-gap={} in restore_command",
             request.name));
}

}  // namespace pgcairn::engine
