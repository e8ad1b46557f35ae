#include "backup/copier.hpp"

#include "backup/copier_job.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/excluded.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

namespace pgcairn::engine {

using postgres::FileType;
using postgres::kPageBytes;

namespace {

constexpr std::uint64_t kBundleBytes = 1 * kMiB;
constexpr std::size_t kBundleFiles = 256;
constexpr std::size_t kMostWaiting = 4096;  // files that went in and have not come out

/// Has the relation got an init fork since it was listed? (Of an index it is made only after the
/// build.) Then it is unlogged, and a server whose recovery brings the init fork refuses to start
/// where there is a main fork that it did not make itself ("File exists", reinit.c).
bool became_unlogged(const postgres::SourceFile& source) {
  if (!source.relation || source.relation->fork == postgres::RelationFile::Fork::init) return false;
  const fs::path init =
      source.source.parent_path() / format("{}_init", source.relation->relfilenode);
  return stat_if_exists(init).has_value();
}

}  // namespace

std::optional<Fd> open_source(const postgres::SourceFile& source, const fs::path& data_directory) {
  try {
    return open_if_exists(source.source, O_RDONLY);
  } catch (SystemError& error) {
    if (error.error_number() == EACCES)
      error.set_hint(postgres::unreadable_hint(data_directory, source.path));
    throw;
  }
}

Copier::Copier(PackWriter& store, PageRules& rules, CopySettings settings, Progress& progress)
    : store_(store), rules_(rules), settings_(std::move(settings)), progress_(progress) {}

void Copier::start(Workers& workers, unsigned threads) {
  stop_ = workers.stop_token();
  tasks_ = std::make_unique<BoundedQueue<Task>>(std::size_t{threads} * 4);
  threads_running_ = threads;
  for (unsigned i = 0; i < threads; ++i) {
    workers.start([this](std::stop_token stop) { work(stop); });
  }
}

void Copier::add(postgres::SourceFile&& source, FilePlan&& plan,
                 const std::function<void(CopiedFile&&)>& emit) {
  auto job = std::make_shared<Job>();
  job->source = std::move(source);
  job->plan = std::move(plan);
  if (job->plan.prior) job->prior_map.emplace(job->plan.prior->map, settings_.refs);
  in_order_.push_back(job);
  if (job->source.type != FileType::regular || job->source.size_bytes == 0) {
    job->done = true;  // nothing to copy; no other thread knows the job
  } else if (add_unchanged(*job)) {
    job->done = true;
  } else if (job->source.size_bytes > frame_bytes()) {
    add_large(job);
  } else {
    add_small(job);
  }
  // Going well below the limit at once lets the bundles fill again.
  emit_finished(in_order_.size() > kMostWaiting ? kMostWaiting / 2 : kMostWaiting, emit);
}

/// A file of which nothing needs to be read: its content is where it was.
bool Copier::add_unchanged(Job& job) {
  if (job.plan.how != FilePlan::How::blocks || !job.plan.blocks.empty() ||
      !job.plan.samples.empty()) {
    return false;
  }
  job.size_bytes = job.source.size_bytes - job.source.size_bytes % kPageBytes;
  if (job.size_bytes > job.prior_map->size_bytes()) return false;
  job.parts.resize(1);
  job.prior_map->append_slice(0, job.size_bytes, job.parts[0].map);
  progress_.advance(job.size_bytes);
  return true;
}

void Copier::add_large(const JobPointer& job) {
  auto fd = open_source(job->source, settings_.data_directory);
  if (!fd) {  // dropped since it was listed
    job->vanished = true;
    job->done = true;
    return;
  }
  job->fd = std::move(*fd);
  job->size_bytes = static_cast<std::uint64_t>(stat_of(job->fd, job->source.source).st_size);
  // The server extends relations by whole pages, but the file system may show half of one; replay
  // brings the rest.
  if (job->pages()) job->size_bytes -= job->size_bytes % kPageBytes;
  const std::size_t count = (job->size_bytes + Thread::kRangeBytes - 1) / Thread::kRangeBytes;
  job->parts.resize(count);
  job->parts_left = count;
  if (count == 0) job->done = true;
  for (std::size_t i = 0; i < count; ++i) tasks_->push({job, i, {}}, stop_);
}

void Copier::add_small(const JobPointer& job) {
  const std::size_t kind = job->pages() ? 1 : 0;
  job->parts.resize(1);
  job->parts_left = 1;
  bundles_[kind].push_back(job);
  bundle_bytes_[kind] += job->source.size_bytes;
  if (bundle_bytes_[kind] >= kBundleBytes || bundles_[kind].size() >= kBundleFiles) {
    send_bundle(bundles_[kind], bundle_bytes_[kind]);
  }
}

void Copier::send_bundle(std::vector<JobPointer>& bundle, std::uint64_t& bundle_bytes) {
  if (bundle.empty()) return;
  tasks_->push({nullptr, 0, std::move(bundle)}, stop_);
  bundle.clear();
  bundle_bytes = 0;
}

void Copier::finish(const std::function<void(CopiedFile&&)>& emit) {
  emit_finished(0, emit);
  tasks_->close();
  std::unique_lock lock(mutex_);
  if (!finished_.wait(lock, stop_, [&] { return threads_running_ == 0; })) throw Interrupted();
}

void Copier::work(std::stop_token stop) {
  Thread thread(*this);
  while (const auto task = tasks_->pop(stop)) {
    if (task->job) {
      thread.copy_range(*task->job, task->range);
      thread.flush();
      if (--task->job->parts_left == 0) {
        task->job->fd = Fd();  // results may wait for others; descriptors are few
        done(*task->job);
      }
      continue;
    }
    for (const JobPointer& job : task->bundle) thread.copy_small(*job);
    thread.flush();
    for (const JobPointer& job : task->bundle) done(*job);
  }
  thread.finish();
  {
    std::lock_guard lock(mutex_);
    --threads_running_;
  }
  finished_.notify_one();
}

void Copier::done(Job& job) {
  job.plan.stored = {};  // results may wait for others
  {
    std::lock_guard lock(mutex_);
    job.done = true;
  }
  finished_.notify_one();
}

CopiedFile Copier::result_of(Job& job) {
  CopiedFile file;
  repo::ManifestEntry& entry = file.entry;
  entry.path = job.source.path;
  entry.type = job.source.type == FileType::directory ? repo::EntryType::directory
               : job.source.type == FileType::link    ? repo::EntryType::link
                                                      : repo::EntryType::file;
  entry.target = job.source.link_target;
  entry.size_bytes = job.size_bytes;
  entry.time_us = job.source.modified_us;
  entry.mode = job.source.mode;
  entry.user = owners_.user(job.source.uid);
  entry.group = owners_.group(job.source.gid);
  entry.pages = entry.type == repo::EntryType::file && job.pages();
  entry.hash = std::move(job.hash);
  file.errors.path = job.source.path;
  for (Part& part : job.parts) {
    for (const repo::Extent& extent : part.map)
      repo::append_extent(entry.map, extent, settings_.refs[extent.ref].frame_bytes);
    file.errors.blocks.insert(file.errors.blocks.end(), part.errors.blocks.begin(),
                              part.errors.blocks.end());
    file.errors.count += part.errors.count;
  }
  file.errors.blocks.resize(std::min(file.errors.blocks.size(), repo::kMostBlocksNamed));
  entry.bad_blocks = file.errors.blocks;
  return file;
}

void Copier::emit_finished(std::size_t leave, const std::function<void(CopiedFile&&)>& emit) {
  if (in_order_.size() > leave) {
    send_bundle(bundles_[0], bundle_bytes_[0]);
    send_bundle(bundles_[1], bundle_bytes_[1]);
  }
  while (!in_order_.empty()) {
    Job& job = *in_order_.front();
    {
      std::unique_lock lock(mutex_);
      if (!job.done && in_order_.size() <= leave) return;
      if (!finished_.wait(lock, stop_, [&] { return job.done; })) throw Interrupted();
    }
    if (!job.vanished && !became_unlogged(job.source)) emit(result_of(job));
    in_order_.pop_front();
  }
}

}  // namespace pgcairn::engine
