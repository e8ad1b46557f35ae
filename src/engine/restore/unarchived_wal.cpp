#include "restore/unarchived_wal.hpp"

#include "wal/source.hpp"
#include "wal/store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/wal_file.hpp>

#include <algorithm>
#include <set>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kReady = ".ready";
constexpr std::string_view kDone = ".done";
constexpr std::string_view kPartial = ".partial";

/// WAL files that are in pg_wal only.
struct Unarchived {
  std::vector<std::string> ready;     // the server was to archive them
  std::vector<std::string> finished;  // segments that it had not come to mark so
  std::string unfinished;             // the segment that it was writing; empty: none

  bool empty() const { return ready.empty() && finished.empty() && unfinished.empty(); }
};

class Search {
 public:
  explicit Search(const RestorePlan& plan) : plan_(plan), folder_(plan.data_directory / "pg_wal") {}

  Unarchived run() {
    const fs::path status = folder_ / "archive_status";
    std::set<std::string> marked;
    Unarchived found;
    for (const std::string& name : names_in(status)) {
      const bool ready = name.ends_with(kReady);
      if (!ready && !name.ends_with(kDone)) continue;
      const std::string file = name.substr(0, name.rfind('.'));
      marked.insert(file);
      if (ready && !file.ends_with(".backup") && !is_archived(file)) found.ready.push_back(file);
    }
    for (std::string& name : written_last()) {
      if (!marked.contains(name)) found.finished.push_back(std::move(name));
    }
    if (!found.finished.empty()) {
      found.unfinished = found.finished.back();
      found.finished.pop_back();
    }
    std::erase_if(found.finished, [&](const std::string& name) { return is_archived(name); });
    if (is_archived(found.unfinished) || is_archived(found.unfinished + std::string(kPartial)))
      found.unfinished.clear();
    return found;
  }

 private:
  static std::vector<std::string> names_in(const fs::path& directory) {
    std::error_code unknown;
    return fs::is_directory(directory, unknown) ? list_directory(directory)
                                                : std::vector<std::string>{};
  }

  /// Segments from the last checkpoint on, of a server that was not shut down; in order. A file
  /// that the server renamed, to use it later, still begins with an older address.
  std::vector<std::string> written_last() const {
    std::vector<std::string> written;
    if (plan_.server_runs || !stat_if_exists(plan_.data_directory / "global/pg_control")) return {};
    const postgres::ControlFile control = postgres::read_control_file(plan_.data_directory);
    if (postgres::is_shut_down(control) || postgres::never_started(control)) return {};
    const std::uint64_t bytes = control.wal_segment_bytes;
    for (const std::string& name : names_in(folder_)) {
      const auto segment = parse_wal_segment_name(name, bytes);
      if (!segment || segment->number < control.redo.value / bytes) continue;
      if (begins_at(name, Lsn{segment->number * bytes})) written.push_back(name);
    }
    std::sort(written.begin(), written.end(), [](const std::string& one, const std::string& other) {
      constexpr std::size_t timeline_digits = 8;
      return std::pair(one.substr(timeline_digits), one) <
             std::pair(other.substr(timeline_digits), other);
    });
    return written;
  }

  bool begins_at(const std::string& name, Lsn start) const {
    Buffer head(postgres::kWalHeaderBytes);
    const fs::path path = folder_ / name;
    const std::size_t count = read_at(open_file(path, 0), head.writable(), 0, path);
    try {
      return postgres::parse_wal_header(Bytes(head).first(count), name).page_address == start;
    } catch (const Error&) {
      return false;  // zeros: made ahead
    }
  }

  /// By its content: somebody may have archived it by hand, or a part of it. True for what is not
  /// in pg_wal, and so cannot be lost.
  bool is_archived(const std::string& file) const {
    const bool copied = file.ends_with(kPartial);
    const std::string name = copied ? file.substr(0, file.size() - kPartial.size()) : file;
    const auto source = name.empty() ? std::nullopt : source_of(file, name);
    if (!source) return !copied;
    const repo::Cluster cluster{plan_.backup.system_id, plan_.backup.pg_version};
    for (repo::Repository& repository : plan_.all_repositories) {
      try {
        repository.open();
        const auto found =
            compare_archived(repository, plan_.stanza, cluster, file, source->content());
        if (found && found->archived_has_all()) return true;
      } catch (const Error&) {  // not known to be there
      }
    }
    return false;
  }

  /// Of the file itself; a ".partial" may be one of the server's own, or be archived as a copy.
  std::optional<WalSource> source_of(const std::string& file, const std::string& name) const {
    auto source = WalSource::open_if_exists(folder_ / file);
    return source ? std::move(source) : WalSource::open_if_exists(folder_ / name);
  }

  const RestorePlan& plan_;
  fs::path folder_;
};

std::string names_of(const Unarchived& wal) {
  constexpr std::size_t named = 8;
  std::vector<std::string> names = wal.ready;
  names.insert(names.end(), wal.finished.begin(), wal.finished.end());
  if (!wal.unfinished.empty()) names.push_back(wal.unfinished + " (unfinished)");
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i == named && names.size() > named + 1) {
      return text + format(" and {} more, up to {}", names.size() - named, names.back());
    }
    text += format("{}{}", i == 0 ? "" : ", ", names[i]);
  }
  return text;
}

/// What archives it all, as one line for a shell. Recovery reads the unfinished segment under the
/// name that PostgreSQL gives to such.
std::string archive_command(const Unarchived& wal, const fs::path& data_directory) {
  std::string command = format("(cd {}", shell_quote(data_directory.native()));
  if (!wal.ready.empty() || !wal.finished.empty()) {
    std::string files =
        wal.ready.empty() ? "" : " $(ls pg_wal/archive_status | sed -n 's/[.]ready$//p')";
    for (const std::string& name : wal.finished) files += " " + name;
    command += format(" && for f in{}; do pgcairn archive-push pg_wal/$f || exit; done", files);
  }
  if (!wal.unfinished.empty()) {
    const std::string file = "pg_wal/" + wal.unfinished;
    command += format(
        " && cp -p {0} {0}.partial && pgcairn archive-push {0}.partial && rm {0}.partial", file);
  }
  return command + ")";
}

}  // namespace

void check_unarchived_wal(RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  const Unarchived wal = Search(plan).run();
  if (wal.empty()) return;
  const std::string lacks =
      format("pg_wal holds WAL that the archive lacks and the restore removes: {}", names_of(wal));
  const std::string way =
      format("what was committed in it is lost, unless you archive it first: {}",
             archive_command(wal, plan.data_directory));
  if (options.discard_wal) {
    plan.note_first(format("{}; it is given up, by --discard-wal", lacks));
  } else if (options.target.type() == RestoreType::standby || options.isolated ||
             options.sandboxed) {
    plan.note_first(format("{}; {}", lacks, way));
  } else if (options.dry_run) {
    plan.note_first(
        format("THE RESTORE WILL BE REFUSED: {}; --discard-wal gives it up; {}", lacks, way));
  } else {
    throw UsageError(lacks,
                     format("{}; or give it up with --discard-wal; nothing was touched", way));
  }
}

}  // namespace pgcairn::engine
