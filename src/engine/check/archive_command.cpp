#include "check/archive_command.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kProgram = "pgcairn";
constexpr std::string_view kVerb = "archive-push";
constexpr std::string_view kStanzaVariable = "PGCAIRN_STANZA=";

using Words = std::vector<std::string>;

/// The simple commands of a POSIX shell command, as words without their quotes.
class ShellCommands {
 public:
  explicit ShellCommands(std::string_view text) {
    for (at_ = 0; at_ < text.size(); ++at_) read(text);
    end_command();
  }
  std::vector<Words> take() { return std::move(commands_); }

 private:
  void read(std::string_view text) {
    const char c = text[at_];
    if (c == '\'' || c == '"') return read_quoted(text, c);
    if (c == '\\' && at_ + 1 < text.size()) return add(text[++at_]);
    if (c == ' ' || c == '\t') return end_word();
    if (c == ';' || c == '&' || c == '|' || c == '(' || c == ')' || c == '\n') return end_command();
    add(c);
  }
  void read_quoted(std::string_view text, char quote) {
    in_word_ = true;  // "" is a word
    for (++at_; at_ < text.size() && text[at_] != quote; ++at_) {
      if (quote == '"' && text[at_] == '\\' && at_ + 1 < text.size()) ++at_;
      add(text[at_]);
    }
  }
  void add(char c) {
    in_word_ = true;
    word_ += c;
  }
  void end_word() {
    if (in_word_) words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = false;
  }
  void end_command() {
    end_word();
    if (!words_.empty()) commands_.push_back(std::move(words_));
    words_.clear();
  }

  std::size_t at_ = 0;
  bool in_word_ = false;
  std::string word_;
  Words words_;
  std::vector<Words> commands_;
};

std::string without_directories(const std::string& word) {
  return std::filesystem::path(word).filename();
}

bool is_assignment(const std::string& word) {
  const std::size_t equals = word.find('=');
  return equals != std::string::npos && equals > 0 && word.find('/') > equals &&
         word.front() != '-';
}

/// Is `%letter` in the text? "%%" is a percent sign.
bool has_placeholder(std::string_view text, char letter) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (text[++i] == letter) return true;
  }
  return false;
}

/// The value of an option in either form: --name=VALUE, --name VALUE.
std::optional<std::string> value_of(const Words& words, const std::string& name) {
  std::optional<std::string> value;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].starts_with(name + "=")) value = words[i].substr(name.size() + 1);
    if (words[i] == name && i + 1 < words.size()) value = words[i + 1];
  }
  return value;
}

ArchiveCommand read_words(const Words& words) {
  ArchiveCommand command;
  const auto ours = std::find_if(words.begin(), words.end(), [](const std::string& word) {
    return without_directories(word) == kProgram;
  });
  const auto program =
      ours != words.end() ? ours : std::find_if_not(words.begin(), words.end(), is_assignment);
  if (program != words.end()) command.program = without_directories(*program);
  command.pushes = ours != words.end() && std::find(ours, words.end(), kVerb) != words.end();
  command.stanza = value_of(words, "--stanza");
  command.config = value_of(words, "--config");
  for (const std::string& word : words) {
    if (!command.stanza && word.starts_with(kStanzaVariable))
      command.stanza = word.substr(kStanzaVariable.size());
    command.passes_path |= has_placeholder(word, 'p');
    command.passes_name |= has_placeholder(word, 'f');
  }
  return command;
}

}  // namespace

ArchiveCommand read_archive_command(std::string_view text) {
  const std::vector<Words> commands = ShellCommands(text).take();
  for (const Words& words : commands) {
    if (const ArchiveCommand command = read_words(words); command.pushes) return command;
    for (const std::string& word : words) {
      // What "sh -c" runs is one word here. A word within it is shorter, so this ends.
      if (word.size() >= text.size() || word.find(' ') == std::string::npos) continue;
      if (const ArchiveCommand inner = read_archive_command(word); inner.pushes) return inner;
    }
  }
  ArchiveCommand first;
  for (const Words& words : commands) {
    const ArchiveCommand command = read_words(words);
    if (command.passes_path) return command;
    if (first.program.empty()) first = command;
  }
  return first;
}

}  // namespace pgcairn::engine
