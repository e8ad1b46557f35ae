#pragma once

#include "backup/file_plan.hpp"
#include "backup/pack_writer.hpp"
#include "backup/page_check.hpp"
#include "backup/prior_backup.hpp"
#include "stanza/owner_names.hpp"

#include <pgcairn/common/queue.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace pgcairn::engine {

struct CopySettings {
  compress::CodecId codec = compress::CodecId::zst;
  int level = 3;
  std::vector<repo::ManifestRef> refs;  // of the manifest; the first is this backup
  PriorBackup* prior = nullptr;         // what plans refer to
  std::filesystem::path data_directory{};
};

/// What became of one file: its line of the manifest, once every part of it is in a frame.
struct CopiedFile {
  repo::ManifestEntry entry;
  repo::PageErrors errors;
};

/// A page that should be as it was in the older backup is not: what tells the changed pages cannot
/// be believed.
class SummaryMismatch : public Error {
  using Error::Error;
};

/// Copies files of the cluster into packs with several threads: large files in ranges, small ones
/// in bundles. Results come out in the order in which files went in.
class Copier {
 public:
  Copier(PackWriter& store, PageRules& rules, CopySettings settings, Progress& progress);

  /// Starts `threads` threads in `workers`, which must end before this does.
  void start(Workers& workers, unsigned threads);

  /// Takes the next file, directory or link; waits when the threads are behind. `emit` is called on
  /// this thread for what is finished.
  void add(postgres::SourceFile&& source, FilePlan&& plan,
           const std::function<void(CopiedFile&&)>& emit);
  /// Waits for all that was added and for the threads to have handed over their last packs.
  void finish(const std::function<void(CopiedFile&&)>& emit);

  std::uint64_t read_bytes() const { return read_bytes_; }

 private:
  struct Job;
  struct Part;
  using JobPointer = std::shared_ptr<Job>;
  struct Task {
    JobPointer job;  // a range of this file ...
    std::size_t range = 0;
    std::vector<JobPointer> bundle;  // ... or all of these
  };
  class Thread;
  void work(std::stop_token stop);
  void done(Job& job);
  bool add_unchanged(Job& job);
  void add_large(const JobPointer& job);
  void add_small(const JobPointer& job);
  void send_bundle(std::vector<JobPointer>& bundle, std::uint64_t& bundle_bytes);
  CopiedFile result_of(Job& job);
  void emit_finished(std::size_t leave, const std::function<void(CopiedFile&&)>& emit);
  std::uint32_t frame_bytes() const { return settings_.refs.front().frame_bytes; }

  PackWriter& store_;
  PageRules& rules_;
  CopySettings settings_;
  Progress& progress_;
  std::stop_token stop_;
  std::unique_ptr<BoundedQueue<Task>> tasks_;
  std::atomic<std::uint64_t> read_bytes_ = 0;

  // Only the thread that calls add() and finish() touches these.
  OwnerNames owners_;
  std::deque<JobPointer> in_order_;
  // Small files that are pages, and others: they never share a frame.
  std::vector<JobPointer> bundles_[2];
  std::uint64_t bundle_bytes_[2] = {0, 0};

  std::mutex mutex_;
  std::condition_variable_any finished_;  // a job or a thread
  unsigned threads_running_ = 0;
};

}  // namespace pgcairn::engine
