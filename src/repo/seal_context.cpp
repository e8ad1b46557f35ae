#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/seal_context.hpp>

namespace pgcairn::repo {

SealContext::SealContext(std::string_view repository_id,
                         std::shared_ptr<const crypto::SecretBytes> data_key)
    : repository_id_(repository_id), data_key_(std::move(data_key)) {}

std::string SealContext::place_of(std::string_view key) const {
  return format("{}\n{}", repository_id_, key);
}

}  // namespace pgcairn::repo
