#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

struct Object {
  std::string key;
  std::uint64_t size_bytes = 0;
  Timestamp modified{};  // by the store's clock
};

/// What a store can promise; what it lacks is named to the operator, never ignored.
struct Features {
  bool create_only = true;     // put(fail) is decided by the store, so two hosts cannot both win
  bool strong_listing = true;  // list() shows every finished put and no removed object
  unsigned connections = 1;    // requests that make sense at the same time
};

/// What put() does when the key exists.
enum class IfExists {
  fail,  // throw ConflictError and leave the object as it is
  keep,  // leave the object as it is and return false
};

/// A part of an object. A length past the end is cut there.
struct Range {
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = UINT64_MAX;
};

/// What a store does to objects by itself, by a rule that an administrator has made.
struct StoreRule {
  std::string name;
  std::string effect;  // "deletes objects 180 days after they were created"
};

/// Objects under keys; knows nothing of backups. Guarantees: put is all-or-nothing and durable when
/// it returns, and so is remove; a finished put is seen by get, stat and list; nothing is ever
/// overwritten. Keys are as check_key() takes them. Safe to call from many threads. Unknown is
/// never absent: nullopt means that the store said "no such object"; everything else throws
/// (TransientError when a retry may help).
class Driver {
 public:
  virtual ~Driver() = default;

  /// For messages; never contains secrets.
  virtual std::string describe() const = 0;
  virtual Features features() const = 0;

  /// True when the object was created. When it exists already it is durable too by the time that
  /// is said. After an error the object may stand anyway, whole: a later put tells.
  virtual bool put(std::string_view key, Bytes body, IfExists if_exists) = 0;
  /// Replaces `out` by the bytes of the range; false: no such object. A range that starts past the
  /// end gives no bytes.
  virtual bool get(std::string_view key, Range range, Buffer& out) = 0;
  virtual std::optional<Object> stat(std::string_view key) = 0;
  /// Visits every object whose key starts with `prefix`, once, in byte order of the keys. Complete,
  /// or throws; an object that is put or removed meanwhile may be visited or not. What `visit`
  /// throws passes through. `visit` may use the driver.
  virtual void list(std::string_view prefix, const std::function<void(const Object&)>& visit) = 0;
  /// What keys have between `prefix`, which is empty or ends with '/', and the next '/': each name
  /// once, in byte order of the keys. Costs what the folders are, however many objects are in them.
  /// A folder whose last object was removed, or whose first was never finished, may be named too.
  virtual std::vector<std::string> folders(std::string_view prefix) = 0;
  /// Removes all; absent ones are not errors. Throws after trying all when any could not be
  /// removed. ObjectLockedError (object_locked_error.hpp): the store itself keeps one for a time,
  /// under object lock. What is removed stays removed: callers rely on the order of two removes.
  virtual void remove(std::span<const std::string> keys) = 0;
  /// The store's rules that make objects of this driver unreadable after a time: that delete them,
  /// or move them to where they must be asked for hours before. Nothing: it does not tell.
  virtual std::optional<std::vector<StoreRule>> harmful_rules() { return std::vector<StoreRule>(); }
};

/// A key is made of [0-9a-zA-Z._-] in parts divided by '/'; no part is empty, starts with '.' or is
/// longer than kMostKeyPartBytes; the key is not longer than kMostKeyBytes. Throws Error when `key`
/// is not so (a programmer's or a format error, never the store's).
void check_key(std::string_view key);
/// The same for what list() takes: empty, or the beginning of a key.
void check_prefix(std::string_view prefix);
/// The same for what folders() takes: empty, or the beginning of a key that ends with '/'.
void check_folder(std::string_view prefix);

inline constexpr std::size_t kMostKeyBytes = 1024;     // S3's limit, the least of all stores
inline constexpr std::size_t kMostKeyPartBytes = 255;  // a file name's

}  // namespace pgcairn::storage
