#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/queue.hpp>
#include <pgcairn/common/time.hpp>

#include <algorithm>
#include <atomic>

namespace pgcairn {

void for_each_index(std::size_t count, std::size_t threads, std::stop_token stop,
                    const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  Workers workers(std::move(stop));
  for (std::size_t i = 0; i < std::min(count, threads); ++i) {
    workers.start([&](std::stop_token stopped) {
      for (std::size_t index = next++; index < count; index = next++) {
        check_stop(stopped);
        work(index);
      }
    });
  }
  workers.join();
}

}  // namespace pgcairn
