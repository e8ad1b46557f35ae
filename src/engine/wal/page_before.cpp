#include "wal/page_before.hpp"

#include "wal/read_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/postgres/wal_records.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

#include <fcntl.h>

namespace pgcairn::engine {

namespace {

bool is_page(Bytes page, Lsn address) {
  constexpr std::size_t address_at = 8;
  return page.size() == postgres::kWalPageBytes &&
         load_le<std::uint64_t>(page.data() + address_at) == address.value;
}

Buffer last_page(Bytes segment) {
  Buffer page;
  if (segment.size() >= postgres::kWalPageBytes) page.append(segment.last(postgres::kWalPageBytes));
  return page;
}

}  // namespace

Buffer PageBefore::read(const std::string& segment, const postgres::WalHeader& header) const {
  const std::uint64_t number = header.page_address.value / header.segment_bytes;
  if (number == 0) return {};
  const Lsn address{header.page_address.value - postgres::kWalPageBytes};
  // The segment's own header may name an earlier timeline: a promotion copies the first one.
  const Timeline timeline = parse_wal_segment_name(segment, header.segment_bytes)->timeline;
  const auto name_on = [&](Timeline on) {
    return wal_segment_name({on, number - 1}, header.segment_bytes);
  };
  // What is there is what recovery read, on whichever timeline.
  for (Timeline on = timeline; on > 0; --on) {
    Buffer page = in_pg_wal(name_on(on), header.segment_bytes);
    if (is_page(page, address)) return page;
  }
  // An archive has other branches, too.
  FirstError failure;
  const Lsn last_byte{header.page_address.value - 1};
  Buffer page = last_page(in_archive(name_on(owner_of(last_byte, timeline, failure)), failure));
  if (is_page(page, address)) return page;
  failure.throw_if_any();
  throw Error(
      format("the segment before {} is neither in pg_wal nor in the archive, so it is not known "
             "whether a record that begins in it writes outside of this copy",
             to_string(header.page_address)),
      "restore again; it begins with a newer backup");
}

/// The timeline that wrote the position on the way to `timeline`. One without a history has no
/// ancestors, as for the server (readTimeLineHistory, timeline.c).
Timeline PageBefore::owner_of(Lsn position, Timeline timeline, FirstError& failure) const {
  if (timeline == 1) return timeline;
  const std::string name = postgres::history_file_name(timeline);
  const Buffer content = history(name, failure);
  if (content.size() == 0) return timeline;
  Timeline owner = timeline;
  failure.attempt([&] {
    const auto known = postgres::parse_timeline_history(as_text(content), timeline, name);
    for (const postgres::TimelineRange& range : postgres::timeline_stretches(known)) {
      if (position >= range.begin && position < range.end) owner = range.timeline;
    }
  });
  return owner;
}

Buffer PageBefore::history(const std::string& name, FirstError& failure) const {
  auto kept = read_file_if_exists(pg_wal_ / name);
  return kept ? std::move(*kept) : in_archive(name, failure);
}

Buffer PageBefore::in_pg_wal(const std::string& name, std::uint64_t segment_bytes) const {
  Buffer page;
  const auto file = open_if_exists(pg_wal_ / name, O_RDONLY);
  if (!file) return page;
  page.resize(postgres::kWalPageBytes);
  page.resize(read_at(*file, page.writable(), segment_bytes - page.size(), pg_wal_ / name));
  return page;
}

/// Empty when no repository gives it.
Buffer PageBefore::in_archive(const std::string& name, FirstError& failure) const {
  return read_wal(repositories_, stanza_, cluster_, name, failure).value_or(Buffer{});
}

}  // namespace pgcairn::engine
