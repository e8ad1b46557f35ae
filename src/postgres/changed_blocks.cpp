#include "block_set.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/postgres/changed_blocks.hpp>

#include <algorithm>
#include <deque>
#include <limits>

namespace pgcairn::postgres {

namespace {

constexpr std::uint32_t kHalfSegment = kSummaryChunkBlocks;
static_assert(kRelationSegmentBlocks == 2 * kHalfSegment);

std::uint64_t mix(std::uint64_t value) {  // splitmix64
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

class Relation {
 public:
  explicit Relation(const RelationKey& key) : key_(key) {}
  const RelationKey& key() const { return key_; }
  std::uint32_t limit = kNoLimit;

 private:
  RelationKey key_;
};

std::uint64_t hash_of(const RelationKey& key) {
  return mix(mix((std::uint64_t{key.space} << 32) | key.database) + key.relfilenode);
}
std::uint64_t hash_of(const ChunkKey& key) {
  return mix((std::uint64_t{key.relation} << 32) | key.number);
}

// Records that stay where they are, found by their key: open addressing over their numbers, which
// takes a third of the memory that std::unordered_map would.
template <class Key, class Record>
class Table {
 public:
  const Record* find(const Key& key) const {
    if (slots_.empty()) return nullptr;
    const std::uint32_t number = slots_[slot_of(key)];
    return number == kFree ? nullptr : &records_[number];
  }
  std::uint32_t number_of(const Key& key) const { return slots_[slot_of(key)]; }
  Record& find_or_add(const Key& key) {
    if (records_.size() >= slots_.size() / 4 * 3) grow();
    std::uint32_t& number = slots_[slot_of(key)];
    if (number == kFree) {
      number = static_cast<std::uint32_t>(records_.size());
      records_.emplace_back(key);
    }
    return records_[number];
  }
  std::size_t size() const { return records_.size(); }
  std::uint64_t memory_bytes() const {
    return records_.size() * sizeof(Record) + slots_.size() * sizeof(std::uint32_t);
  }
  const std::deque<Record>& records() const { return records_; }

 private:
  static constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();

  // Where the key's number stands, or would.
  std::size_t slot_of(const Key& key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash_of(key) & mask;
    while (slots_[slot] != kFree && !(records_[slots_[slot]].key() == key))
      slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    PGCAIRN_ASSERT(records_.size() < kFree / 2);
    slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), kFree);
    std::uint32_t number = 0;
    for (const Record& record : records_) slots_[slot_of(record.key())] = number++;
  }

  std::deque<Record> records_;
  std::vector<std::uint32_t> slots_;  // a power of two of them
};

}  // namespace

struct ChangedBlocks::Tables {
  Table<RelationKey, Relation> relations;
  Table<ChunkKey, BlockSet> sets;
};

ChangedBlocks::ChangedBlocks() : tables_(std::make_unique<Tables>()) {}
ChangedBlocks::~ChangedBlocks() = default;
ChangedBlocks::ChangedBlocks(ChangedBlocks&&) noexcept = default;
ChangedBlocks& ChangedBlocks::operator=(ChangedBlocks&&) noexcept = default;

void ChangedBlocks::merge(const SummaryEntry& entry) {
  if (entry.fork != 0) return;
  Relation& relation = tables_->relations.find_or_add(entry.relation);
  relation.limit = std::min(relation.limit, entry.limit);
  if (entry.chunks.empty()) return;
  const std::uint32_t number = tables_->relations.number_of(entry.relation);
  for (const SummaryChunk& chunk : entry.chunks)
    tables_->sets.find_or_add({number, chunk.number}).add(chunk);
}

FileChange ChangedBlocks::change_of(const RelationKey& relation, std::uint32_t segment) const& {
  FileChange change;
  const RelationKey database{relation.space, relation.database, 0};
  const Relation* const known = tables_->relations.find(relation);
  const std::uint64_t first = std::uint64_t{segment} * kRelationSegmentBlocks;
  // Above the largest block number nothing can be marked: such a file is not PostgreSQL's.
  if (tables_->relations.find(database) != nullptr || first > kNoLimit ||
      (known != nullptr && known->limit <= first)) {
    change.kind_ = FileChange::Kind::whole;
    change.limit_ = 0;
    return change;
  }
  if (known == nullptr) return change;
  if (known->limit != kNoLimit) {
    change.limit_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(known->limit - first, kRelationSegmentBlocks));
  }
  const std::uint32_t number = tables_->relations.number_of(relation);
  for (std::uint32_t half = 0; half < change.sets_.size(); ++half)
    change.sets_[half] = tables_->sets.find({number, 2 * segment + half});
  // Marks may all lie in other segments; a bitmap may have lost its last one to a limit.
  if (change.next(0)) change.kind_ = FileChange::Kind::blocks;
  return change;
}

std::uint64_t ChangedBlocks::relations() const {
  return tables_->relations.size();
}

std::uint64_t ChangedBlocks::memory_bytes() const {
  std::uint64_t bytes = tables_->relations.memory_bytes() + tables_->sets.memory_bytes();
  for (const BlockSet& set : tables_->sets.records()) bytes += set.memory_bytes();
  return bytes;
}

std::optional<std::uint32_t> FileChange::next(std::uint32_t from) const {
  if (from >= kRelationSegmentBlocks) return std::nullopt;
  for (std::uint32_t half = from / kHalfSegment; half < sets_.size(); ++half) {
    const std::uint32_t first = half * kHalfSegment;
    if (sets_[half] == nullptr || first >= limit_) continue;
    const auto found = sets_[half]->next(std::max(from, first) - first);
    if (found) return std::min(first + *found, std::max(from, limit_));
  }
  if (limit_ < kRelationSegmentBlocks) return std::max(from, limit_);
  return std::nullopt;
}

std::uint32_t FileChange::count(std::uint32_t blocks) const {
  blocks = std::min(blocks, kRelationSegmentBlocks);
  const std::uint32_t below_limit = std::min(blocks, limit_);
  std::uint32_t count = blocks - below_limit;
  for (std::uint32_t half = 0; half < sets_.size(); ++half) {
    const std::uint32_t first = half * kHalfSegment;
    if (sets_[half] != nullptr && below_limit > first)
      count += sets_[half]->count_below(below_limit - first);
  }
  return count;
}

}  // namespace pgcairn::postgres
