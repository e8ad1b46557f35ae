"""WAL segments that are real but for one lie in the header of their first page."""
import struct

# XLogLongPageHeaderData (src/include/access/xlog_internal.h), little-endian.
FIELDS = {"magic": (0, "<H"), "pageaddr": (8, "<Q"), "system_id": (24, "<Q"), "segment_size": (32, "<I")}


def altered(segment, **fields):
    """The bytes of a segment with some header fields replaced."""
    changed = bytearray(segment)
    for name, value in fields.items():
        offset, form = FIELDS[name]
        struct.pack_into(form, changed, offset, value)
    return bytes(changed)


def field(segment, name):
    offset, form = FIELDS[name]
    return struct.unpack_from(form, segment, offset)[0]
