#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/stop.hpp>
#include <pgcairn/repo/records.hpp>

namespace pgcairn::engine {

namespace {

repo::Standing read_stops(repo::Repository& repository, const std::string& stanza) {
  return {repo::read_records(repository, stanza, {"stop", "release"}), now()};
}

void require_stanza(repo::Repository& repository, const std::string& stanza) {
  if (!repository.clusters(stanza).empty()) return;
  throw MissingError(
      format("there is no stanza \"{}\" in repository \"{}\"", stanza, repository.name()),
      "\"pgcairn info\" lists the stanzas");
}

}  // namespace

std::vector<StoppedRepository> stop_stanza(const std::string& stanza, const std::string& reason,
                                           std::span<repo::Repository> repositories) {
  std::vector<StoppedRepository> stopped;
  for (repo::Repository& repository : repositories) {
    repository.open();
    require_stanza(repository, stanza);
    const bool was = !read_stops(repository, stanza).stops().empty();
    if (!was) repo::add_record(repository, stanza, repo::StopRecord{reason});
    stopped.push_back({repository.name(), !was});
  }
  return stopped;
}

std::vector<StoppedRepository> start_stanza(const std::string& stanza,
                                            std::span<repo::Repository> repositories) {
  std::vector<StoppedRepository> started;
  for (repo::Repository& repository : repositories) {
    repository.open();
    require_stanza(repository, stanza);
    const repo::Standing standing = read_stops(repository, stanza);
    repo::ReleaseRecord release;
    for (const repo::Record* stop : standing.stops()) release.records.push_back(stop->name);
    if (!release.records.empty()) repo::add_record(repository, stanza, release);
    started.push_back({repository.name(), !release.records.empty()});
  }
  return started;
}

void refuse_when_stopped(repo::Repository& repository, const std::string& stanza) {
  const repo::Standing standing = read_stops(repository, stanza);
  const auto stops = standing.stops();
  if (stops.empty()) return;
  const repo::Record& first = *stops.front();
  const std::string& reason = std::get<repo::StopRecord>(first.content).reason;
  throw LockedError(
      format("stanza \"{}\" was stopped for all hosts in repository \"{}\", from {} at {}{}{}",
             stanza, repository.name(), first.host, format_local(first.time),
             reason.empty() ? "" : ": ", reason),
      format("\"pgcairn --stanza={} --all-hosts start\" allows it again", stanza));
}

}  // namespace pgcairn::engine
