#pragma once

#include "http/answer.hpp"
#include "http/credential_cache.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::storage {

/// Credentials, and how long they hold: without limit when that is not said.
template <class Keys>
struct Expiring {
  Keys keys;
  std::optional<Timestamp> until{};
};

/// The words that make up credentials, to be written and read. Each kind has an overload.
inline std::vector<std::string*> words_of(std::string& token) {
  return {&token};
}

/// Credentials that are fetched when they are first needed, and again before they run out: a
/// request that is signed now may be on its way for a while. What a service lent is kept for later
/// commands. Safe to call from many threads.
template <class Keys>
class RenewedCredentials {
 public:
  /// `what` names them in messages ("credentials for S3").
  RenewedCredentials(std::string what, std::function<Expiring<Keys>()> find,
                     CredentialCache kept = {}, Clock& clock = system_clock())
      : what_(std::move(what)), find_(std::move(find)), kept_(std::move(kept)), clock_(clock) {}

  Keys get() {
    std::lock_guard lock(mutex_);
    if (!found_) find_kept();
    if (!found_) find_new();
    if (!lasts(found_->until)) {
      try {
        find_new();
      } catch (const Error& error) {
        if (clock_.now() >= *found_->until) throw;
        log_warn(format("{} could not be renewed, trying again: {}", what_, error.message()));
      }
    }
    return found_->keys;
  }

  /// What `send` answers, which sends a request with the keys that it is given. Keys are withdrawn
  /// and rotated: when they are refused, and their source has others by now, it is sent again.
  template <class Send>
  HttpResponse send(Send send) {
    const Keys keys = get();
    HttpResponse response = send(keys);
    if (!refuses_credentials(response) || !has_others(keys)) return response;
    return send(get());
  }

 private:
  static std::vector<std::string> text_of(Keys keys) {
    std::vector<std::string> text;
    for (const std::string* const word : words_of(keys)) text.push_back(*word);
    return text;
  }

  bool lasts(const std::optional<Timestamp>& until) const {
    constexpr std::chrono::minutes early{5};
    return !until || clock_.now() + early < *until;
  }

  void find_new() {
    found_ = find_();
    from_file_ = false;
    if (!found_->until) return;
    CredentialCache::Lent lent{{}, *found_->until};
    for (const std::string* const word : words_of(found_->keys)) lent.words.push_back(*word);
    kept_.keep(lent);
  }

  void find_kept() {
    const auto lent = kept_.find();
    if (!lent) return;
    Expiring<Keys> found{{}, lent->until};
    const std::vector<std::string*> words = words_of(found.keys);
    if (words.size() != lent->words.size()) return;
    for (std::size_t at = 0; at < words.size(); ++at) *words[at] = lent->words[at];
    found_ = std::move(found);
    from_file_ = true;
  }

  /// Are there others than `refused` by now? Another thread may have found them. A store refuses
  /// for other reasons, too, and a source may be slow: it is not asked again and again.
  bool has_others(const Keys& refused) {
    constexpr std::chrono::seconds between{10};
    std::lock_guard lock(mutex_);
    if (!found_) return true;
    if (text_of(found_->keys) != text_of(refused)) return true;
    if (from_file_) {
      kept_.forget();
      from_file_ = false;
    } else if (looked_again_ && clock_.now() < *looked_again_ + between) {
      return false;
    }
    looked_again_ = clock_.now();
    try {
      find_new();
    } catch (const Error& error) {
      log_warn(format("{} were refused, and there are no others: {}", what_, error.message()));
      return false;
    }
    return text_of(found_->keys) != text_of(refused);
  }

  std::string what_;
  std::function<Expiring<Keys>()> find_;
  CredentialCache kept_;
  Clock& clock_;
  std::mutex mutex_;
  std::optional<Expiring<Keys>> found_;
  bool from_file_ = false;  // kept by an earlier command
  std::optional<Timestamp> looked_again_;
};

}  // namespace pgcairn::storage
