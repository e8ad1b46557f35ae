#include "wrapper.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/private_file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/storage/answer_cache.hpp>

#include <map>
#include <mutex>

namespace pgcairn::storage {

namespace {

constexpr std::string_view kMagic = "pgcairn recall 1\n";
constexpr std::size_t kMostObjectBytes = 16 * kKiB;
constexpr std::size_t kMostListed = 64;
constexpr std::size_t kMostAnswers = 64;
constexpr std::size_t kMostFileBytes = 2 * kMiB;

enum class Question : std::uint8_t { get = 1, stat = 2, list = 3 };

struct Answer {
  Timestamp time{};
  std::string body;             // get
  std::vector<Object> objects;  // stat: one; list: all
};
using Answers = std::map<std::pair<Question, std::string>, Answer>;

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out += text;
}

std::uint64_t microseconds_of(Timestamp time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

Timestamp time_of(std::uint64_t microseconds) {
  return Timestamp(std::chrono::microseconds(static_cast<std::int64_t>(microseconds)));
}

std::string write_answers(const Answers& answers, std::string_view where) {
  std::string out(kMagic);
  append_text(out, where);
  append_varint(out, answers.size());
  for (const auto& [asked, answer] : answers) {
    append_varint(out, static_cast<std::uint64_t>(asked.first));
    append_text(out, asked.second);
    append_varint(out, microseconds_of(answer.time));
    append_text(out, answer.body);
    append_varint(out, answer.objects.size());
    for (const Object& object : answer.objects) {
      append_text(out, object.key);
      append_varint(out, object.size_bytes);
      append_varint(out, microseconds_of(object.modified));
    }
  }
  std::array<std::byte, sizeof(std::uint64_t)> check;
  store_le(check.data(), crypto::hash64(as_bytes(out)));
  out += as_text(check);
  return out;
}

/// Nothing when they are of another store. Throws DamagedError.
Answers read_answers(Bytes bytes, std::string_view where, const std::string& file) {
  const std::size_t covered = bytes.size() - std::min(bytes.size(), sizeof(std::uint64_t));
  ByteReader check(bytes.subspan(covered), file, covered);
  if (check.fixed<std::uint64_t>() != crypto::hash64(bytes.first(covered)))
    throw DamagedError(file, 0, "its checksum does not match");
  ByteReader reader(bytes.first(covered), file);
  const auto text = [&] { return std::string(as_text(reader.take(reader.varint()))); };
  Answers answers;
  if (as_text(reader.take(kMagic.size())) != kMagic || text() != where) return answers;
  for (std::uint64_t left = reader.varint(); left > 0; --left) {
    const auto question = static_cast<Question>(reader.varint());
    Answer& answer = answers[{question, text()}];
    answer.time = time_of(reader.varint());
    answer.body = text();
    for (std::uint64_t objects = reader.varint(); objects > 0; --objects) {
      Object& object = answer.objects.emplace_back();
      object.key = text();
      object.size_bytes = reader.varint();
      object.modified = time_of(reader.varint());
    }
  }
  return answers;
}

class AnswerCache final : public Wrapper {
 public:
  AnswerCache(std::unique_ptr<Driver> inner, AnswerCacheSettings settings, Clock& clock)
      : Wrapper(std::move(inner)), settings_(std::move(settings)), clock_(clock) {
    load();
  }
  ~AnswerCache() override { save(); }

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    if (!settings_.takes(key)) return inner_->put(key, body, if_exists);
    const ForgetAtEnd change(*this);
    return inner_->put(key, body, if_exists);
  }

  bool get(std::string_view key, Range range, Buffer& out) override {
    const bool ours = range.offset_bytes == 0 && settings_.takes(key);
    if (const auto known = ours ? recall(Question::get, key) : std::nullopt) {
      out.clear();
      out.append(as_bytes(known->body).first(std::min(known->body.size(), range.length_bytes)));
      return true;
    }
    const std::uint64_t asked_at = changes();
    const bool found = inner_->get(key, range, out);
    if (!found) forget();
    const bool whole = out.size() < range.length_bytes;
    if (found && ours && whole && out.size() <= kMostObjectBytes)
      remember(Question::get, key, {clock_.now(), std::string(as_text(out)), {}}, asked_at);
    return found;
  }

  std::optional<Object> stat(std::string_view key) override {
    const bool ours = settings_.takes(key);
    if (const auto known = ours ? recall(Question::stat, key) : std::nullopt)
      return known->objects.front();
    const std::uint64_t asked_at = changes();
    const auto found = inner_->stat(key);
    if (!found) forget();
    if (found && ours) remember(Question::stat, key, {clock_.now(), {}, {*found}}, asked_at);
    return found;
  }

  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    const bool ours = settings_.takes(prefix);
    if (const auto known = ours ? recall(Question::list, prefix) : std::nullopt) {
      for (const Object& object : known->objects) visit(object);
      return;
    }
    Answer answer{clock_.now(), {}, {}};
    std::size_t count = 0;
    const std::uint64_t asked_at = changes();
    inner_->list(prefix, [&](const Object& object) {
      if (++count <= kMostListed) answer.objects.push_back(object);
      visit(object);
    });
    if (ours && count <= kMostListed) remember(Question::list, prefix, std::move(answer), asked_at);
  }

