#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/secret.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <sys/prctl.h>

namespace pgcairn::crypto {

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* const pages =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw SystemError("cannot get memory for a secret", errno);
  pages_ = {static_cast<std::byte*>(pages), Unmap{size}};
  // A small RLIMIT_MEMLOCK is not a reason to do without backups: the other protections stay.
  ::mlock(pages, size);
  ::madvise(pages, size, MADV_DONTDUMP);
  ::madvise(pages, size, MADV_DONTFORK);
}

SecretBytes::SecretBytes(Bytes bytes) : SecretBytes(bytes.size()) {
  std::copy(bytes.begin(), bytes.end(), pages_.get());
}

void SecretBytes::shrink(std::size_t size) {
  PGCAIRN_ASSERT(size <= size_);
  wipe(writable().subspan(size));
  size_ = size;
}

void SecretBytes::Unmap::operator()(std::byte* pages) const {
  wipe({pages, size});
  ::munmap(pages, size);
}

void wipe(MutableBytes bytes) {
  ::explicit_bzero(bytes.data(), bytes.size());
}

void wipe(std::string& text) {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

void forbid_core_dumps() {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace pgcairn::crypto
