#include "settings/key_secrets.hpp"

#include "settings/file_hint.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/command_output.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSecretBytes = 4096;
constexpr std::string_view kHowToMake = "\"openssl rand -out FILE 32\" makes a key";

/// Up to the first line's end.
void cut_to_line(crypto::SecretBytes& secret) {
  const std::string_view text = as_text(secret);
  secret.shrink(std::min(text.find_first_of("\r\n"), text.size()));
}

crypto::SecretBytes read_secret_file(std::string_view setting, const fs::path& path) try {
  const Fd file = open_file(path, O_RDONLY);
  if ((stat_of(file, path).st_mode & (S_IROTH | S_IWOTH)) != 0) {
    throw UsageError(format("{}: everybody may read or write \"{}\"", setting, path.native()),
                     "chmod o-rw; then think of the secret as known");
  }
  crypto::SecretBytes secret(kMostSecretBytes + 1);
  secret.shrink(read_at(file, secret.writable(), 0, path));
  if (secret.size() > kMostSecretBytes)
    throw UsageError(format("{}: \"{}\" is too long for a secret", setting, path.native()));
  return secret;
} catch (const SystemError& error) {
  std::string hint = file_hint(error, path, "key");
  if (error.error_number() == ENOENT && !setting.starts_with("new-"))
    hint += "; \"pgcairn key-list\" shows which others open the repository";
  throw UsageError(format("{}: {}", setting, error.message()), std::move(hint));
}

/// 32 bytes as they are, or 64 hexadecimal digits.
crypto::SecretBytes key_of(std::string_view setting, crypto::SecretBytes said) {
  if (said.size() == repo::kKeyBytes) return said;
  auto bytes = parse_hex(trim(as_text(said)));
  if (!bytes || bytes->size() != repo::kKeyBytes) {
    throw UsageError(format("{} gives no key: that is 32 bytes, or 64 hexadecimal digits", setting),
                     std::string(kHowToMake));
  }
  crypto::SecretBytes key{Bytes(*bytes)};
  crypto::wipe(*bytes);
  return key;
}

repo::KeySecret passphrase_of(std::string_view setting, crypto::SecretBytes text) {
  if (text.empty()) throw UsageError(format("{} gives an empty passphrase", setting));
  return {repo::KeyKind::passphrase, std::string(setting), std::move(text)};
}

/// What `key` says. Its settings' names begin with `passphrase_prefix` and `key_prefix`.
repo::KeySecret secret_of(const KeyChoice& key, std::string_view passphrase_prefix,
                          std::string_view key_prefix) {
  if (!key.passphrase_file.empty()) {
    const std::string setting = format("{}passphrase-file", passphrase_prefix);
    crypto::SecretBytes text = read_secret_file(setting, key.passphrase_file);
    cut_to_line(text);
    return passphrase_of(setting, std::move(text));
  }
  if (!key.file.empty()) {
    const std::string setting = format("{}file", key_prefix);
    return {repo::KeyKind::file, setting, key_of(setting, read_secret_file(setting, key.file))};
  }
  if (!key.command.empty()) {
    const std::string setting = format("{}command", key_prefix);
    crypto::SecretBytes said(kMostSecretBytes);
    said.shrink(read_command_output(key.command, setting, said.writable()));
    return {repo::KeyKind::command, setting, key_of(setting, std::move(said))};
  }
  return passphrase_of(format("{}passphrase", passphrase_prefix),
                       crypto::SecretBytes(as_bytes(key.passphrase)));
}

/// The terminal without echo, as long as this lives.
class QuietTerminal {
 public:
  explicit QuietTerminal(const Fd& terminal) : terminal_(terminal) {
    ::tcgetattr(terminal_.get(), &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal_.get(), TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() { ::tcsetattr(terminal_.get(), TCSAFLUSH, &before_); }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  const Fd& terminal_;
  termios before_{};
};

crypto::SecretBytes ask(const Fd& terminal, std::string_view question,
                        const std::stop_token& stop) {
  const QuietTerminal quiet(terminal);
  const fs::path path = "/dev/tty";
  write_all(terminal, as_bytes(question), path);
  pollfd waiting{terminal.get(), POLLIN, 0};
  while (::poll(&waiting, 1, 100) <= 0) check_stop(stop);
  crypto::SecretBytes answer(kMostSecretBytes);
  const ssize_t count = ::read(terminal.get(), answer.writable().data(), answer.size());
  if (count < 0) throw SystemError("cannot read from the terminal", errno);
  answer.shrink(static_cast<std::size_t>(count));
  cut_to_line(answer);
  write_all(terminal, as_bytes("\n"), path);
  return answer;
}

}  // namespace

fs::path key_cache_path(const Settings& settings) {
  return settings.state_path / "key";
}

repo::KeySettings key_settings(const Settings& settings, const RepositorySettings& repository) {
  repo::KeySettings keys;
  keys.required = repository.sealed;
  if (!repository.key.none()) {
    keys.secret = [key = repository.key] { return key_secret(key); };
  }
  // What runs all the time; others can wait for scrypt, and see at once which slot was removed.
  if (settings.verb->runs_often) keys.cache = key_cache_path(settings);
  return keys;
}

repo::KeySecret key_secret(const KeyChoice& key) {
  return secret_of(key, "key-", "key-");
}

repo::KeySecret new_key_secret(const KeyChoice& key, const std::stop_token& stop) {
  if (!key.none()) return secret_of(key, "new-", "new-key-");
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  const Fd terminal(fd);
  if (fd < 0) {
    throw UsageError("no new key is given, and there is no terminal to ask for a passphrase",
                     "add --new-passphrase-file, --new-key-file or --new-key-command, or set "
                     "PGCAIRN_NEW_PASSPHRASE");
  }
  crypto::SecretBytes text = ask(terminal, "New passphrase: ", stop);
  const crypto::SecretBytes again = ask(terminal, "The same again: ", stop);
  if (as_text(text) != as_text(again)) throw UsageError("the two passphrases differ");
  return passphrase_of("the terminal", std::move(text));
}

}  // namespace pgcairn::command
