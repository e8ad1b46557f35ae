#pragma once

#include <pgcairn/common/time.hpp>

#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// Credentials that a service lent, in a private file for the commands to come: archive_command
/// runs for every WAL segment, and would ask the service each time. What does not expire is in the
/// configuration or the environment, and is not kept.
class CredentialCache {
 public:
  /// The words of the credentials, and when they run out.
  struct Lent {
    std::vector<std::string> words;
    Timestamp until;
  };

  /// Keeps nothing.
  CredentialCache() = default;
  /// `found_by` is all that decides which credentials are found: with another one, those in the
  /// file are somebody else's. An empty `file` keeps nothing.
  CredentialCache(std::filesystem::path file, std::string_view found_by);

  std::optional<Lent> find() const;
  void keep(const Lent& lent) const;
  void forget() const;

 private:
  std::filesystem::path file_;
  std::string found_by_;  // hashed: some of it may be secret
};

/// The environment's variables whose names begin with one of `prefixes`, as part of `found_by`.
std::string variables_beginning(std::initializer_list<std::string_view> prefixes);

}  // namespace pgcairn::storage
