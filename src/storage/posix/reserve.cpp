#include "posix/reserve.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace pgcairn::storage {

namespace {

const fs::path kFolder = ".reserve";
constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;
// Each is room for sixteen documents; an archiver that is waiting may take some of it first.
constexpr int kPieces = 16;
constexpr std::size_t kPieceBytes = 64 * kKiB;

fs::path piece(int number) {
  return kFolder / format("{:02}", number);
}

}  // namespace

/// Pieces are given up from the last one down, so the last one tells that all are there.
void Reserve::fill() {
  if (done_.exchange(true)) return;
  std::lock_guard lock(mutex_);
  try {
    if (status_of(root_, piece(kPieces - 1))) return;
    const auto above = status_of(root_, {});
    if (::mkdirat(root_.fd(), kFolder.c_str(), kDirectoryMode) == 0) {
      const auto made = open_if_exists(root_, kFolder, O_RDONLY | O_DIRECTORY);
      if (above && made) give_to_owner(*above, *made, root_.whole(kFolder));
    }
    sweep_unfinished(root_, kFolder);
    for (int number = 0; number < kPieces; ++number) {
      if (!status_of(root_, piece(number)) && !make_piece(number)) return;
    }
  } catch (const Error& error) {
    log_detail(format("the repository has no reserve: {}", error.message()));
  }
}

/// False when there is no room.
bool Reserve::make_piece(int number) {
  auto file = Unfinished::create(root_, kFolder, kFileMode);
  if (!file) return false;
  // A file system that compresses must not make nothing of it.
  Buffer bytes(kPieceBytes);
  fill_random(bytes.writable());
  try {
    write_all(file->fd(), bytes, root_.whole(piece(number)));
    file->fd().close(root_.whole(piece(number)));
  } catch (const SystemError& error) {
    if (error.error_number() == ENOSPC || error.error_number() == EDQUOT) return false;
    throw;
  }
  return file->publish(piece(number)) != Unfinished::Outcome::unsupported;
}

bool Reserve::give_up_some() {
  done_ = true;
  std::lock_guard lock(mutex_);
  for (int number = kPieces; number-- > 0;) {
    if (::unlinkat(root_.fd(), piece(number).c_str(), 0) != 0) continue;
    log_info(
        format("the file system of \"{}\" is full: a part of the repository's reserve is released",
               root_.path().native()));
    // Some free what was removed only with the next transaction.
    const auto folder = open_if_exists(root_, kFolder, O_RDONLY | O_DIRECTORY);
    if (folder) ::syncfs(folder->get());
    return true;
  }
  return false;
}

}  // namespace pgcairn::storage