  void remove(std::span<const std::string> keys) override {
    const ForgetAtEnd change(*this);
    inner_->remove(keys);
  }

 private:
  /// Also after an error: the object may have changed.
  struct ForgetAtEnd {
    explicit ForgetAtEnd(AnswerCache& changed) : cache(changed) {}
    ~ForgetAtEnd() { cache.forget(); }
    ForgetAtEnd(const ForgetAtEnd&) = delete;
    ForgetAtEnd& operator=(const ForgetAtEnd&) = delete;
    AnswerCache& cache;
  };

  std::optional<Answer> recall(Question question, std::string_view key) {
    std::lock_guard lock(mutex_);
    const auto found = answers_.find({question, std::string(key)});
    if (found == answers_.end()) return std::nullopt;
    // An answer from the future was given before the clock was set back.
    const auto age = clock_.now() - found->second.time;
    if (age >= Timestamp::duration(0) && age < settings_.longest) return found->second;
    answers_.erase(found);
    return std::nullopt;
  }

  /// How often all was forgotten until now.
  std::uint64_t changes() {
    std::lock_guard lock(mutex_);
    return changes_;
  }

  /// An answer during which something changed may be older than the change.
  void remember(Question question, std::string_view key, Answer answer, std::uint64_t asked_at) {
    std::lock_guard lock(mutex_);
    if (changes_ != asked_at) return;
    if (answers_.size() >= kMostAnswers) answers_.clear();
    answers_[{question, std::string(key)}] = std::move(answer);
    changed_ = true;
  }

  void forget() {
    std::lock_guard lock(mutex_);
    changed_ = changed_ || !answers_.empty();
    answers_.clear();
    ++changes_;
  }

  void load() {
    const auto content = read_private_file(settings_.file, kMostFileBytes);
    if (!content) return;
    try {
      answers_ = read_answers(*content, inner_->describe(), settings_.file);
    } catch (const DamagedError& error) {
      log_detail(format("the cached answers are not used: {}", error.message()));
    }
  }

  void save() {
    if (changed_)
      write_private_file(settings_.file, as_bytes(write_answers(answers_, inner_->describe())));
  }

  AnswerCacheSettings settings_;
  Clock& clock_;
  std::mutex mutex_;
  Answers answers_;
  std::uint64_t changes_ = 0;  // each forgot all answers
  bool changed_ = false;       // what the file should hold
};

}  // namespace

std::unique_ptr<Driver> with_answer_cache(std::unique_ptr<Driver> inner,
                                          AnswerCacheSettings settings, Clock& clock) {
  return std::make_unique<AnswerCache>(std::move(inner), std::move(settings), clock);
}

}  // namespace pgcairn::storage
