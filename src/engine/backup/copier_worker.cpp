#include "backup/copier_job.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>

#include <algorithm>

#include <fcntl.h>

namespace pgcairn::engine {

using postgres::kPageBytes;

namespace {

constexpr std::size_t kReadBytes = 1 * kMiB;
constexpr int kSampleReads = 3;  // a page that is written while it is read looks changed

}  // namespace

Copier::Thread::Thread(Copier& copier)
    : copier_(copier),
      filler_(copier.store_, copier.settings_.codec, copier.settings_.level, copier.frame_bytes()),
      buffer_(kReadBytes) {}

void Copier::Thread::copy_range(Job& job, std::size_t range) {
  const std::uint64_t start = range * kRangeBytes;
  copy(job, job.fd, start, std::min(start + kRangeBytes, job.size_bytes), job.parts[range]);
}

void Copier::Thread::copy_small(Job& job) {
  const auto fd = open_source(job.source, copier_.settings_.data_directory);
  if (!fd) {  // dropped since it was listed
    job.vanished = true;
    return;
  }
  // Small when it was listed; it may have grown since, so its size now decides.
  job.size_bytes = static_cast<std::uint64_t>(stat_of(*fd, job.source.source).st_size);
  if (job.pages()) job.size_bytes -= job.size_bytes % kPageBytes;
  copy(job, *fd, 0, job.size_bytes, job.parts[0]);
}

void Copier::Thread::copy(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end,
                          Part& part) {
  switch (job.plan.how) {
    case FilePlan::How::whole:
      return copy_whole(job, fd, start, end, part);
    case FilePlan::How::blocks:
      return copy_blocks(job, fd, start, end, part);
    case FilePlan::How::compare:
      break;
  }
  if (job.pages()) return copy_different_pages(job, fd, start, end, part);
  if (!same_content(job, fd)) return copy_whole(job, fd, start, end, part);
  job.hash = job.plan.prior->hash;
  inherit(job, start, end - start, part);
}

/// Reads into the buffer and checks pages; the count read. Pages are filled up with zeros where the
/// file was truncated meanwhile: that keeps its size, and replay of the truncation takes them away.
std::size_t Copier::Thread::read(Job& job, const Fd& fd, std::uint64_t offset, std::uint64_t length,
                                 Part& part) {
  check_stop(copier_.stop_);
  const fs::path& path = job.source.source;
  buffer_.resize(length);
  const std::size_t count = read_at(fd, buffer_.writable(), offset, path);
  copier_.read_bytes_ += count;
  std::memset(buffer_.data() + count, 0, buffer_.size() - count);
  if (job.pages()) {
    check_pages(copier_.rules_, fd, path, job.segment(), offset, buffer_.writable(), part.errors);
  }
  return count;
}

void Copier::Thread::store(Job& job, std::uint64_t offset, Bytes content, Part& part) {
  const StoredPages& stored = job.plan.stored;
  for (std::size_t from = 0, to = 0; from < content.size(); from = to) {
    // What is new, up to a page that an interrupted backup has stored.
    std::optional<repo::Extent> found;
    while (to < content.size()) {
      const std::size_t size = stored.empty() ? content.size() : kPageBytes;
      const Bytes piece = content.subspan(to, std::min(size, content.size() - to));
      found = stored.find(offset + to, piece);
      if (found) break;
      to += piece.size();
    }
    if (to > from)
      filler_.add(job.source.path, offset + from, content.subspan(from, to - from), part.map);
    if (!found) continue;
    repo::append_extent(part.map, *found, copier_.settings_.refs[found->ref].frame_bytes);
    to += kPageBytes;
  }
  copier_.progress_.advance(content.size());
}

void Copier::Thread::inherit(Job& job, std::uint64_t offset, std::uint64_t length, Part& part) {
  if (length > 0) job.prior_map->append_slice(offset, length, part.map);
  copier_.progress_.advance(length);
}

void Copier::Thread::copy_whole(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end,
                                Part& part) {
  const bool hash_whole = !job.pages() && job.parts.size() == 1;
  crypto::Hasher128 hasher;
  for (std::uint64_t at = start; at < end; at += buffer_.size()) {
    const std::size_t count =
        read(job, fd, at, std::min<std::uint64_t>(kReadBytes, end - at), part);
    // A file that is not a relation is as short as it was found, as far as one thread can tell.
    if (count < buffer_.size() && hash_whole) {
      buffer_.resize(count);
      job.size_bytes = end = at + count;
    }
    if (hash_whole) hasher.add(buffer_);
    store(job, at, buffer_, part);
  }
  if (hash_whole) job.hash = hex(hasher.finish());
}

bool Copier::Thread::same_content(Job& job, const Fd& fd) {
  if (job.size_bytes != job.plan.prior->size_bytes || job.parts.size() != 1) return false;
  crypto::Hasher128 hasher;
  Part nothing;
  for (std::uint64_t at = 0; at < job.size_bytes; at += buffer_.size()) {
    const auto wanted = std::min<std::uint64_t>(kReadBytes, job.size_bytes - at);
    if (read(job, fd, at, wanted, nothing) < wanted) return false;
    hasher.add(buffer_);
  }
  return hex(hasher.finish()) == job.plan.prior->hash;
}

/// Does the page that was just read equal the older backup's?
bool Copier::Thread::as_before(Job& job, std::uint64_t offset, Bytes page) {
  if (offset >= job.prior_map->size_bytes()) return false;
  return copier_.settings_.prior->hash_at(job.prior_map->at(offset)) == crypto::hash64(page);
}

void Copier::Thread::copy_different_pages(Job& job, const Fd& fd, std::uint64_t start,
                                          std::uint64_t end, Part& part) {
  for (std::uint64_t at = start; at < end; at += buffer_.size()) {
    read(job, fd, at, std::min<std::uint64_t>(kReadBytes, end - at), part);
    const Bytes content = buffer_;
    // Runs of pages that are all as before, or all not.
    for (std::size_t from = 0, to = 0; from < content.size(); from = to) {
      const bool same = as_before(job, at + from, content.subspan(from, kPageBytes));
      to = from + kPageBytes;
      while (to < content.size() &&
             as_before(job, at + to, content.subspan(to, kPageBytes)) == same) {
        to += kPageBytes;
      }
      same ? inherit(job, at + from, to - from, part)
           : store(job, at + from, content.subspan(from, to - from), part);
    }
  }
}

void Copier::Thread::copy_blocks(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end,
                                 Part& part) {
  check_samples(job, fd, start, end);
  const std::vector<std::uint32_t>& blocks = job.plan.blocks;
  auto next = std::lower_bound(blocks.begin(), blocks.end(), start / kPageBytes);
  // What the plan did not know of, because the file has grown since it was listed, is read too: the
  // older backup may have such a block anyway, as it was before the file was cut off.
  const std::uint64_t known_end =
      std::min({end, job.source.size_bytes - job.source.size_bytes % kPageBytes,
                job.prior_map->size_bytes()});
  std::uint64_t at = start;
  while (at < end) {
    const std::uint64_t marked =
        next == blocks.end()
            ? known_end
            : std::min<std::uint64_t>(*next * std::uint64_t{kPageBytes}, known_end);
    if (at < marked) {
      inherit(job, at, marked - at, part);
      at = marked;
      continue;
    }
    std::uint64_t to = at;
    while (to < end && to - at < kReadBytes &&
           (to >= known_end || (next != blocks.end() && *next * std::uint64_t{kPageBytes} == to))) {
      if (next != blocks.end() && *next * std::uint64_t{kPageBytes} == to) ++next;
      to += kPageBytes;
    }
    read(job, fd, at, to - at, part);
    store(job, at, buffer_, part);
    at = to;
  }
}

/// May the page at `offset`, which the summaries do not name, be taken from the older backup?
bool Copier::Thread::sample_holds(Job& job, const Fd& fd, std::uint64_t offset) {
  Part ignored;
  for (int i = 0; i < kSampleReads; ++i) {
    // Cut off since the file was opened, by a DROP TABLE perhaps: replay does so again.
    if (read(job, fd, offset, kPageBytes, ignored) < kPageBytes) return true;
    if (as_before(job, offset, buffer_) || copier_.rules_.explains_change(buffer_.data()))
      return true;
  }
  return false;
}

void Copier::Thread::check_samples(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end) {
  const std::vector<std::uint32_t>& samples = job.plan.samples;
  for (auto next = std::lower_bound(samples.begin(), samples.end(), start / kPageBytes);
       next != samples.end() && (*next + std::uint64_t{1}) * kPageBytes <= end; ++next) {
    if (sample_holds(job, fd, *next * std::uint64_t{kPageBytes})) continue;
    throw SummaryMismatch(
        format("block {} of \"{}\" has changed since backup {} (its LSN is {}), and the WAL "
               "summaries do not say so",
               *next, job.source.path, copier_.settings_.prior->info().label,
               to_string(postgres::page_lsn(buffer_.data()))),
        "please report this with the server's version; the backup goes on by comparing every page");
  }
}

}  // namespace pgcairn::engine
