#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace pgcairn::crypto {
class SecretBytes;
}

namespace pgcairn::repo {

/// What ties an object to its repository: the repository's id and, in an encrypted one, the data
/// key that its objects are sealed with. All code that reads or writes bytes of a repository needs
/// it.
class SealContext {
 public:
  explicit SealContext(std::string_view repository_id,
                       std::shared_ptr<const crypto::SecretBytes> data_key = nullptr);

  const std::string& repository_id() const { return repository_id_; }
  /// Null: nothing is sealed.
  const crypto::SecretBytes* data_key() const { return data_key_.get(); }
  bool sealed() const { return data_key_ != nullptr; }
  /// pgcairn-repository(5), TERMS: what the object under `key` is bound to.
  std::string place_of(std::string_view key) const;

 private:
  std::string repository_id_;
  std::shared_ptr<const crypto::SecretBytes> data_key_;
};

}  // namespace pgcairn::repo
