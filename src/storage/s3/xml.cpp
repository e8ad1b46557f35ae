#include "s3/xml.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <pugixml.hpp>

namespace pgcairn::storage {

namespace {

/// The answer's outermost element. Throws when it is another one, or an error.
pugi::xml_node root_of(pugi::xml_document& document, std::string_view text, const char* name,
                       const std::string& where) {
  const auto result = document.load_buffer(text.data(), text.size());
  const pugi::xml_node root = document.document_element();
  if (result && std::string_view(root.name()) == name) return root;
  const StoreError error = parse_s3_error(text);
  if (!error.code.empty()) {
    throw TransientError(
        format("{} answered 200 with an error: {} ({})", where, error.code, error.message));
  }
  throw TransientError(format("the answer of {} is not a {}", where, name));
}

Object read_object(const pugi::xml_node& content, const std::string& where) {
  Object object;
  object.key = content.child_value("Key");
  const auto size = parse_u64(content.child_value("Size"));
  const auto modified = parse_rfc3339(content.child_value("LastModified"));
  if (object.key.empty() || !size || !modified)
    throw Error(format("the listing of {} has an unknown format", where));
  object.size_bytes = *size;
  object.modified = *modified;
  return object;
}

}  // namespace

StoreError parse_s3_error(std::string_view text) {
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size())) return {};
  const pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) != "Error") return {};
  return {root.child_value("Code"), root.child_value("Message")};
}

ListedPage parse_s3_page(std::string_view text, const std::string& where) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, text, "ListBucketResult", where);
  ListedPage page;
  for (const pugi::xml_node& content : root.children("Contents"))
    page.objects.push_back(read_object(content, where));
  for (const pugi::xml_node& folder : root.children("CommonPrefixes"))
    page.folders.emplace_back(folder.child_value("Prefix"));
  const std::string_view truncated = root.child_value("IsTruncated");
  page.next_token = root.child_value("NextContinuationToken");
  if ((truncated != "true" && truncated != "false") ||
      (truncated == "true") == page.next_token.empty()) {
    throw Error(format("the listing of {} does not say whether it is complete", where));
  }
  return page;
}

std::vector<S3NotRemoved> parse_s3_delete(std::string_view text, const std::string& where) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, text, "DeleteResult", where);
  std::vector<S3NotRemoved> left;
  for (const pugi::xml_node& error : root.children("Error")) {
    S3NotRemoved one{error.child_value("Key"),
                     {error.child_value("Code"), error.child_value("Message")}};
    if (one.error.code != "NoSuchKey") left.push_back(std::move(one));
  }
  return left;
}

}  // namespace pgcairn::storage
