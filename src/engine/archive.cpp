#include "cluster.hpp"
#include "wal_source.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/archive.hpp>
#include <pgcairn/engine/stop.hpp>
#include <pgcairn/postgres/wal_file.hpp>

#include <algorithm>
#include <cerrno>

namespace pgcairn::engine {

namespace {

void require_wal_name(const std::string& name) {
  if (wal_file_kind(name)) return;
  throw UsageError(format("\"{}\" is not the name of a WAL file", name),
                   "archive_command passes %p, restore_command passes %f and \"%p\"");
}

fs::path in_data_directory(const StanzaSettings& stanza, const fs::path& path) {
  if (path.is_absolute() || fs::exists(path) || stanza.data_directory.empty()) return path;
  return stanza.data_directory / path;
}

/// Where the archived file and this one part, for whoever has to find out which cluster is which.
void explain_conflict(ConflictError& error, repo::Repository& repository,
                      const StanzaSettings& stanza, const repo::Cluster& cluster,
                      const std::string& name, const repo::WalContent& content) {
  if (wal_file_kind(name) != WalFileKind::segment) return;
  std::uint64_t at = 0;
  bool parted = false;
  Buffer ours;
  repository.get_wal(stanza.name, cluster, name, [&](Bytes piece) {
    if (parted) return;
    ours.resize(std::min<std::uint64_t>(piece.size(), content.size_bytes - at));
    content.read(at, ours.writable());
    const Bytes read = ours;
    const auto difference = std::mismatch(piece.begin(), piece.end(), read.begin(), read.end());
    parted = difference.first != piece.end();
    at += static_cast<std::uint64_t>(difference.first - piece.begin());
  });
  Buffer start(postgres::kWalHeaderBytes);
  content.read(0, start.writable());
  const postgres::WalHeader header = postgres::parse_wal_header(start, name);
  error.add_context(
      format("the two agree up to {} on timeline {}: there this cluster (\"{}\") and the one that "
             "archived it parted",
             to_string(Lsn{header.page_address.value + at}), header.timeline,
             stanza.data_directory.native()));
  error.set_hint(
      "two clusters archive into this stanza. When this one is a copy, give it archive_mode=off or "
      "a stanza of its own; when it is an old primary that came back after a promotion, rebuild it "
      "as a standby (restore --type=standby, or pg_rewind)");
}

/// What went wrong in several repositories, as one error of the first one's kind of words.
Error combined(std::string message, const std::vector<std::string>& failures, std::string hint) {
  for (const std::string& failure : failures) message += "\n  " + failure;
  return Error(std::move(message), std::move(hint));
}

bool store(repo::Repository& repository, const StanzaSettings& stanza, const repo::Cluster& cluster,
           const std::string& name, const repo::WalContent& content, compress::Codec& codec) {
  try {
    return repository.put_wal(stanza.name, cluster, name, content, codec);
  } catch (ConflictError& error) {
    explain_conflict(error, repository, stanza, cluster, name, content);
    throw;
  }
}

}  // namespace

void archive_push(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const std::filesystem::path& file, compress::CodecId codec_id, int level) {
  const std::string name = file.filename();
  require_wal_name(name);
  const repo::Cluster cluster = local_cluster(stanza);
  const fs::path path = in_data_directory(stanza, file);
  const auto source = WalSource::open_if_exists(path);
  if (!source) throw SystemError(format("cannot open \"{}\"", path.native()), ENOENT);
  source->check(name, cluster);

  const auto codec = compress::make_codec(codec_id, level);
  std::vector<std::string> failures;
  std::exception_ptr first;
  for (repo::Repository& repository : repositories) {
    try {
      repository.open();
      require_cluster(repository, stanza, cluster);
      refuse_when_stopped(repository, stanza.name);
      const bool stored = store(repository, stanza, cluster, name, source->content(), *codec);
      log_detail(format("{} {} in repository \"{}\"", name,
                        stored ? "is stored" : "was there already", repository.name()));
    } catch (const Error& error) {
      if (!first) first = std::current_exception();
      failures.push_back(format("repository \"{}\": {}", repository.name(), error.render()));
    }
  }
  if (failures.empty()) return;
  if (repositories.size() == 1) std::rethrow_exception(first);
  throw combined(
      format("{} is not in every repository", name), failures,
      "PostgreSQL keeps the file and asks again; free or repair the repositories named above");
}

namespace {

/// One repository's answer, written to `destination` when it has the file.
Fetched fetch_from(repo::Repository& repository, const StanzaSettings& stanza,
                   const repo::Cluster& cluster, const std::string& name,
                   const fs::path& destination) {
  repository.open();
  AtomicFile file(destination, 0600);
  if (!repository.get_wal(stanza.name, cluster, name, [&](Bytes piece) { file.write(piece); })) {
    // Certain only when this stanza is the cluster's: otherwise the question was put to the wrong
    // place.
    require_cluster(repository, stanza, cluster);
    return Fetched::absent;
  }
  file.publish();  // the server makes durable what it keeps (KeepFileRestoredFromArchive,
                   // xlogarchive.c)
  return Fetched::yes;
}

}  // namespace

Fetched archive_get(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                    const std::string& name, const std::filesystem::path& destination) {
  require_wal_name(name);
  const repo::Cluster cluster = local_cluster(stanza);
  const fs::path place = fs::absolute(destination);
  std::vector<std::string> failures;
  std::vector<std::string> without;
  std::exception_ptr first;
  for (repo::Repository& repository : repositories) {
    try {
      if (fetch_from(repository, stanza, cluster, name, place) == Fetched::yes) {
        for (const std::string& failure : failures) log_warn("passed over " + failure);
        for (const std::string& other : without)
          log_warn(format("passed over repository \"{}\": it does not have {}", other, name));
        log_detail(format("{} is fetched from repository \"{}\"", name, repository.name()));
        return Fetched::yes;
      }
      without.push_back(repository.name());
    } catch (const Error& error) {
      if (!first) first = std::current_exception();
      failures.push_back(format("repository \"{}\": {}", repository.name(), error.render()));
    }
  }
  if (failures.empty()) return Fetched::absent;
  if (repositories.size() == 1) std::rethrow_exception(first);
  throw combined(format("cannot find out whether {} is archived", name), failures,
                 "make the repositories named above readable; recovery goes on when they answer");
}

}  // namespace pgcairn::engine
