#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/crypto/derive.hpp>
#include <pgcairn/crypto/secret.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

// Key slots: pgcairn-repository(5), KEY SLOTS.

/// The repository is sealed, and what is configured does not open it (exit 12).
class KeyError : public Error {
  using Error::Error;
};

/// Where the secret of a slot is kept. The latter two differ for people only: both are keys.
enum class KeyKind { passphrase, file, command };
std::string_view name_of(KeyKind kind);

/// What opens key slots.
struct KeySecret {
  KeyKind kind = KeyKind::passphrase;
  std::string origin;         // for messages: the setting that it comes from
  crypto::SecretBytes bytes;  // a passphrase, or a key of kKeyBytes
};
inline constexpr std::size_t kKeyBytes = 32;

/// The data key, wrapped in a secret.
struct KeySlot {
  std::uint32_t number = 0;
  KeyKind kind = KeyKind::passphrase;
  std::string label;  // the operator's word for it
  Timestamp added{};
  crypto::ScryptCost cost;  // of a passphrase
  std::vector<std::byte> salt;
  std::vector<std::byte> wrapped;
};
/// `0 (passphrase "first"), 2 (file "escrow")`.
std::string list_slots(std::span<const KeySlot> slots);

using DataKey = std::shared_ptr<const crypto::SecretBytes>;
DataKey new_data_key();

/// All slots, by number.
std::vector<KeySlot> read_slots(storage::Driver& driver, std::string_view repository_id,
                                const std::function<void(const DamagedError&)>& damaged = {});

/// The slot of these that the secret opens, and what is in it; nothing when it opens none.
struct OpenedSlot {
  std::uint32_t number = 0;
  DataKey data_key;
};
std::optional<OpenedSlot> open_slots(std::span<const KeySlot> slots, std::string_view repository_id,
                                     const KeySecret& secret);

/// Writes a slot under `number`; false when that is taken.
bool put_slot(storage::Driver& driver, std::string_view repository_id, std::uint32_t number,
              const crypto::SecretBytes& data_key, const KeySecret& secret, std::string_view label);
/// The same under the next free number, which it returns.
std::uint32_t add_slot(storage::Driver& driver, std::string_view repository_id,
                       const crypto::SecretBytes& data_key, const KeySecret& secret,
                       std::string_view label);
/// Removes one of several slots. Throws UsageError when there is none of that number, or no other.
void remove_slot(storage::Driver& driver, std::string_view repository_id, std::uint32_t number);

}  // namespace pgcairn::repo
