#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

#include <bit>
#include <cmath>

#include <simdjson.h>

namespace pgcairn {

void JsonWriter::separate() {
  if (!fresh_) text_ += ',';
  fresh_ = false;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  text_ += '{';
  fresh_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  text_ += '}';
  fresh_ = false;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  text_ += '[';
  fresh_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  text_ += ']';
  fresh_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  text_ += ':';
  fresh_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  text_ += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (c == '\n') {
      text_ += "\\n";
    } else if (code < 0x20 || code == 0x7f) {
      text_ += format("\\u{:04x}", code);
    } else if (is_c1_control(text.substr(i))) {
      text_ += format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else {
      text_ += c;
    }
  }
  text_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
  return raw(std::to_string(number));
}
JsonWriter& JsonWriter::value(std::int64_t number) {
  return raw(std::to_string(number));
}
JsonWriter& JsonWriter::value(double number) {
  return std::isfinite(number) ? raw(format("{}", number)) : null();
}
JsonWriter& JsonWriter::value(bool flag) {
  return raw(flag ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
  return raw("null");
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  text_ += json;
  return *this;
}

namespace {

using Element = simdjson::dom::element;
// A JsonValue carries simdjson's element without showing the header to every room.
static_assert(sizeof(Element) == sizeof(std::array<std::uint64_t, 2>) &&
              std::is_trivially_copyable_v<Element>);

std::array<std::uint64_t, 2> packed(Element element) {
  std::array<std::uint64_t, 2> out{};
  std::memcpy(out.data(), &element, sizeof element);
  return out;
}

Element unpacked(const std::array<std::uint64_t, 2>& packed_element) {
  Element element;
  std::memcpy(static_cast<void*>(&element), packed_element.data(), sizeof element);
  return element;
}

[[noreturn]] void wrong(const JsonDocument* document, std::string_view cause) {
  throw DamagedError(document->object(), document->offset(), cause);
}

template <class Wanted>
Wanted get(const JsonDocument* document, const std::array<std::uint64_t, 2>& element,
           std::string_view wanted) {
  Wanted out;
  if (unpacked(element).get(out) != simdjson::SUCCESS)
    wrong(document, format("a JSON value is not {}", wanted));
  return out;
}

}  // namespace

struct JsonDocument::Parser {
  simdjson::dom::parser parser;
};

JsonDocument::JsonDocument(std::string object)
    : object_(std::move(object)), parser_(std::make_unique<Parser>()) {}
JsonDocument::~JsonDocument() = default;

JsonValue JsonDocument::parse(std::string_view text, std::uint64_t offset) {
  offset_ = offset;
  Element root;
  const auto error = parser_->parser.parse(text.data(), text.size()).get(root);
  if (error != simdjson::SUCCESS)
    wrong(this, format("not JSON ({})", simdjson::error_message(error)));
  return JsonValue(this, packed(root));
}

bool JsonValue::is_null() const {
  return unpacked(element_).is_null();
}
std::string_view JsonValue::string() const {
  return get<std::string_view>(document_, element_, "a string");
}
std::uint64_t JsonValue::u64() const {
  return get<std::uint64_t>(document_, element_, "a whole number");
}
std::uint32_t JsonValue::u32() const {
  const std::uint64_t number = u64();
  if (number > UINT32_MAX) wrong(document_, "a JSON number is too large");
  return static_cast<std::uint32_t>(number);
}
std::int64_t JsonValue::i64() const {
  return get<std::int64_t>(document_, element_, "a whole number");
}
double JsonValue::number() const {
  return get<double>(document_, element_, "a number");
}
bool JsonValue::boolean() const {
  return get<bool>(document_, element_, "true or false");
}

std::vector<JsonValue> JsonValue::array() const {
  std::vector<JsonValue> values;
  for (const Element item : get<simdjson::dom::array>(document_, element_, "an array")) {
    values.push_back(JsonValue(document_, packed(item)));
  }
  return values;
}

std::vector<std::uint64_t> JsonValue::u64s() const {
  std::vector<std::uint64_t> numbers;
  for (const Element item : get<simdjson::dom::array>(document_, element_, "an array")) {
    std::uint64_t number = 0;
    if (item.get(number) != simdjson::SUCCESS)
      wrong(document_, "a JSON array does not hold whole numbers only");
    numbers.push_back(number);
  }
  return numbers;
}

JsonValue JsonValue::operator[](std::string_view name) const {
  if (auto value = find(name)) return *value;
  wrong(document_, format("\"{}\" is absent", name));
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  const auto object = get<simdjson::dom::object>(document_, element_, "an object");
  Element item;
  if (object.at_key(name).get(item) != simdjson::SUCCESS || item.is_null()) return std::nullopt;
  return JsonValue(document_, packed(item));
}

void JsonValue::each_member(const std::function<void(std::string_view, JsonValue)>& visit) const {
  for (const auto [name, item] : get<simdjson::dom::object>(document_, element_, "an object")) {
    visit(name, JsonValue(document_, packed(item)));
  }
}

std::string escape_bytes(std::string_view raw) {
  std::string escaped;
  escaped.reserve(raw.size());
  while (!raw.empty()) {
    const auto code = static_cast<unsigned char>(raw[0]);
    const std::size_t length = code < 0x20 || code == 0x7f || raw[0] == '%' ? 0 : utf8_length(raw);
    if (length == 0) {
      escaped += format("%{:02X}", code);
    } else {
      escaped += raw.substr(0, length);
    }
    raw.remove_prefix(length == 0 ? 1 : length);
  }
  return escaped;
}

std::string unescape_bytes(std::string_view escaped) {
  std::string raw;
  raw.reserve(escaped.size());
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    const std::string_view digits = escaped.substr(i + 1, 2);
    const auto byte =
        escaped[i] == '%' && digits.size() == 2 ? parse_u64(digits, 16) : std::nullopt;
    if (byte) {
      raw.push_back(static_cast<char>(*byte));
      i += 2;
    } else {
      raw.push_back(escaped[i]);
    }
  }
  return raw;
}

}  // namespace pgcairn
