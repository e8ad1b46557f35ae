#pragma once

#include <pgcairn/repo/keyring.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace pgcairn::repo {

/// Data keys that this host has unwrapped before, so that what runs for every WAL segment pays
/// neither for scrypt nor for reading the slots. Each is wrapped again, in a key derived quickly
/// from the secret: the file alone opens nothing, and a changed secret does not find it. Files
/// that others could read, or that are another user's, are not used.
class KeyCache {
 public:
  /// `directory` is made when something is kept.
  explicit KeyCache(std::filesystem::path directory) : directory_(std::move(directory)) {}

  /// Null: nothing that this secret opens.
  DataKey find(std::string_view repository_id, const KeySecret& secret) const;
  /// Failing is not an error: the next run unwraps the slot again.
  void keep(std::string_view repository_id, const KeySecret& secret, const DataKey& key) const;
  void forget(std::string_view repository_id) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace pgcairn::repo
