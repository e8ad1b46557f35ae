#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn {

/// Writes JSON text; commas and quotes are its business. Strings must be UTF-8: see escape_bytes()
/// for file names.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint32_t number) { return value(std::uint64_t{number}); }
  JsonWriter& value(int number) { return value(std::int64_t{number}); }
  JsonWriter& value(double number);
  JsonWriter& value(bool flag);
  JsonWriter& null();
  /// `json` is a finished JSON value.
  JsonWriter& raw(std::string_view json);

  template <class Value>
  JsonWriter& member(std::string_view name, const Value& what) {
    return key(name).value(what);
  }

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }
  void clear() {
    text_.clear();
    fresh_ = true;
  }

 private:
  void separate();
  std::string text_;
  bool fresh_ = true;  // nothing stands before the next value in its array or object
};

class JsonDocument;

/// A value inside a JsonDocument, valid while the document lives and until it parses again. Wrong
/// types and absent members throw DamagedError naming the document's object.
class JsonValue {
 public:
  bool is_null() const;
  std::string_view string() const;
  std::uint64_t u64() const;
  std::uint32_t u32() const;  // a larger number is damage, never cut off
  std::int64_t i64() const;
  double number() const;
  bool boolean() const;
  std::vector<JsonValue> array() const;
  /// An array of whole numbers.
  std::vector<std::uint64_t> u64s() const;
  JsonValue operator[](std::string_view name) const;
  /// The member `name`; nothing when it is absent or null.
  std::optional<JsonValue> find(std::string_view name) const;
  void each_member(const std::function<void(std::string_view, JsonValue)>& visit) const;

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument* document, std::array<std::uint64_t, 2> element)
      : document_(document), element_(element) {}
  const JsonDocument* document_;
  std::array<std::uint64_t, 2> element_;
};

/// Parses JSON texts one after the other, reusing its memory.
class JsonDocument {
 public:
  /// `object` is what errors name: a key or a path.
  explicit JsonDocument(std::string object);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  /// Throws DamagedError at `offset` of the object when `text` is not one JSON value.
  JsonValue parse(std::string_view text, std::uint64_t offset = 0);
  const std::string& object() const { return object_; }
  std::uint64_t offset() const { return offset_; }

 private:
  struct Parser;
  std::string object_;
  std::uint64_t offset_ = 0;
  std::unique_ptr<Parser> parser_;
};

/// File names are bytes, JSON is Unicode: a byte that is not part of valid UTF-8, a control byte,
/// and '%' become %XX.
std::string escape_bytes(std::string_view raw);
/// The inverse. A '%' that two hex digits do not follow stands for itself.
std::string unescape_bytes(std::string_view escaped);

}  // namespace pgcairn
