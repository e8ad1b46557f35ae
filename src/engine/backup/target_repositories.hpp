#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/engine/backup/backup.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/repository.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The repositories that one backup goes to. One that fails is left out from then on, with a
/// warning, and the backup goes on for the others.
class Targets {
 public:
  explicit Targets(std::span<repo::Repository> repositories);

  /// Opens them. Sealed ones come first from then on: the manifest names the bindings of the first
  /// one's objects, which the other sealed ones keep as long as none between them is not sealed.
  void open();

  /// Those that have not failed, in the order of the configuration but for what open() says.
  std::vector<repo::Repository*> good() const;
  const std::vector<FailedRepository>& failed() const { return failed_; }

  /// Does `action` for each good one. What it throws leaves that one out; when none remains it is
  /// thrown on.
  void each(const std::function<void(repo::Repository&)>& action);
  /// Puts an object whose frames are bound to `bound` into each good one, and binds them again for
  /// each in turn. From many threads.
  void put(const repo::Repository& bound, const std::string& key, MutableBytes object);
  /// Asks each good one whether it still answers; true when one was left out for it.
  bool leave_out_silent();

 private:
  void leave_out(repo::Repository& repository, const Error& error);

  mutable std::mutex mutex_;  // good_ and failed_
  std::vector<repo::Repository*> good_;
  std::vector<FailedRepository> failed_;
};

/// The leases of all good targets, held from construction to destruction.
class Leases {
 public:
  /// `progress` must outlive this.
  Leases(Targets& targets, const std::string& stanza,
         const std::function<repo::LeaseProgress()>& progress, const std::stop_token& stop);
  /// Throws LockedError when that of `repository` was lost.
  void check(const repo::Repository& repository) const;

 private:
  std::map<const repo::Repository*, std::unique_ptr<repo::Lease>> leases_;
};

/// A label later than every other of the stanza in each repository, whatever the clocks say, and
/// below which none has stored anything.
std::string new_label(std::span<repo::Repository* const> repositories, const std::string& stanza,
                      repo::BackupType type, const std::string& prior);

/// The labels of the backups that any of them lists.
std::vector<std::string> listed_labels(std::span<repo::Repository* const> repositories,
                                       const std::string& stanza);

/// Why a repository cannot build on `backup`, which another one has, in words; nothing when it has
/// the same one, whole as far as is known.
std::optional<std::string> why_not_built_on(repo::Repository& repository, const std::string& stanza,
                                            const repo::BackupMarker& backup);

}  // namespace pgcairn::engine
