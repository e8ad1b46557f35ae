"""JSON results against their schemas in share/, in which an undocumented member is an error here: to everybody else
the schemas say that later versions may add some."""
import copy
import functools
import json

import jsonschema

from . import system


def closed(schema):
    """The schema without room for members that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return copy.copy(schema)
    tight = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema.get("required"), list):
        tight["additionalProperties"] = False
    return tight


@functools.lru_cache(maxsize=None)
def verbs_with_schema():
    return {path.name.removesuffix(".schema.json") for path in (system.CHECKOUT / "share").glob("*.schema.json")}


@functools.lru_cache(maxsize=None)
def validator(verb):
    schema = json.loads((system.CHECKOUT / f"share/{verb}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(closed(schema))


def check(verb, document):
    """Fail unless the document is what the schema of the verb says, no more and no less."""
    wrong = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in validator(verb).iter_errors(document)]
    assert not wrong, "\n".join(wrong)


def check_output(args, out):
    """The same for what pgcairn wrote, when it was asked for JSON that has a schema."""
    verb = next((arg for arg in args if arg in verbs_with_schema()), None)
    if verb and ("--index" if verb == "repo-get" else "--output=json") in args and out:
        check(verb, json.loads(out))
