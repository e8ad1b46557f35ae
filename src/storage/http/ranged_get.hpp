#pragma once

#include "http/client.hpp"

#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <string>

namespace pgcairn::storage {

/// A part of an object as HTTP asks for it, and what the answers to that mean. Pure.
class RangedGet {
 public:
  explicit RangedGet(Range range);

  /// The Range header's value; empty: the whole object is asked for, without the header.
  std::string header() const;
  std::uint64_t most_body_bytes() const;

  /// Whether an answer of this status has bytes of the object, or says that there are none.
  bool is_answer(int status) const;
  /// Whether the range turns out to have no bytes, whatever the answer's body holds.
  bool has_no_bytes(int status) const;
  /// Whether `got_bytes` are all that was asked for, by what the answer's headers say.
  bool is_whole(const HttpResponse& response, std::uint64_t got_bytes) const;

 private:
  Range range_;
  bool whole_;
  bool nothing_;  // a range of no bytes, or one that no object reaches
};

}  // namespace pgcairn::storage
