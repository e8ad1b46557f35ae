#include "stanza/missing_stanza.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>

namespace pgcairn::engine {

namespace {

std::string name_in(const DamagedError& error, const std::string& stanza) {
  return repo::document_name(error.object(), repo::record_prefix(stanza));
}

/// What was stopped, and which records of it cannot be read: of a stop, unless it was released, and
/// of a release it is not known what it says.
struct Stops {
  repo::RecordState record_state;
  std::vector<DamagedError> unread;
};

Stops read_stops(repo::Repository& repository, const std::string& stanza) {
  std::vector<DamagedError> unread;
  repo::RecordState record_state(
      repo::read_records(repository, stanza, {"stop", "release"},
                         [&](const DamagedError& error) { unread.push_back(error); }),
      now());
  std::erase_if(unread, [&](const DamagedError& error) {
    return record_state.is_released(name_in(error, stanza));
  });
  return {std::move(record_state), std::move(unread)};
}

void require_stanza(repo::Repository& repository, const std::string& stanza) {
  if (!repository.clusters(stanza).empty()) return;
  throw missing_stanza(repository, stanza, "\"pgcairn info\" lists the stanzas");
}

}  // namespace

std::vector<StoppedRepository> stop_stanza(const std::string& stanza, const std::string& reason,
                                           std::span<repo::Repository> repositories) {
  std::vector<StoppedRepository> stopped;
  for (repo::Repository& repository : repositories) {
    repository.open();
    require_stanza(repository, stanza);
    const bool was = !read_stops(repository, stanza).record_state.stops().empty();
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
    const Stops found = read_stops(repository, stanza);
    repo::ReleaseRecord release;
    for (const repo::Record* stop : found.record_state.stops())
      release.records.push_back(stop->name);
    for (const DamagedError& error : found.unread)
      release.records.push_back(name_in(error, stanza));
    if (!release.records.empty()) repo::add_record(repository, stanza, release);
    started.push_back({repository.name(), !release.records.empty()});
  }
  return started;
}

void refuse_when_stopped(repo::Repository& repository, const std::string& stanza) {
  Stops found = read_stops(repository, stanza);
  const auto stops = found.record_state.stops();
  for (DamagedError& error : found.unread) {
    if (repo::record_kind(name_in(error, stanza)) != "stop") continue;
    error.set_hint(
        format("it may say that the stanza is stopped: \"pgcairn --stanza={} --all-hosts start\" "
               "removes the stop",
               stanza));
    throw error;
  }
  if (stops.empty()) return;
  const repo::Record& first = *stops.front();
  const std::string& reason = std::get<repo::StopRecord>(first.content).reason;
  throw LockedError(
      format("stanza \"{}\" was stopped for all hosts in repository \"{}\", from {} at {}{}{}",
             stanza, repository.name(), first.host, format_local(first.time),
             reason.empty() ? "" : ": ", reason),
      format("\"pgcairn --stanza={} --all-hosts start\" allows work in it again", stanza));
}

}  // namespace pgcairn::engine
