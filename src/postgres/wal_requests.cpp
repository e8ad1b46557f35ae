#include "wal_requests.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::postgres {

namespace {

constexpr const char* kQuestions = "wal-wanted";
constexpr const char* kAnswers = "wal-answer";
constexpr int kPollMilliseconds = 50;
constexpr std::size_t kMostAskedBytes = 1024;  // a name and a place are some fifty

Fd make_pipe(const Beneath& directory, const char* name) {
  directory.remove(name);
  const Fd parent = directory.open("", O_RDONLY | O_DIRECTORY);
  if (::mkfifoat(parent.get(), name, 0600) != 0)
    throw SystemError(format("cannot create \"{}\"", (directory.path() / name).native()), errno);
  // Open at both ends: nobody who comes or goes makes it end. A server that asks and never listens
  // does not keep us waiting either.
  return directory.open(name, O_RDWR | O_NONBLOCK);
}

/// One word of restore_command.
std::string word(const fs::path& path) {
  std::string doubled;
  for (const char c : path.native()) doubled.append(c == '%' ? 2 : 1, c);
  return shell_quote(doubled);
}

/// The places that recovery has files put to (RestoreArchivedFile, xlogarchive.c).
bool is_place(const std::string& place) {
  return place == "pg_wal/RECOVERYXLOG" || place == "pg_wal/RECOVERYHISTORY";
}

}  // namespace

WalRequests::WalRequests(const Beneath& directory, GiveWal give)
    : give_(std::move(give)),
      questions_(make_pipe(directory, kQuestions)),
      answers_(make_pipe(directory, kAnswers)),
      answers_path_(directory.path() / kAnswers),
      thread_([this](const std::stop_token& stop) { answer(stop); }) {}

WalRequests::~WalRequests() = default;

std::string WalRequests::restore_command(const fs::path& directory) {
  return format(
      "echo %f %p >{} && read -r name status <{} && test \"$name\" = %f && exit \"$status\"; exit "
      "{}",
      word(directory / kQuestions), word(directory / kAnswers),
      static_cast<int>(WalAnswer::unknown));
}

void WalRequests::answer(const std::stop_token& stop) {
  std::string asked;
  while (!stop.stop_requested()) {
    struct pollfd one {
      questions_.get(), POLLIN, 0
    };
    if (::poll(&one, 1, kPollMilliseconds) <= 0) continue;
    char piece[256];
    const ssize_t count = ::read(questions_.get(), piece, sizeof piece);
    if (count <= 0) continue;
    asked.append(piece, static_cast<std::size_t>(count));
    const std::size_t end = asked.find('\n');
    if (end == std::string::npos && asked.size() > kMostAskedBytes) asked.clear();
    if (end == std::string::npos) continue;
    answer_one(asked.substr(0, end));
    asked.erase(0, end + 1);
  }
}

void WalRequests::answer_one(const std::string& line) {
  const std::vector<std::string> words = split(line, ' ');
  WalAnswer answer = WalAnswer::unknown;
  try {
    if (words.size() == 2 && wal_file_kind(words[0]) && is_place(words[1]))
      answer = give_(words[0], words[1]);
  } catch (const std::exception& error) {
    log_warn(format("cannot give {} to the private server: {}", words[0], error.what()));
  } catch (const Interrupted&) {
    // The server is about to be stopped.
  }
  try {
    const std::string name = words[0].substr(0, kMostAskedBytes);
    write_all(answers_, as_bytes(format("{} {}\n", name, static_cast<int>(answer))), answers_path_);
  } catch (const Error& error) {
    log_warn(format("the private server gets no answer: {}", error.message()));
  }
}

}  // namespace pgcairn::postgres
