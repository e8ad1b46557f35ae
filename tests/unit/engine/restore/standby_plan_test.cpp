#include "support/small_cluster.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/restore/restore.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

// The archive ends in a partial segment of timeline 2, and of timeline 3 it has the history alone.
TEST_CASE("a standby follows a new primary that has archived nothing but its history") {
  const auto [left_at, latest] = GENERATE(table<std::string, Timeline>({
      {"0/500100", 2},  // in the partial segment: that is where timeline 2 ended
      {"0/600000", 2},
      {"0/480000", 3},  // the archive has more of timeline 2: somebody else's history
  }));
  INFO("timeline 3 left timeline 2 at " << left_at);
  SmallCluster cluster;
  const auto store = storage::make_memory();
  repo::Repository repository{"memory", shared(*store)};
  cluster.store(repository);
  const std::string history =
      format("1\t0/400000\tno reason\n2\t{}\tno recovery target specified\n", left_at);
  const auto codec = compress::make_codec(compress::CodecId::zst, 1);
  repository.put_wal("main", cluster.cluster, "00000003.history",
                     repo::wal_content(as_bytes(history)), *codec);
  const TempDir directory(TempDir::Where::memory);
  RestoreOptions options;
  options.target = RestoreType::standby;
  NoProgress progress;
  const RestorePlan plan = plan_restore({"main", directory / "data", {}}, {&repository, 1}, options,
                                        progress, std::stop_token());
  CHECK(plan.path.back().timeline == 2);
  CHECK(plan.server_latest == latest);
}
