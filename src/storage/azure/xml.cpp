#include "azure/xml.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <pugixml.hpp>

namespace pgcairn::storage {

namespace {

Object read_object(const pugi::xml_node& blob, const std::string& where) {
  const pugi::xml_node properties = blob.child("Properties");
  const std::string key = blob.child_value("Name");
  const auto size = parse_u64(properties.child_value("Content-Length"));
  const auto modified = parse_http_date(properties.child_value("Last-Modified"));
  if (key.empty() || !size || !modified)
    throw Error(format("the listing of {} has an unknown format", where));
  if (std::string_view(properties.child_value("ResourceType")) == "directory") {
    throw Error(format("the listing of {} has a directory, \"{}\"", where, key),
                "use an account without a hierarchical namespace");
  }
  return {key, *size, *modified};
}

}  // namespace

StoreError parse_azure_error(std::string_view text) {
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size())) return {};
  const pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) != "Error") return {};
  const std::string_view message = root.child_value("Message");
  return {root.child_value("Code"), std::string(trim(message.substr(0, message.find('\n'))))};
}

ListedPage parse_azure_page(std::string_view text, const std::string& where) {
  pugi::xml_document document;
  const auto result = document.load_buffer(text.data(), text.size());
  const pugi::xml_node root = document.document_element();
  if (!result || std::string_view(root.name()) != "EnumerationResults") {
    const StoreError error = parse_azure_error(text);
    throw TransientError(error.code.empty() ? format("the answer of {} is not a listing", where)
                                            : format("{} answered 200 with an error: {} ({})",
                                                     where, error.code, error.message));
  }
  const pugi::xml_node blobs = root.child("Blobs");
  const pugi::xml_node next = root.child("NextMarker");
  if (!blobs || !next)
    throw Error(format("the listing of {} does not say whether it is complete", where));
  ListedPage page;
  for (const pugi::xml_node& blob : blobs.children("Blob")) {
    // Names that XML cannot hold are reported in another form: they are not keys.
    if (!blob.child("Name").attribute("Encoded").as_bool())
      page.objects.push_back(read_object(blob, where));
  }
  for (const pugi::xml_node& folder : blobs.children("BlobPrefix"))
    page.folders.emplace_back(folder.child_value("Name"));
  page.next_token = next.child_value();
  return page;
}

}  // namespace pgcairn::storage
