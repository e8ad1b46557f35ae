#include "made_wal.hpp"

#include <pgcairn/common/bytes.hpp>

#include <algorithm>

namespace pgcairn::test {

std::string record(int manager, int info, std::uint32_t xid, const std::string& data) {
  std::string body;
  if (data.size() < 256) {
    put<std::uint8_t>(body, 255);
    put(body, static_cast<std::uint8_t>(data.size()));
  } else {
    put<std::uint8_t>(body, 254);
    put(body, static_cast<std::uint32_t>(data.size()));
  }
  body += data;
  std::string all;
  put(all, static_cast<std::uint32_t>(24 + body.size()));
  put(all, xid);
  put<std::uint64_t>(all, 0);
  put(all, static_cast<std::uint8_t>(info));
  put(all, static_cast<std::uint8_t>(manager));
  all.append(6, '\0');
  return all + body;
}

std::string commit(std::uint32_t xid, std::int64_t time, int info) {
  std::string data;
  put(data, time);
  return record(1, info, xid, data);
}

std::string commit_prepared(std::uint32_t xid, std::int64_t time, int objects,
                            std::size_t stats_bytes) {
  std::string data;
  put(data, time);
  put<std::uint32_t>(
      data, 0x19F);  // of a database, subtransactions, relations, messages, GID, statistics
  data.append(8, 'd');
  for (const std::size_t bytes : {std::size_t{4}, std::size_t{12}, stats_bytes, std::size_t{16}}) {
    put(data, static_cast<std::uint32_t>(objects));
    data.append(bytes * static_cast<std::size_t>(objects), 'o');
  }
  put(data, xid);
  data += "its name";
  return record(1, 0x30 | 0x80, 0, data);
}

std::string restore_point(const std::string& name) {
  std::string data;
  put<std::int64_t>(data, 7);
  data += name;
  data.resize(8 + 64);
  return record(0, 0x70, 0, data);
}

std::string create_tablespace(std::uint32_t oid, const std::string& location) {
  std::string data;
  put(data, oid);
  data += location;
  data += '\0';
  return record(5, 0x00, 9, data);
}

std::string drop_tablespace(std::uint32_t oid) {
  std::string data;
  put(data, oid);
  return record(5, 0x10, 9, data);
}

std::string filler(std::size_t bytes) {
  return record(10, 0, 5, std::string(bytes, 'x'));
}

std::string wal(const std::vector<std::string>& records, std::uint64_t start, std::uint16_t magic,
                std::vector<std::uint64_t>* starts) {
  std::string out;
  const auto header = [&](std::uint32_t left_over) {
    const bool long_header = out.size() % kSegment == 0;
    const std::uint64_t address = start + out.size();
    put(out, magic);
    put(out, static_cast<std::uint16_t>((long_header ? 2 : 0) | (left_over != 0 ? 1 : 0)));
    put<std::uint32_t>(out, 1);
    put(out, address);
    put(out, left_over);
    out.append(4, '\0');
    if (!long_header) return;
    put<std::uint64_t>(out, 7);  // the system identifier
    put(out, static_cast<std::uint32_t>(kSegment));
    put(out, static_cast<std::uint32_t>(kPage));
  };
  for (const std::string& one : records) {
    for (std::size_t done = 0; done < one.size();) {
      if (out.size() % kPage == 0)
        header(static_cast<std::uint32_t>(done == 0 ? 0 : one.size() - done));
      if (done == 0 && starts != nullptr) starts->push_back(start + out.size());
      const std::size_t count = std::min(one.size() - done, kPage - out.size() % kPage);
      out += one.substr(done, count);
      done += count;
    }
    out.resize((out.size() + 7) / 8 * 8);
  }
  out.resize((out.size() + kSegment - 1) / kSegment * kSegment);
  return out;
}

std::string sealed_wal(const std::vector<std::string>& records, std::uint64_t start,
                       std::vector<std::uint64_t>* starts) {
  std::vector<std::uint64_t> places;
  wal(records, start, 0xD110, &places);
  std::vector<std::string> sealed = records;
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string link;
    put<std::uint64_t>(link, i == 0 ? start - 64 : places[i - 1]);
    sealed[i].replace(8, 8, link);
    std::string crc;
    put(crc, crc32c(as_bytes(sealed[i]).first(20), crc32c(as_bytes(sealed[i]).subspan(24))));
    sealed[i].replace(20, 4, crc);
  }
  return wal(sealed, start, 0xD110, starts);
}

}  // namespace pgcairn::test
