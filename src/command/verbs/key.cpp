#include "open_repositories.hpp"
#include "settings/key_secrets.hpp"
#include "settings/repository_settings.hpp"
#include "settings/values.hpp"
#include "verbs.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/key_cache.hpp>
#include <pgcairn/repo/keyring.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kNewKeyOptions[] = {
    {"label", ValueKind::text, on_command_line, "TEXT", "", "", 0, 0,
     "the label of the new key slot in key-list"},
    {"new-passphrase-file", ValueKind::path, on_command_line, "FILE", "", "", 0, 0,
     "the new slot's passphrase is the first line of FILE"},
    {"new-key-file", ValueKind::path, on_command_line, "FILE", "", "", 0, 0,
     "the new slot's key is in FILE: 32 bytes, or 64 hexadecimal digits"},
    {"new-key-command", ValueKind::text, on_command_line, "COMMAND", "", "", 0, 0,
     "COMMAND prints the new slot's key"},
    {"new-passphrase", ValueKind::text, in_environment, "TEXT", "", "", 0, 0,
     "the new slot's passphrase (default: asked for at the terminal)"},
};

struct NewKeySettings {
  KeyChoice key;  // none: asked for at the terminal
  std::string label;
};

KeyChoice load_key(const OptionSources& options) {
  KeyChoice key;
  std::string_view first;
  for (const std::string_view name :
       {"new-passphrase-file", "new-key-file", "new-key-command", "new-passphrase"}) {
    const auto value = options.find(name);
    if (!value) continue;
    // The environment's is for want of anything else.
    if (!first.empty() && value->source == Source::environment) continue;
    if (!first.empty()) {
      throw UsageError(format("--{} and --{} are both given", first, name),
                       "a slot has one secret: remove one of them");
    }
    first = name;
    if (name == "new-passphrase-file") key.passphrase_file = options.path_of(*value);
    if (name == "new-key-file") key.file = options.path_of(*value);
    if (name == "new-key-command") key.command = value->text;
    if (name == "new-passphrase") key.passphrase = value->text;
  }
  return key;
}

NewKeySettings load_new_key(const OptionSources& options, const Settings& settings) {
  require_one_repository(settings, "changes");
  return {load_key(options), options.text_of("label")};
}

/// The one repository whose keys are changed, unlocked, and the slot that its settings open.
class Unlocked {
 public:
  explicit Unlocked(const Session& session)
      : settings_(session.settings),
        repositories_(make_repositories(session.settings, session.stop)),
        repository_(repositories_.front()) {
    if (!repository_.identify()) {
      throw UsageError(format("repository \"{}\" is not encrypted", repository_.name()),
                       "encryption begins with a new repository");
    }
    repository_.open();
    const auto opened = open_slots(repo::read_slots(driver(), id()), id(),
                                   key_secret(settings_.repositories.front().key));
    if (!opened) throw repo::KeyError("the key slot was removed just now");
    used_slot_ = opened->number;
  }

  std::uint32_t used_slot() const { return used_slot_; }
  const std::string& name() const { return repository_.name(); }

  std::uint32_t add(const repo::KeySecret& secret, const std::string& label) {
    const auto slots = repo::read_slots(driver(), id());
    if (const auto same = open_slots(slots, id(), secret)) {
      throw UsageError(
          format("the new key opens slot {} of repository \"{}\" already", same->number, name()),
          "choose another one");
    }
    const std::uint32_t number =
        repo::add_slot(driver(), id(), *repository_.seal_context().data_key(), secret, label);
    // What follows may remove the other way in: this one is tried first.
    if (!open_slots(repo::read_slots(driver(), id()), id(), secret))
      throw Error(format("key slot {} was written and does not open", number));
    return number;
  }

  void remove(std::uint32_t number) {
    repo::remove_slot(driver(), id(), number);
    repo::KeyCache(key_cache_path(settings_)).forget(id());
  }

 private:
  storage::Driver& driver() { return repository_.driver(); }
  const std::string& id() { return repository_.id(); }

  const Settings& settings_;
  std::vector<repo::Repository> repositories_;
  repo::Repository& repository_;
  std::uint32_t used_slot_ = 0;
};

void write_slots(JsonWriter& json, std::span<const repo::KeySlot> slots) {
  json.key("slots").begin_array();
  for (const repo::KeySlot& slot : slots) {
    json.begin_object().member("slot", slot.number).member("kind", name_of(slot.kind));
    json.member("label", escape_bytes(slot.label)).member("added", format_utc(slot.added));
    json.end_object();
  }
  json.end_array();
}

std::string slots_text(const std::string& name, bool sealed, std::span<const repo::KeySlot> slots) {
  if (!sealed) return format("repository {}: not encrypted\n", name);
  std::string text =
      format("repository {}: encrypted, {}\n", name, counted(slots.size(), "key slot"));
  for (const repo::KeySlot& slot : slots) {
    text += format("  {:>4}  {:<10}  {}  {}\n", slot.number, name_of(slot.kind),
                   format_local(slot.added), printable_in_line(slot.label));
  }
  return text;
}

ExitCode run_list(const Session& session) {
  const Settings& settings = session.settings;
  JsonWriter json;
  json.begin_object().key("repositories").begin_array();
  std::string text;
  FirstError failure;
  for (repo::Repository& repository : make_repositories(settings, session.stop)) {
    try {
      const bool sealed = repository.identify();
      std::vector<repo::KeySlot> slots;
      if (sealed) slots = repo::read_slots(repository.driver(), repository.id());
      text += slots_text(repository.name(), sealed, slots);
      json.begin_object().member("name", repository.name()).member("sealed", sealed);
      write_slots(json, slots);
      json.key("error").null().end_object();
    } catch (Error& error) {
      text += format("repository {}: not known: {}\n", repository.name(), error.message());
      json.begin_object().member("name", repository.name()).key("sealed").null();
      json.key("slots").null().member("error", escape_bytes(error.message())).end_object();
      error.add_context(format("listing the keys of repository \"{}\"", repository.name()));
      failure.keep();
    }
  }
  json.end_array().end_object();
  print(settings.output == Form::json ? json.take() + "\n" : text);
  failure.throw_if_any();
  return ExitCode::done;
}

