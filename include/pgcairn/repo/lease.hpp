#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/storage/unreadable_error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace pgcairn::repo {

// Leases: pgcairn-repository(5), LEASES.

/// How far the holder was when it last wrote, for information.
struct LeaseProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;  // 0: not known
  bool operator==(const LeaseProgress&) const = default;
};

/// What the last document of a stanza's log says.
struct LeaseState {
  std::uint32_t number = 0;
  std::string holder;
  bool held = false;
  std::string operation;
  std::string host;
  ProcessIdentity process;
  Timestamp since{};
  Timestamp time{};  // when it was last written, by the holder's clock
  std::chrono::seconds valid_for{0};
  std::optional<LeaseProgress> progress{};

  /// A holder that has neither given it back nor run out of time at `when`, nor certainly ended.
  bool alive(Timestamp when) const;
};
std::optional<LeaseState> read_lease(Repository& repository, const std::string& stanza);

/// One writer for each stanza and repository, across hosts. Held from construction to destruction
/// and kept alive by a thread of its own.
///
/// While it is held, the repository's fence lets through what only a holder may do when the lease
/// was confirmed less than a quarter of its time ago, confirms it first otherwise, and refuses when
/// it was lost: a run that was suspended does not go on with what it was about to send.
class Lease {
 public:
  /// Throws LockedError, saying who holds it since when and until when, unless the lease is free,
  /// or its holder is dead: a process that has certainly ended, or one that let the lease run out.
  /// Two clocks decide that only together with a look: a lease that seems to have run out, or that
  /// was written in the future, is watched for half the time that it is valid, in which its holder
  /// writes twice. `clock` is for that, and for waiting when it is given back; `stop` ends the
  /// watching.
  Lease(Repository& repository, std::string stanza, std::string operation,
        std::stop_token stop = {}, std::chrono::seconds valid_for = std::chrono::seconds(120),
        Clock& clock = system_clock());
  /// Gives the lease back, also when the run was asked to stop. What fails is tried again for some
  /// seconds, then logged: the lease runs out by itself.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /// Throws LockedError when the lease was lost: another run has taken it over. When it returns, no
  /// other run has held it since it was taken. To be called before a marker is written.
  void check();
  /// From now on each document tells what `progress` says; it is called from the lease's thread and
  /// must outlive the lease.
  void tell_progress(std::function<LeaseProgress()> progress);

 private:
  std::optional<LeaseState> wait_until_free(Clock& clock, const std::stop_token& stop);
  std::optional<LeaseState> watch(const LeaseState& seen, Clock& clock,
                                  const std::stop_token& stop);
  std::optional<LeaseState> watch_unreadable(const storage::UnreadableError& error, Clock& clock,
                                             const std::stop_token& stop);
  LockedError held_by(const LeaseState& state) const;
  bool write(bool held);
  void give_back() noexcept;
  void keep_alive(std::stop_token stop);
  void confirm();
  void require_ours();
  void remove_older(const std::vector<std::string>& older);

  Repository& repository_;
  std::string stanza_;
  std::string operation_;
  std::chrono::seconds valid_for_;
  Clock& clock_;
  std::string holder_;
  Timestamp since_;
  std::mutex mutex_;
  std::uint32_t next_ = 0;  // number of our next document
  bool lost_ = false;
  storage::BootTime confirmed_{
      0};  // when the last document of ours that was taken began to be written
  std::function<LeaseProgress()> progress_;
  std::jthread heart_;
};

}  // namespace pgcairn::repo
