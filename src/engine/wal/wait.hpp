#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::engine {

/// Names of the WAL segments from `first` to `last` (24 digits, same timeline), both included.
std::vector<std::string> segments_between(const std::string& first, const std::string& last,
                                          std::uint64_t segment_bytes);
/// Those that `listing` lacks.
std::vector<std::string> missing_wal(const repo::WalListing& listing, const std::string& first,
                                     const std::string& last, std::uint64_t segment_bytes);

/// WAL did not arrive in time.
class LateWalError : public Error {
 public:
  LateWalError(std::string message, std::string hint, std::vector<std::string> missing)
      : Error(std::move(message), std::move(hint)), missing_(std::move(missing)) {}
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::vector<std::string> missing_;
};

/// Waits until every segment from `first` to `last` is in the repository. Throws LateWalError
/// naming the first one that is missing when `timeout` has passed since the last one arrived.
void wait_for_wal(repo::Repository& repository, const std::string& stanza,
                  const repo::Cluster& cluster, const std::string& first, const std::string& last,
                  std::uint64_t segment_bytes, milliseconds timeout, std::stop_token stop);

}  // namespace pgcairn::engine
