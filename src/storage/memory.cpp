#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <map>
#include <mutex>

namespace pgcairn::storage {

namespace {

class Memory final : public Driver {
 public:
  std::string describe() const override { return "memory"; }
  Features features() const override {
    return {.create_only = true, .strong_listing = true, .connections = 16};
  }

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    check_key(key);
    auto content = std::make_shared<Buffer>();
    content->append(body);
    {
      std::lock_guard lock(mutex_);
      if (objects_.try_emplace(std::string(key), Stored{std::move(content), now()}).second)
        return true;
    }
    if (if_exists == IfExists::keep) return false;
    throw ConflictError(format("cannot create \"{}\": it exists already", key));
  }

  bool get(std::string_view key, Range range, Buffer& out) override {
    check_key(key);
    out.clear();
    const auto content = find(key);
    if (!content) return false;
    if (range.offset_bytes < content->size()) {
      const std::uint64_t rest = content->size() - range.offset_bytes;
      out.append(content->bytes().subspan(range.offset_bytes, std::min(rest, range.length_bytes)));
    }
    return true;
  }

  std::optional<Object> stat(std::string_view key) override {
    check_key(key);
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end()) return std::nullopt;
    return object_at(*found);
  }

  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    check_prefix(prefix);
    // The lock is not held while visiting: the visitor may use the driver.
    std::optional<Object> object = first_from(prefix, true);
    while (object && object->key.starts_with(prefix)) {
      visit(*object);
      object = first_from(object->key, false);
    }
  }

  std::vector<std::string> folders(std::string_view prefix) override {
    check_folder(prefix);
    std::vector<std::string> names;
    std::optional<Object> object = first_from(prefix, true);
    while (object && object->key.starts_with(prefix)) {
      const std::size_t slash = object->key.find('/', prefix.size());
      if (slash == std::string::npos) {
        object = first_from(object->key, false);
        continue;
      }
      names.push_back(object->key.substr(prefix.size(), slash - prefix.size()));
      // '0' is the character after '/': past all that is in the folder.
      object = first_from(object->key.substr(0, slash) + '0', true);
    }
    return names;
  }

  void remove(std::span<const std::string> keys) override {
    for (const std::string& key : keys) check_key(key);
    std::lock_guard lock(mutex_);
    for (const std::string& key : keys) objects_.erase(key);
  }

 private:
  struct Stored {
    std::shared_ptr<const Buffer> content;
    Timestamp modified;
  };
  using Objects = std::map<std::string, Stored, std::less<>>;

  static Object object_at(const Objects::value_type& entry) {
    return {entry.first, entry.second.content->size(), entry.second.modified};
  }

  std::shared_ptr<const Buffer> find(std::string_view key) {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second.content;
  }

  std::optional<Object> first_from(std::string_view key, bool inclusive) {
    std::lock_guard lock(mutex_);
    const auto found = inclusive ? objects_.lower_bound(key) : objects_.upper_bound(key);
    if (found == objects_.end()) return std::nullopt;
    return object_at(*found);
  }

  std::mutex mutex_;
  Objects objects_;
};

}  // namespace

std::unique_ptr<Driver> make_memory() {
  return std::make_unique<Memory>();
}

}  // namespace pgcairn::storage
