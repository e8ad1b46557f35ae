#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/repo/seal_context.hpp>

#include <string>

namespace pgcairn::repo {

/// Makes of the bytes of a pack, a part of a manifest or a WAL object of repository `from` those of
/// the same object of repository `to`: each frame is checked, and framed again for the other place.
/// What it holds stays as it is stored, compressed, so that all sizes and offsets stay too, and
/// all that names a place in it is right in both. Works where the bytes are: needs the memory of
/// one frame. Throws DamagedError when a frame's check does not hold, or it is not from there; then
/// `object` is of no use.
void reseal(MutableBytes object, const std::string& key, const SealContext& from,
            const SealContext& to);

}  // namespace pgcairn::repo
