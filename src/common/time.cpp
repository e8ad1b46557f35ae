#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>

#include <condition_variable>
#include <ctime>
#include <mutex>

namespace pgcairn {

namespace {

std::string with_fraction(std::string text, Timestamp when) {
  const auto fraction = when.time_since_epoch().count() % 1'000'000;
  if (fraction != 0) text += format(".{:06}", fraction < 0 ? fraction + 1'000'000 : fraction);
  return text;
}

std::time_t whole_seconds(Timestamp when) {
  return std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
}

std::string strftime_text(const char* pattern, const std::tm& parts) {
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, pattern, &parts));
}

std::string utc_text(const char* pattern, Timestamp when) {
  const std::time_t seconds = whole_seconds(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return strftime_text(pattern, parts);
}

class SystemClock : public Clock {
 public:
  Timestamp now() const override { return pgcairn::now(); }
  void sleep(milliseconds duration, std::stop_token stop) override { sleep_for(duration, stop); }
};

}  // namespace

Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string format_utc(Timestamp when) {
  return with_fraction(utc_text("%Y-%m-%dT%H:%M:%S", when), when) + "Z";
}

std::optional<Timestamp> parse_utc(std::string_view text) {
  // 2026-11-21T01:02:03[.ffffff]Z
  if (text.size() < 20 || text.back() != 'Z' || text[10] != 'T') return std::nullopt;
  std::tm parts{};
  const std::string whole(text.substr(0, 19));
  const char* rest = strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const auto seconds = std::chrono::seconds(timegm(&parts));
  // strptime takes the 30th of February and blanks for digits; such a text is not what we print.
  if (utc_text("%Y-%m-%dT%H:%M:%S", Timestamp(seconds)) != whole) return std::nullopt;
  std::string_view fraction = text.substr(19, text.size() - 20);
  std::uint64_t microseconds = 0;
  if (!fraction.empty()) {
    if (fraction.size() != 7 || fraction.front() != '.') return std::nullopt;
    const auto digits = parse_u64(fraction.substr(1));
    if (!digits) return std::nullopt;
    microseconds = *digits;
  }
  return Timestamp(seconds + std::chrono::microseconds(microseconds));
}

std::string format_label_time(Timestamp when) {
  return utc_text("%Y%m%d-%H%M%S", when);
}

std::string format_local(Timestamp when) {
  const std::time_t seconds = whole_seconds(when);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  // +hhmm; PostgreSQL prints +hh, and +hh:mm where there are minutes.
  const std::string zone = strftime_text("%z", parts);
  std::string text = strftime_text("%Y-%m-%d %H:%M:%S", parts) + zone.substr(0, 3);
  if (zone.substr(3) != "00") text += ":" + zone.substr(3);
  return text;
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Interrupted();
}

void sleep_for(milliseconds duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, duration, [] { return false; });
  check_stop(stop);
}

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace pgcairn
