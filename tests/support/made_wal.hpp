#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgcairn::test {

constexpr std::size_t kPage = 8192;
constexpr std::size_t kSegment = 16 * kPage;  // small, but readers do not care

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A record as insertion writes it: header, header of the main data, main data.
std::string record(int manager, int info, std::uint32_t xid, const std::string& data);
std::string commit(std::uint32_t xid, std::int64_t time, int info = 0);
/// COMMIT PREPARED as XactLogCommitRecord writes it, with everything that can stand before the
/// number of the transaction.
std::string commit_prepared(std::uint32_t xid, std::int64_t time, int objects,
                            std::size_t stats_bytes);
std::string restore_point(const std::string& name);
std::string create_tablespace(std::uint32_t oid, const std::string& location);
std::string drop_tablespace(std::uint32_t oid);
std::string filler(std::size_t bytes);

/// Lays records out in pages with headers, from `start` on; whole segments. `starts` gets where
/// each record begins.
std::string wal(const std::vector<std::string>& records, std::uint64_t start,
                std::uint16_t magic = 0xD110, std::vector<std::uint64_t>* starts = nullptr);

/// The same, with links and checksums as a server writes them.
std::string sealed_wal(const std::vector<std::string>& records, std::uint64_t start,
                       std::vector<std::uint64_t>* starts = nullptr);

}  // namespace pgcairn::test
