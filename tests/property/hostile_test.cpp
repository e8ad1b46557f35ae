#include "engine/backup/publish.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/rounds.hpp"
#include "support/small_cluster.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/engine/repo_copy/repo_copy.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/records.hpp>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::test;

// Who can write to a repository that is not sealed can make every check fit. What is read from it
// is an error then, or an answer; never a crash, an endless loop, or all the memory there is.

namespace {

constexpr std::uint64_t kMemoryBytes = 512 * kMiB;  // on top of what the tests take already

std::uint64_t address_space_bytes() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Runs `action` in a process of little memory; what went wrong.
template <class Action>
std::string in_little_memory(const Action& action) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    const rlim_t most = address_space_bytes() + kMemoryBytes;
    const rlimit limit{most, most};
    if (!is_sanitized()) ::setrlimit(RLIMIT_AS, &limit);
    ::alarm(120);
    std::string wrong;
    try {
      action();
    } catch (const Error&) {
    } catch (const std::exception& error) {
      wrong = error.what();
    } catch (...) {
      wrong = "something else was thrown";
    }
    [[maybe_unused]] const auto told = ::write(ends[1], wrong.data(), wrong.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  char text[256];
  const ssize_t size = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

std::string hostile_number(Random& random) {
  static const char* const numbers[] = {"0",
                                        "1",
                                        "255",
                                        "65536",
                                        "2147483647",
                                        "2147483648",
                                        "4294967294",
                                        "4294967295",
                                        "4294967296",
                                        "1099511627776",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "18446744073709551615",
                                        "-1",
                                        "1e300"};
  return numbers[below(random, std::size(numbers))];
}

/// The JSON with one or more of its numbers, or of what stands in quotes, replaced.
std::string hostile(Random& random, std::string json) {
  const auto is_digit = [&](std::size_t at) { return json[at] >= '0' && json[at] <= '9'; };
  for (std::uint64_t times = 1 + below(random, 3); times > 0; --times) {
    std::vector<std::pair<std::size_t, std::size_t>> found;  // numbers, in texts as well
    for (std::size_t i = 0; i < json.size(); ++i) {
      std::size_t end = i;
      while (end < json.size() && is_digit(end)) ++end;
      if (end > i) found.emplace_back(i, end - i);
      i = std::max(i, end);
    }
    if (found.empty()) return json;
    const auto& [at, size] = found[below(random, found.size())];
    json.replace(at, size, hostile_number(random));
  }
  return json;
}

/// Puts hostile documents, whose checks fit, in the place of one, and reads them.
template <class Read>
void check_documents(const std::string& key, const Read& read) {
  Random random(seed());
  for (int round = 0; round < rounds(3); ++round) {
    const std::uint64_t start = random();
    INFO(key << ", start " << start);
    CHECK(in_little_memory([&] {
            for (std::uint64_t i = 0; i < 40; ++i) {
              Random own(start + i);
              MemoryRepository memory;
              SmallCluster cluster;
              cluster.store(memory.repository);
              repo::add_record(memory.repository, "main",
                               repo::HoldRecord{cluster.info.label, "audit", now()});
              { repo::Lease lease(memory.repository, "main", "backup"); }
              const auto all = keys(*memory.store, key);
              const std::string one = all.at(below(own, all.size()));
              const std::string json =
                  *repo::get_document(*memory.store, memory.repository.seal_context(), one);
              memory.store->remove({&one, 1});
              repo::put_document(*memory.store, memory.repository.seal_context(), one,
                                 hostile(own, json), storage::IfExists::fail);
              try {
                read(memory.repository);
              } catch (const Error&) {
              }
            }
          }) == "");
  }
}

}  // namespace

TEST_CASE("hostile markers, leases, records and clusters are errors or answers") {
  engine::NoProgress progress;
  check_documents("main/backup/", [&](repo::Repository& repository) {
    for (const repo::BackupMarker& info : repository.backups("main")) {
      try {
        engine::first_missing(repository, "main", info);
      } catch (const Error&) {
      }
    }
    try {
      engine::verify("main", {&repository, 1}, {}, progress, {});
    } catch (const Error&) {
    }
    MemoryRepository to;
    engine::copy_backup("main", repository, to.repository, {}, progress, {});
  });
  check_documents("lease/", [](repo::Repository& repository) {
    if (const auto state = repo::read_lease(repository, "main")) state->alive(now());
    const repo::Lease lease(repository, "main", "backup");
  });
  check_documents("record/", [](repo::Repository& repository) {
    const repo::RecordState record_state(repo::read_records(repository, "main"), now());
    record_state.holds(kLabel);
  });
  check_documents("cluster/", [](repo::Repository& repository) { repository.clusters("main"); });
}

TEST_CASE("hostile manifests are errors or answers") {
  Random random(seed());
  for (int round = 0; round < rounds(3); ++round) {
    const std::uint64_t start = random();
    INFO("start " << start);
    CHECK(in_little_memory([&] {
            for (std::uint64_t i = 0; i < 40; ++i) {
              Random own(start + i);
              MemoryRepository memory;
              SmallCluster cluster;
              cluster.store(memory.repository);
              const std::string key = repo::manifest_key("main", kLabel, 0);
              const std::string stored = object(*memory.store, key);
              repo::FrameReader frames(memory.repository.seal_context(), key);
              Buffer lines;
              frames.open(frames.read(as_bytes(stored), 0, repo::FrameKind::manifest, 0), 0, lines);
              const auto codec = compress::make_codec(compress::CodecId::none);
              repo::FrameWriter writer(repo::FrameKind::manifest, memory.repository.seal_context(),
                                       key, *codec);
              Buffer body;
              writer.append(as_bytes(hostile(own, std::string(as_text(lines)))), {}, body);
              replace(*memory.store, key, as_text(body));
              engine::VerifyOptions options;
              options.level = engine::VerifyLevel::full;
              engine::NoProgress progress;
              engine::verify("main", {&memory.repository, 1}, options, progress, {});
            }
          }) == "");
  }
}

TEST_CASE("hostile packs are errors or answers") {
  Random random(seed());
  const std::string key = repo::pack_key("main", kLabel, 0);
  const repo::SealContext seal_context(kId);
  for (int round = 0; round < rounds(3); ++round) {
    const std::uint64_t start = random();
    INFO("start " << start);
    CHECK(in_little_memory([&] {
            for (std::uint64_t i = 0; i < 200; ++i) {
              Random own(start + i);
              const auto codec = compress::make_codec(compress::CodecId::none);
              Buffer body;
              repo::FrameWriter writer(repo::FrameKind::data, seal_context, key, *codec);
              writer.append(as_bytes("raw"), {}, body);
              const std::uint64_t offset = body.size();
              // Sums that come out at the pack's size, and sizes that nothing has.
              // Or hashes that are 2^32 in all, which a sum of 32 bits takes for none.
              const bool wraps = below(own, 3) == 0;
              const bool strays = below(own, 3) == 0;
              const std::uint32_t frames =
                  wraps ? 8192 : 1 + static_cast<std::uint32_t>(below(own, 16'384));
              std::string about(4 + std::size_t{frames} * 8 + (wraps ? 0 : below(own, 3) * 8),
                                '\0');
              std::memcpy(about.data(), &frames, 4);
              for (std::uint32_t n = 0; n < frames; ++n) {
                const std::uint32_t whole =
                    n == 0 ? static_cast<std::uint32_t>(offset) : (strays ? 1U : 0U);
                const std::uint32_t raw =
                    wraps    ? UINT32_MAX
                    : strays ? 0
                             : (below(own, 2) == 0
                                    ? UINT32_MAX - static_cast<std::uint32_t>(below(own, 9000))
                                    : 256 * 1024);
                std::memcpy(about.data() + 4 + n * 8, &whole, 4);
                std::memcpy(about.data() + 8 + n * 8, &raw, 4);
              }
              repo::FrameWriter index(repo::FrameKind::pack_index, seal_context, key, *codec);
              index.number_from(frames);
              index.append_about(repo::FrameKind::pack_index, as_bytes(about), body);
              std::array<std::byte, repo::kPackFooterBytes> footer{};
              store_le(footer.data(), repo::kSkippableFooter);
              store_le(footer.data() + 4, std::uint32_t{24});
              std::memcpy(footer.data() + 8, "PGCE", 4);
              store_le(footer.data() + 12, frames);
              store_le(footer.data() + 16, offset);
              store_le(footer.data() + 24, crypto::hash64(Bytes(footer).first(24)));
              body.append(footer);
              try {
                const auto index_of = repo::PackIndex::parse(body, seal_context, key);
                for (std::uint32_t frame = 0; frame < index_of.frames(); ++frame) {
                  if (index_of.raw_bytes(frame) > repo::kMostFrameBytes ||
                      index_of.end(frame) > offset)
                    throw std::runtime_error("an impossible index was taken for one");
                }
              } catch (const DamagedError&) {
              }
            }
          }) == "");
  }
}
