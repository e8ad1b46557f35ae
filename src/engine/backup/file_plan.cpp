#include "backup/file_plan.hpp"

#include <algorithm>
#include <cmath>

namespace pgcairn::engine {

namespace {

using postgres::kPageBytes;

std::uint32_t block_count(std::uint64_t size_bytes) {
  return static_cast<std::uint32_t>(size_bytes / kPageBytes);
}

FilePlan whole() {
  return {};
}

FilePlan compared(repo::ManifestEntry&& prior) {
  FilePlan plan;
  plan.how = FilePlan::How::compare;
  plan.prior = std::move(prior);
  return plan;
}

/// The marked blocks, and those that the older backup does not have.
FilePlan marked(const postgres::SourceFile& source, repo::ManifestEntry&& prior,
                MarkedBlocks&& change) {
  const std::uint32_t now = block_count(source.size_bytes);
  const std::uint32_t then = block_count(prior.size_bytes);
  FilePlan plan;
  plan.how = FilePlan::How::blocks;
  plan.prior = std::move(prior);
  plan.blocks = std::move(change.blocks);
  std::erase_if(plan.blocks, [&](std::uint32_t block) { return block >= std::min(now, then); });
  for (std::uint32_t block = then; block < now; ++block) plan.blocks.push_back(block);
  // Nearly all of it: one large read is cheaper, and the map stays short.
  if (plan.blocks.size() * 10 > std::size_t{now} * 9) return whole();
  return plan;
}

}  // namespace

FilePlan plan_file(const postgres::SourceFile& source, std::optional<repo::ManifestEntry> prior,
                   const ChangeOf& change_of) {
  if (!prior || prior->type != repo::EntryType::file) return whole();
  const bool relation = source.relation.has_value();
  if (prior->pages != relation) return whole();
  if (!relation) return prior->hash.empty() ? whole() : compared(std::move(*prior));
  // A damaged page may have been repaired since without a trace in WAL.
  if (!prior->bad_blocks.empty()) return whole();
  // Changes of the other forks are not in WAL, or not reliably.
  if (!change_of || source.relation->fork != postgres::RelationFile::Fork::main)
    return compared(std::move(*prior));
  MarkedBlocks change = change_of(source);
  if (change.whole) return whole();
  return marked(source, std::move(*prior), std::move(change));
}

void add_samples(FilePlan& plan, double share, const std::function<double()>& random) {
  if (plan.how != FilePlan::How::blocks || share <= 0) return;
  const std::uint32_t count = block_count(plan.prior->size_bytes);
  // The distance to the next sampled block follows a geometric distribution.
  for (double at = std::log1p(-random()) / std::log1p(-share); at < count;
       at += 1 + std::log1p(-random()) / std::log1p(-share)) {
    const auto block = static_cast<std::uint32_t>(at);
    if (!std::binary_search(plan.blocks.begin(), plan.blocks.end(), block))
      plan.samples.push_back(block);
  }
}

}  // namespace pgcairn::engine
