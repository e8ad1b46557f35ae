#include "s3/xml.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

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

namespace {

/// Is a rule for names that begin with `of_rule` one for some that begin with `ours`?
bool may_have(std::string_view of_rule, std::string_view ours) {
  return of_rule.starts_with(ours) || ours.starts_with(of_rule);
}

/// "180 days after they were created", "from 2027-01-01T00:00:00.000Z on".
std::string when_of(const pugi::xml_node& action) {
  const std::string_view days = action.child_value("Days");
  if (!days.empty())
    return format("{} day{} after they were created", days, days == "1" ? "" : "s");
  return format("from {} on", action.child_value("Date"));
}

/// What it does to objects; empty: nothing that harms.
std::string effect_of(const pugi::xml_node& rule) {
  const pugi::xml_node expiration = rule.child("Expiration");
  // The other kind removes only the marks of what is deleted.
  if (expiration.child("Days") || expiration.child("Date"))
    return "deletes objects " + when_of(expiration);
  for (const pugi::xml_node& transition : rule.children("Transition")) {
    const std::string_view to = transition.child_value("StorageClass");
    // GLACIER_IR, STANDARD_IA and their like answer at once.
    if (to == "GLACIER" || to == "DEEP_ARCHIVE")
      return format("moves objects to {} {}", to, when_of(transition));
  }
  return {};
}

bool selects(const pugi::xml_node& rule, std::string_view prefix,
             const std::vector<std::pair<std::string, std::string>>& tags) {
  if (std::string_view(rule.child_value("Status")) != "Enabled") return false;
  const pugi::xml_node filter = rule.child("Filter");
  const pugi::xml_node all = filter.child("And") ? filter.child("And") : filter;
  const pugi::xml_node from = all ? all : rule;  // Prefix of the rule itself is its older place
  if (!may_have(from.child_value("Prefix"), prefix)) return false;
  const auto children = all.children("Tag");
  return std::all_of(children.begin(), children.end(), [&](const pugi::xml_node& tag) {
    return std::find(tags.begin(), tags.end(),
                     std::pair<std::string, std::string>(tag.child_value("Key"),
                                                         tag.child_value("Value"))) != tags.end();
  });
}

}  // namespace

std::vector<StoreRule> parse_s3_rules(
    std::string_view text, std::string_view prefix,
    const std::vector<std::pair<std::string, std::string>>& tags) {
  pugi::xml_document document;
  document.load_buffer(text.data(), text.size());
  std::vector<StoreRule> harmful;
  for (const pugi::xml_node& rule : document.child("LifecycleConfiguration").children("Rule")) {
    const std::string effect = effect_of(rule);
    if (!effect.empty() && selects(rule, prefix, tags))
      harmful.push_back({rule.child_value("ID"), effect});
  }
  return harmful;
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
