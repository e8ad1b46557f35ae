#include "made_stanza.hpp"

#include "repository.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::test {

MadeStanza::MadeStanza(repo::Repository& repository, repo::Cluster cluster)
    : repository_(repository), cluster_(cluster) {
  repository_.create();
  repository_.add_cluster("main", cluster_);
}

repo::BackupMarker MadeStanza::backup(repo::BackupType type, const std::string& prior,
                                      Timestamp stop) const {
  const std::string label = type == repo::BackupType::full
                                ? repo::full_backup_label(stop)
                                : repo::later_backup_label(type, prior, stop);
  repo::BackupMarker info = sample_backup(label);
  info.type = type;
  info.prior = prior;
  info.cluster = repo::cluster_id(cluster_);
  info.system_id = cluster_.system_id;
  info.pg_version = cluster_.pg_version;
  info.start_time = info.stop_time = stop;
  info.stored_bytes = 1;
  info.packs.clear();
  return info;
}

void MadeStanza::set_wal(repo::BackupMarker& info, Timeline timeline, std::uint64_t first,
                         std::uint64_t last) const {
  info.timeline = timeline;
  info.wal_segment_bytes = kSegmentBytes;
  info.start_lsn = {first * kSegmentBytes + 40};
  info.stop_lsn = {last * kSegmentBytes + 80};
  info.wal_start = wal_name(timeline, first);
  info.wal_stop = wal_name(timeline, last);
}

void MadeStanza::put_data(repo::BackupMarker& info, std::uint32_t count) {
  put_data(info.label, count);
  if (count > 0) info.packs.push_back({info.label, 0, count - 1});
}

void MadeStanza::put_data(const std::string& label, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) put(repo::pack_key("main", label, i));
  put(repo::manifest_key("main", label, 0));
}

void MadeStanza::list(const repo::BackupMarker& info) {
  repository_.write_marker("main", info);
}

void MadeStanza::put_wal(Timeline timeline, std::uint64_t segment, std::string_view suffix) {
  put(wal_key(timeline, segment) + std::string(suffix));
}

void MadeStanza::put_history(Timeline timeline, const std::vector<Left>& parents) {
  std::string text;
  for (const Left& parent : parents) {
    text += format("{}\t{}\tno recovery target specified\n", parent.timeline,
                   to_string(Lsn{parent.segment * kSegmentBytes + kSegmentBytes / 2}));
  }
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  repository_.put_wal("main", cluster_, format("{:08X}.history", timeline),
                      repo::wal_content(as_bytes(text)), *codec);
}

std::string MadeStanza::wal_name(Timeline timeline, std::uint64_t segment) const {
  return wal_segment_name({timeline, segment}, kSegmentBytes);
}

std::string MadeStanza::wal_key(Timeline timeline, std::uint64_t segment) const {
  return repo::wal_key("main", repo::cluster_id(cluster_), wal_name(timeline, segment));
}

void MadeStanza::put(const std::string& key) {
  repository_.driver().put(key, as_bytes("x"), storage::IfExists::keep);
}

}  // namespace pgcairn::test
