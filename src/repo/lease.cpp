#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>

#include <algorithm>

namespace pgcairn::repo {

namespace {

// A log whose last document is gone whenever it is asked for is not to be waited for.
constexpr int kMostListings = 10;
// A lease that says that it lasts longer was not written by this program.
constexpr std::uint64_t kMostSeconds = 24 * 60 * 60;
constexpr std::uint64_t kMostNumber = 99'999'999;  // of eight digits
constexpr milliseconds kGiveBackFor{10'000};
constexpr milliseconds kGiveBackPause{250};

std::string holder_in(std::string_view json, const std::string& key) {
  JsonDocument document(key);
  return std::string(document.parse(json)["holder"].string());
}

}  // namespace

namespace {

std::string last_document(Repository& repository, const std::string& stanza) {
  std::string key;
  repository.driver().list(lease_prefix(stanza),
                           [&](const storage::Object& object) { key = object.key; });
  return key;
}

std::optional<std::uint32_t> number_of(const std::string& key, const std::string& stanza) {
  const auto number = parse_u64(document_name(key, lease_prefix(stanza)));
  if (!number || *number >= kMostNumber) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

std::optional<LeaseState> read_lease(Repository& repository, const std::string& stanza) {
  std::string last_key;
  std::optional<std::string> json;
  for (int attempt = 0; !json; ++attempt) {
    last_key = last_document(repository, stanza);
    if (last_key.empty()) return std::nullopt;
    json = get_document(repository.driver(), repository.seal_context(), last_key);
    // Its holder has written a newer one in between: that one is listed now.
    if (!json && attempt == kMostListings)
      throw TransientError(format("\"{}\" was listed and is gone", last_key));
  }
  JsonDocument document(last_key);
  const JsonValue root = document.parse(*json);
  LeaseState state;
  const auto number = number_of(last_key, stanza);
  const auto since = parse_utc(root["since"].string());
  const auto time = parse_utc(root["time"].string());
  const std::uint64_t seconds = root["seconds"].u64();
  if (!number || !since || !time || seconds < 1 || seconds > kMostSeconds) {
    throw DamagedError(last_key, 0, "the lease has an unknown format",
                       "no run of this program wrote it: find out who did, then remove it");
  }
  state.number = *number;
  state.holder = root["holder"].string();
  state.held = root["state"].string() == "held";
  state.operation = root["operation"].string();
  state.host = unescape_bytes(root["host"].string());
  state.process.pid = root["pid"].u64();
  if (const auto space = root.find("pid-space")) {
    state.process.space = unescape_bytes(space->string());
    state.process.started = root["pid-started"].u64();
  }
  state.since = *since;
  state.time = *time;
  state.valid_for = std::chrono::seconds(seconds);
  if (const auto done = root.find("done-bytes"))
    state.progress = LeaseProgress{done->u64(), root["total-bytes"].u64()};
  return state;
}

bool LeaseState::alive(Timestamp when) const {
  return held && when < time + valid_for && !has_ended(process);
}

Lease::Lease(Repository& repository, std::string stanza, std::string operation,
             std::stop_token stop, std::chrono::seconds valid_for, Clock& clock)
    : repository_(repository),
      stanza_(std::move(stanza)),
      operation_(std::move(operation)),
      valid_for_(valid_for),
      clock_(clock),
      holder_(random_id()),
      since_(now()) {
  const auto state = wait_until_free(clock, stop);
  next_ = state ? state->number + 1 : 0;
  bool taken = false;
  try {
    taken = write(true);
  } catch (...) {
    give_back();  // the document may stand anyway
    throw;
  }
  if (!taken) {
    throw LockedError(format("stanza \"{}\" in repository \"{}\" was taken by another run just now",
                             stanza_, repository_.name()),
                      "wait for it, then try again");
  }
  repository_.fence().set([this] { confirm(); });
  heart_ = std::jthread([this](std::stop_token stopped) { keep_alive(stopped); });
}

/// The last document of a lease that may be taken.
std::optional<LeaseState> Lease::wait_until_free(Clock& clock, const std::stop_token& stop) {
  std::optional<LeaseState> state;
  try {
    state = read_lease(repository_, stanza_);
  } catch (const storage::UnreadableError& error) {
    return watch_unreadable(error, clock, stop);
  }
  // A process that has ended will not write again: no need to wait until its lease runs out.
  if (!state || !state->held || has_ended(state->process)) return state;
  const auto age = clock.now() - state->time;
  if (-state->valid_for <= age && age < state->valid_for) throw held_by(*state);
  return watch(*state, clock, stop);
}

/// By the clocks its holder is dead, but one of them may be wrong.
std::optional<LeaseState> Lease::watch(const LeaseState& seen, Clock& clock,
                                       const std::stop_token& stop) {
  const milliseconds enough = std::chrono::duration_cast<milliseconds>(seen.valid_for) / 2;
  const milliseconds pause = std::min(enough / 4, milliseconds(5000)) + milliseconds(1);
  log_info(format(
      "{} by process {} on {} seems to have died at {}: watching its lease for {} s to be sure",
      seen.operation, seen.process.pid, seen.host, format_local(seen.time),
      std::chrono::duration_cast<std::chrono::seconds>(enough).count()));
  for (milliseconds watched{0}; watched < enough; watched += pause) {
    clock.sleep(pause, stop);
    const auto state = read_lease(repository_, stanza_);
    if (!state || !state->held) return state;
    if (state->holder == seen.holder && state->number == seen.number) continue;
    LockedError error = held_by(*state);
    error.add_context(
        format("it is running, although by its clock it wrote last at {}: synchronize the clocks",
               format_local(seen.time)));
    throw error;
  }
  return seen;
}

/// A holder that lives writes the next document; one that was given back stays the last.
std::optional<LeaseState> Lease::watch_unreadable(const storage::UnreadableError& error,
                                                  Clock& clock, const std::stop_token& stop) {
  const milliseconds enough = std::chrono::duration_cast<milliseconds>(valid_for_) / 2;
  const milliseconds pause = std::min(enough / 4, milliseconds(5000)) + milliseconds(1);
  const auto number = number_of(error.object(), stanza_);
  if (!number) throw error;
  log_warn(format("{}; watching the lease for {} s to see whether another run holds it",
                  error.message(),
                  std::chrono::duration_cast<std::chrono::seconds>(enough).count()));
  for (milliseconds watched{0}; watched < enough; watched += pause) {
    clock.sleep(pause, stop);
    if (last_document(repository_, stanza_) == error.object()) continue;
    const auto state = read_lease(repository_, stanza_);
    if (state && state->held) throw held_by(*state);
    return state;
  }
  LeaseState dead;
  dead.number = *number;
  return dead;
}

LockedError Lease::held_by(const LeaseState& state) const {
  return LockedError(
      format("stanza \"{}\" in repository \"{}\" is in use: {} by process {} on {} since {}",
             stanza_, repository_.name(), state.operation, state.process.pid, state.host,
             format_local(state.since)),
      format("wait for it; if that host is dead, its lease expires by itself at {}",
             format_local(state.time + state.valid_for)));
}

Lease::~Lease() {
  heart_.request_stop();
  if (heart_.joinable()) heart_.join();
  repository_.fence().clear();
  if (!lost_) give_back();
}

/// A driver that was asked to stop does not try again: here it is tried again for a bounded time,
/// so that nobody has to wait until the lease of a run that was ended has run out.
void Lease::give_back() noexcept {
  const storage::BootTime began = repository_.fence().since_boot();
  std::string cause = "interrupted";
  for (milliseconds slept{0};; slept += kGiveBackPause) {
    try {
      write(false);
      return;
    } catch (const TransientError& error) {
      cause = error.message();
    } catch (const Error& error) {
      cause = error.message();
      break;
    } catch (...) {  // interrupted between two attempts
    }
    if (slept >= kGiveBackFor || repository_.fence().since_boot() - began >= kGiveBackFor) break;
    clock_.sleep(kGiveBackPause, {});
  }
  log_warn(format("the lease of stanza \"{}\" could not be released and expires by itself: {}",
                  stanza_, cause));
}

void Lease::check() {
  std::lock_guard lock(mutex_);
  if (!lost_ && !write(true)) lost_ = true;
  require_ours();
}

/// A lease that is not written again may be taken over after half of its time.
void Lease::confirm() {
  std::lock_guard lock(mutex_);
  if (!lost_ &&
      repository_.fence().since_boot() - confirmed_ >= storage::BootTime(valid_for_) / 4 &&
      !write(true))
    lost_ = true;
  require_ours();
}

void Lease::require_ours() {
  if (!lost_) return;
  throw LockedError(
      format("the lease of stanza \"{}\" in repository \"{}\" was lost to another run", stanza_,
             repository_.name()),
      "this run could not reach the repository in time, or the machine was suspended; try again");
}

void Lease::tell_progress(std::function<LeaseProgress()> progress) {
  std::lock_guard lock(mutex_);
  progress_ = std::move(progress);
}

/// Puts our next document; false when another run has the lease.
bool Lease::write(bool held) {
  const storage::BootTime began = repository_.fence().since_boot();
  JsonWriter json;
  json.begin_object().member("holder", holder_).member("state", held ? "held" : "released");
  json.member("operation", operation_).member("host", escape_bytes(host_name()));
  const ProcessIdentity process = this_process();
  json.member("pid", process.pid).member("pid-space", escape_bytes(process.space));
  json.member("pid-started", process.started).member("since", format_utc(since_));
  json.member("time", format_utc(now()))
      .member("seconds", static_cast<std::uint64_t>(valid_for_.count()));
  if (progress_ && held) {
    const LeaseProgress progress = progress_();
    json.member("done-bytes", progress.done_bytes).member("total-bytes", progress.total_bytes);
  }
  json.end_object();
  // A document of ours in the way means that the answer to its put was lost; this very one, that
  // something on the way sent it twice.
  while (!put_document(repository_.driver(), repository_.seal_context(), lease_key(stanza_, next_),
                       json.text(), storage::IfExists::keep)) {
    const std::string key = lease_key(stanza_, next_);
    const auto there = get_document(repository_.driver(), repository_.seal_context(), key);
    if (!there) return false;  // removed just now, which only another holder does
    if (*there == json.text()) break;
    if (holder_in(*there, key) != holder_) return false;
    ++next_;
  }
  const std::uint32_t number = next_++;
  // The number may have been free only because another run has taken the lease over, gone on from
  // it, and removed its documents before the last one.
  bool overtaken = false;
  std::vector<std::string> older;
  repository_.driver().list(lease_prefix(stanza_), [&](const storage::Object& object) {
    const auto other = parse_u64(document_name(object.key, lease_prefix(stanza_)));
    if (other && *other > number) overtaken = true;
    if (other && *other < number) older.push_back(object.key);
  });
  if (overtaken) return false;
  confirmed_ = began;
  remove_older(older);
  return true;
}

void Lease::keep_alive(std::stop_token stop) {
  for (;;) {
    try {
      sleep_for(std::chrono::duration_cast<milliseconds>(valid_for_) / 4, stop);
      std::lock_guard lock(mutex_);
      if (lost_) return;
      if (!write(true)) {
        lost_ = true;  // check() says so before anything is published
        return;
      }
    } catch (const Interrupted&) {
      // The run was asked to stop, and may still have something to finish.
      if (stop.stop_requested()) return;
    } catch (const Error& error) {
      log_warn(format("the lease of stanza \"{}\" could not be renewed, trying again: {}", stanza_,
                      error.message()));
    }
  }
}

void Lease::remove_older(const std::vector<std::string>& older) {
  // Credentials that may only add keep the old documents; that is not a reason to stop.
  try {
    repository_.driver().remove(older);
  } catch (const Error& error) {
    log_detail(format("old documents of the lease were not removed: {}", error.message()));
  }
}

}  // namespace pgcairn::repo