void print_slot(std::string_view verb, const std::string& repository, std::uint32_t number) {
  JsonWriter json;
  json.begin_object().key(verb).begin_object().member("repository", repository);
  json.member("slot", number).end_object().end_object();
  print(json.take() + "\n");
}

ExitCode run_add(const Session& session, const NewKeySettings& own) {
  const Settings& settings = session.settings;
  Unlocked repository(session);
  const repo::KeySecret secret = new_key_secret(own.key, session.stop);
  const std::uint32_t number = repository.add(secret, own.label);
  if (settings.output == Form::text) {
    print(format("repository {}: key slot {} added ({})\n", repository.name(), number,
                 name_of(secret.kind)));
    return ExitCode::done;
  }
  print_slot("key-add", repository.name(), number);
  return ExitCode::done;
}

std::uint32_t load_slot(const OptionSources&, const Settings& settings) {
  require_one_repository(settings, "changes");
  const std::string& word = settings.operands.front();
  const auto number = parse_u64(word);
  if (number && *number <= UINT32_MAX) return static_cast<std::uint32_t>(*number);
  throw UsageError(format("\"{}\" is not the number of a key slot", word),
                   "\"pgcairn key-list\" shows the slots");
}

ExitCode run_remove(const Session& session, std::uint32_t number) {
  const Settings& settings = session.settings;
  Unlocked repository(session);
  if (number == repository.used_slot()) {
    throw UsageError(
        format("key slot {} is the one that [repo.{}] opens", number, repository.name()),
        "let the configuration name another key first, or use \"pgcairn key-rotate\"");
  }
  repository.remove(number);
  if (settings.output == Form::text) {
    print(format("repository {}: key slot {} removed\n", repository.name(), number));
    return ExitCode::done;
  }
  print_slot("key-remove", repository.name(), number);
  return ExitCode::done;
}

ExitCode run_rotate(const Session& session, const NewKeySettings& own) {
  const Settings& settings = session.settings;
  Unlocked repository(session);
  const repo::KeySecret secret = new_key_secret(own.key, session.stop);
  const std::uint32_t number = repository.add(secret, own.label);
  repository.remove(repository.used_slot());
  if (settings.output == Form::text) {
    print(
        format("repository {}: key slot {} ({}) has taken the place of slot {}\n"
               "Now set the new key in [repo.{}], on every host: the old one opens nothing any "
               "more.\n",
               repository.name(), number, name_of(secret.kind), repository.used_slot(),
               repository.name()));
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("key-rotate").begin_object().member("repository", repository.name());
  json.member("slot", number).member("removed", repository.used_slot()).end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

}  // namespace

constinit const Verb kKeyList = {
    .name = "key-list",
    .summary = "list the key slots of encrypted repositories",
    .description = lines(R"(
Lists the key slots of the repositories. Needs no key.
)"),
    .examples = lines(R"(
pgcairn key-list
pgcairn --repo=s3 --output=json key-list
)"),
    .exit_status = lines(R"(
   10  no such repository
)"),
    .takes = "repo output",
    .load = without_settings<run_list>,
    .stanza = StanzaUse::none,
    .only_reads = true,
};

constinit const Verb kKeyAdd = {
    .name = "key-add",
    .summary = "add a key slot",
    .description = lines(R"(
Adds a key slot to an encrypted repository: another passphrase or key opens it, too. Stored
data is not written again. Asks for a passphrase at the terminal unless an option or the
environment names the new secret.
)"),
    .examples = lines(R"(
pgcairn --repo=s3 key-add --label="Ada's safe"
pgcairn --repo=s3 key-add --new-key-file=/etc/pgcairn/next.key
)"),
    .exit_status = lines(R"(
   12  the key of [repo.NAME] opens no slot
)"),
    .options = kNewKeyOptions,
    .takes = "repo output",
    .load = with_settings<load_new_key, run_add>,
    .stanza = StanzaUse::none,
};

constinit const Verb kKeyRemove = {
    .name = "key-remove",
    .operands = "SLOT",
    .least_operands = 1,
    .most_operands = 1,
    .summary = "remove a key slot",
    .description = lines(R"(
Removes a key slot: its passphrase or key no longer opens the repository. The last slot and
the slot that the configuration opens cannot be removed.
)"),
    .examples = lines(R"(
pgcairn --repo=s3 key-list
pgcairn --repo=s3 key-remove 0
)"),
    .exit_status = lines(R"(
   12  the key of [repo.NAME] opens no slot
)"),
    .takes = "repo output",
    .load = with_settings<load_slot, run_remove>,
    .stanza = StanzaUse::none,
};

constinit const Verb kKeyRotate = {
    .name = "key-rotate",
    .summary = "replace this key by another",
    .description = lines(R"(
Adds a key slot for a new passphrase or key, tests it, and removes the slot that the
configuration opens. Afterwards, the configuration of every host must name the new secret.
)"),
    .examples = lines(R"(
pgcairn --repo=s3 key-rotate --new-passphrase-file=/etc/pgcairn/next.passphrase
)"),
    .exit_status = lines(R"(
   12  the key of [repo.NAME] opens no slot
)"),
    .options = kNewKeyOptions,
    .takes = "repo output",
    .load = with_settings<load_new_key, run_rotate>,
    .stanza = StanzaUse::none,
};

}  // namespace pgcairn::command
