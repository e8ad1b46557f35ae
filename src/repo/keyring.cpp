#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/aead.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/seal_context.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::repo {

namespace {

constexpr std::string_view kInfo = "pgcairn key slot 1";
constexpr std::size_t kSaltBytes = 16;
// 32 MiB and about a fifth of a second: as hard as OWASP asks for, and nothing beside a backup.
constexpr crypto::ScryptCost kCost{32'768, 8, 3};
constexpr std::uint64_t kMostCostBytes = 1 * kGiB;

constexpr std::array<std::string_view, 3> kKindNames = {"passphrase", "file", "command"};

bool reasonable(const crypto::ScryptCost& cost) {
  return cost.n >= 2 && cost.n <= 1U << 24 && cost.r >= 1 && cost.r <= 64 && cost.p >= 1 &&
         cost.p <= 64 && 128 * cost.n * cost.r <= kMostCostBytes;
}

/// What wraps the data key in the slot. Used for one message only, so that its nonce can be 0.
crypto::SecretBytes wrapping_key(const KeySlot& slot, const KeySecret& secret) {
  if (slot.kind != KeyKind::passphrase)
    return crypto::hkdf_sha256(secret.bytes, slot.salt, as_bytes(kInfo), kKeyBytes);
  const auto stretched = crypto::scrypt(secret.bytes, slot.salt, slot.cost, kKeyBytes);
  return crypto::hkdf_sha256(stretched, slot.salt, as_bytes(kInfo), kKeyBytes);
}

/// What a slot is bound to: its place, and its kind.
std::string bound_to(std::string_view repository_id, const KeySlot& slot) {
  return format("{}\n{}", SealContext(repository_id).place_of(slot_key(slot.number)),
                name_of(slot.kind));
}

std::optional<crypto::SecretBytes> unwrap(const KeySlot& slot, std::string_view repository_id,
                                          const KeySecret& secret) {
  crypto::SecretBytes data_key(kKeyBytes);
  crypto::Tag tag;
  std::copy_n(slot.wrapped.begin() + kKeyBytes, tag.size(), tag.begin());
  const std::string place = bound_to(repository_id, slot);
  const std::array<Bytes, 1> associated = {as_bytes(place)};
  crypto::Aead aead(wrapping_key(slot, secret));
  if (!aead.open({}, associated, Bytes(slot.wrapped).first(kKeyBytes), tag, data_key.writable()))
    return std::nullopt;
  return data_key;
}

KeySlot read_slot(std::string_view json, const std::string& key) {
  JsonDocument document(key);
  const JsonValue root = document.parse(json);
  KeySlot slot;
  const auto number = parse_u64(document_name(key, kSlotsPrefix));
  const auto kind = std::find(kKindNames.begin(), kKindNames.end(), root["kind"].string());
  const auto added = parse_utc(root["added"].string());
  const auto salt = parse_hex(root["salt"].string());
  const auto wrapped = parse_hex(root["wrapped"].string());
  if (!number || *number > UINT32_MAX || kind == kKindNames.end() || !added || !salt || !wrapped ||
      wrapped->size() != kKeyBytes + sizeof(crypto::Tag)) {
    throw DamagedError(key, 0, "the key slot has an unknown format");
  }
  slot.number = static_cast<std::uint32_t>(*number);
  slot.kind = static_cast<KeyKind>(kind - kKindNames.begin());
  slot.label = unescape_bytes(root["label"].string());
  slot.added = *added;
  slot.salt = *salt;
  slot.wrapped = *wrapped;
  if (slot.kind == KeyKind::passphrase) {
    const JsonValue cost = root["scrypt"];
    slot.cost = {cost["n"].u64(), cost["r"].u32(), cost["p"].u32()};
    if (!reasonable(slot.cost))
      throw DamagedError(key, 0, "the cost of the key slot is out of range");
  }
  return slot;
}

std::string write_slot(const KeySlot& slot) {
  JsonWriter json;
  json.begin_object().member("kind", name_of(slot.kind));
  json.member("label", escape_bytes(slot.label)).member("added", format_utc(slot.added));
  json.member("salt", hex(slot.salt));
  if (slot.kind == KeyKind::passphrase) {
    json.key("scrypt").begin_object().member("n", slot.cost.n);
    json.member("r", slot.cost.r).member("p", slot.cost.p).end_object();
  }
  json.member("wrapped", hex(slot.wrapped)).end_object();
  return json.take();
}

}  // namespace

std::string_view name_of(KeyKind kind) {
  return kKindNames.at(static_cast<std::size_t>(kind));
}

std::string list_slots(std::span<const KeySlot> slots) {
  std::string text;
  for (const KeySlot& slot : slots) {
    text += format("{}{} ({}{})", text.empty() ? "" : ", ", slot.number, name_of(slot.kind),
                   slot.label.empty() ? "" : format(" \"{}\"", slot.label));
  }
  return text.empty() ? "none" : text;
}

DataKey new_data_key() {
  crypto::SecretBytes key(kKeyBytes);
  fill_random(key.writable());
  return std::make_shared<const crypto::SecretBytes>(std::move(key));
}

std::vector<KeySlot> read_slots(storage::Driver& driver, std::string_view repository_id,
                                const std::function<void(const DamagedError&)>& damaged) {
  std::vector<std::string> keys;
  driver.list(kSlotsPrefix, [&](const storage::Object& object) { keys.push_back(object.key); });
  std::vector<KeySlot> slots;
  for (const std::string& key : keys) {
    try {
      if (const auto json = get_document(driver, SealContext(repository_id), key))
        slots.push_back(read_slot(*json, key));
    } catch (const DamagedError& error) {
      if (!damaged) throw;
      damaged(error);
    }
  }
  return slots;
}

std::optional<OpenedSlot> open_slots(std::span<const KeySlot> slots, std::string_view repository_id,
                                     const KeySecret& secret) {
  for (const KeySlot& slot : slots) {
    if ((slot.kind == KeyKind::passphrase) != (secret.kind == KeyKind::passphrase)) continue;
    if (auto key = unwrap(slot, repository_id, secret))
      return OpenedSlot{slot.number, std::make_shared<const crypto::SecretBytes>(std::move(*key))};
  }
  return std::nullopt;
}

bool put_slot(storage::Driver& driver, std::string_view repository_id, std::uint32_t number,
              const crypto::SecretBytes& data_key, const KeySecret& secret,
              std::string_view label) {
  KeySlot slot;
  slot.number = number;
  slot.kind = secret.kind;
  slot.label = label;
  slot.added = now();
  slot.cost = kCost;
  slot.salt.resize(kSaltBytes);
  fill_random(slot.salt);
  crypto::Aead aead(wrapping_key(slot, secret));
  crypto::SecretBytes message(data_key.bytes());
  const std::string place = bound_to(repository_id, slot);
  const std::array<Bytes, 1> associated = {as_bytes(place)};
  const crypto::Tag tag = aead.seal({}, associated, message.writable());
  slot.wrapped.assign(message.bytes().begin(), message.bytes().end());
  slot.wrapped.insert(slot.wrapped.end(), tag.begin(), tag.end());
  return put_document(driver, SealContext(repository_id), slot_key(number), write_slot(slot),
                      storage::IfExists::keep);
}

std::uint32_t add_slot(storage::Driver& driver, std::string_view repository_id,
                       const crypto::SecretBytes& data_key, const KeySecret& secret,
                       std::string_view label) {
  std::uint32_t number = 0;
  for (const KeySlot& slot : read_slots(driver, repository_id))
    number = std::max(number, slot.number + 1);
  while (!put_slot(driver, repository_id, number, data_key, secret, label)) ++number;
  return number;
}

void remove_slot(storage::Driver& driver, std::string_view repository_id, std::uint32_t number) {
  const std::vector<KeySlot> slots = read_slots(driver, repository_id);
  const bool there = std::any_of(slots.begin(), slots.end(),
                                 [&](const KeySlot& slot) { return slot.number == number; });
  if (!there) {
    throw UsageError(format("there is no key slot {}", number),
                     format("the slots are {}", list_slots(slots)));
  }
  if (slots.size() == 1) {
    throw UsageError(
        format("key slot {} is the last one: without it no backup can be read", number),
        "add another one first, with \"pgcairn key-add\"");
  }
  const std::string key = slot_key(number);
  driver.remove({&key, 1});
}

}  // namespace pgcairn::repo
