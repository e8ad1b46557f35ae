"""Google Cloud Storage's JSON API and the services around it that hand out tokens, on loopback and without mercy: what the real
ones would let pass or answer in another way (a parameter that is not known, an upload without precondition or checksum) is
refused with 400, so that a test fails.

Written after the reference of the JSON API v1, RFC 7523 (JWT for OAuth), RFC 8693 (token exchange) and Google's AIP-4110 to 4117.
"""
import base64
import dataclasses
import datetime
import hashlib
import http.client
import http.server
import itertools
import json
import re
import secrets
import ssl
import struct
import threading
import time
import urllib.parse

import crcmod.predefined
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from . import system

crc32c = crcmod.predefined.mkPredefinedCrcFun("crc-32c")
STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT_TOKEN = "urn:ietf:params:oauth:token-type:jwt"
ACCOUNT = "backup@project.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/ours"
MOST_IN_A_BATCH = 100


def encoded(data):
    return base64.b64encode(data).decode()


def crc_of(data):
    return encoded(struct.pack(">I", crc32c(data)))


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclasses.dataclass
class Stored:
    name: str
    data: bytes
    generation: int
    storage_class: str
    kms_key: str = None
    created: float = dataclasses.field(default_factory=time.time)
    held: bool = False          # a temporary hold
    retained_until: float = 0   # by a retention period

    def resource(self, bucket):
        shown = {"kind": "storage#object", "name": self.name, "bucket": bucket, "generation": str(self.generation), "metageneration": "1",
                 "size": str(len(self.data)), "crc32c": crc_of(self.data), "storageClass": self.storage_class, "etag": "CAE=",
                 "timeCreated": rfc3339(self.created), "updated": rfc3339(self.created), "temporaryHold": self.held}
        if self.kms_key:
            shown["kmsKeyName"] = self.kms_key + "/cryptoKeyVersions/1"
        if self.retained_until:
            shown["retentionExpirationTime"] = rfc3339(self.retained_until)
        return shown


class Refusal(Exception):
    """An error as the JSON API answers it."""

    def __init__(self, status, reason, message, headers=()):
        super().__init__(message)
        self.status, self.headers = status, list(headers)
        self.content = json.dumps({"error": {"code": status, "message": message,
                                             "errors": [{"message": message, "domain": "global", "reason": reason}]}}).encode()


class OAuthRefusal(Refusal):
    """An error as token services answer it (RFC 6749)."""

    def __init__(self, error, description):
        super().__init__(400, error, description)
        self.content = json.dumps({"error": error, "error_description": description}).encode()


def wants(condition, message):
    if not condition:
        raise Refusal(400, "invalid", f"the fake demands: {message}")


class GcsFake:
    """`endpoint` is the API, `metadata_host` the machine's metadata server. What went wrong by design is set here:
    `token_seconds` is how long tokens are said to hold, `token_uses` for how many requests they do,
    `spoil(path, status, headers, content)` changes an answer on its way out, and each answer in that to a batch."""

    def __init__(self, authority, page_size=7):
        self.ca = authority.ca
        self.page_size = page_size
        self.buckets, self.billed = {}, {}
        self.generations = itertools.count(1700000000000000)
        self.tokens = {}  # token: [expires, scope, uses left]
        self.token_seconds, self.token_uses = 3600, 1 << 30
        self.metadata_flavor = "Google"
        self.refresh = {}    # refresh token: (client id, secret)
        self.subjects = set()  # tokens of the other identity provider
        self.sts_token = None
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.spoil = None
        self.requests = []
        self.lock = threading.Lock()
        self.servers = []
        certificate = authority.localhost()
        system.own(certificate)
        self.port = self._serve(self._handler(self._answer), certificate)
        self.endpoint = f"https://localhost:{self.port}"
        self.metadata_port = self._serve(self._handler(self._metadata))
        self.metadata_host = f"127.0.0.1:{self.metadata_port}"
        self.metadata_url = f"http://{self.metadata_host}"

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def bucket(self, name, billed=None):
        """Make a bucket; `billed`: requests must name this project to pay."""
        self.buckets[name] = {}
        self.billed[name] = billed
        return name

    def section(self, bucket, **more):
        """Keys of [repo.NAME], without credentials."""
        return {"type": "gcs", "gcs-bucket": bucket, "gcs-endpoint": self.endpoint, "ca-file": str(self.ca),
                "key-passphrase": "of the tests", **more}

    # --- credentials ------------------------------------------------------------------------------------------------

    def service_account(self):
        """The text of a service account's key file."""
        pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return json.dumps({"type": "service_account", "project_id": "project", "private_key_id": "key-1", "private_key": pem.decode(),
                           "client_email": ACCOUNT, "client_id": "1", "token_uri": self.endpoint + "/token"})

    def external_account(self, source, impersonate=False):
        """The text of a workload identity federation file."""
        file = {"type": "external_account", "audience": AUDIENCE, "subject_token_type": JWT_TOKEN,
                "token_url": self.endpoint + "/sts/v1/token", "credential_source": source}
        if impersonate:
            file["service_account_impersonation_url"] = f"{self.endpoint}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        return json.dumps(file)

    def authorized_user(self):
        token = "1//" + secrets.token_hex(20)
        self.refresh[token] = ("client", "user-secret-" + secrets.token_hex(8))
        return json.dumps({"type": "authorized_user", "client_id": "client", "client_secret": self.refresh[token][1],
                           "refresh_token": token, "token_uri": self.endpoint + "/token"})

    def subject_token(self):
        token = "subject." + secrets.token_hex(20)
        self.subjects.add(token)
        return token

    def new_token(self, scope=STORAGE_SCOPE):
        token = "ya29." + secrets.token_hex(20)
        with self.lock:
            self.tokens[token] = [time.time() + self.token_seconds, scope, self.token_uses]
        return token

    def _check_token(self, header, scope=STORAGE_SCOPE):
        with self.lock:
            token = self.tokens.get((header or "").removeprefix("Bearer "), [0, None, 0])
            expires, granted, uses = token
            token[2] -= 1
        if expires < time.time() or uses <= 0:
            raise Refusal(401, "authError", "Invalid Credentials", [("www-authenticate", "Bearer realm=\"https://accounts.google.com/\"")])
        if granted not in (scope, CLOUD_SCOPE):
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")

    def _jwt_token(self, form):
        try:
            head, claims, signature = form["assertion"].split(".")
            decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
            assert "=" not in form["assertion"]
            self.key.public_key().verify(decode(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
            head, claims = json.loads(decode(head)), json.loads(decode(claims))
        except (InvalidSignature, ValueError, AssertionError):
            raise OAuthRefusal("invalid_grant", "Invalid JWT Signature.") from None
        wants(head == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}, "the JWT's header")
        wants(set(claims) == {"iss", "scope", "aud", "iat", "exp"}, "the JWT's claims")
        wants(claims["aud"] == self.endpoint + "/token" and claims["scope"] == STORAGE_SCOPE, "audience and scope")
        if claims["iss"] != ACCOUNT:
            raise OAuthRefusal("invalid_grant", "Invalid grant: account not found")
        now = time.time()
        if not (now - 300 < claims["iat"] <= now + 60 and claims["iat"] < claims["exp"] <= claims["iat"] + 3600):
            raise OAuthRefusal("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
        return {"access_token": self.new_token(), "expires_in": self.token_seconds, "token_type": "Bearer"}

    def _token(self, form):
        if form.get("grant_type") == JWT_GRANT:
            wants(set(form) == {"grant_type", "assertion"}, "a grant and an assertion")
            return self._jwt_token(form)
        wants(set(form) == {"grant_type", "client_id", "client_secret", "refresh_token"}, "a refresh token and its client")
        wants(form["grant_type"] == "refresh_token", "a known grant")
        if self.refresh.get(form["refresh_token"]) != (form["client_id"], form["client_secret"]):
            raise OAuthRefusal("invalid_grant", "Token has been expired or revoked.")
        return {"access_token": self.new_token(), "expires_in": self.token_seconds, "token_type": "Bearer", "scope": STORAGE_SCOPE}

    def _exchange(self, form):
        wants(set(form) == {"grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"},
              "the fields of a token exchange")
        wants(form["grant_type"] == EXCHANGE_GRANT and form["requested_token_type"] == ACCESS_TOKEN, "grant and type")
        wants(form["audience"] == AUDIENCE and form["subject_token_type"] == JWT_TOKEN, "audience and type of the subject's token")
        wants(form["scope"] in (STORAGE_SCOPE, CLOUD_SCOPE), "a scope")
        if form["subject_token"] not in self.subjects:
            raise OAuthRefusal("invalid_grant", "The given credential is rejected by the attribute condition.")
        self.sts_token = self.new_token("only to impersonate" if form["scope"] == CLOUD_SCOPE else STORAGE_SCOPE)
        return {"access_token": self.sts_token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
                "expires_in": self.token_seconds}

    def _impersonate(self, request):
        self._check_token(request.headers["authorization"], "only to impersonate")
        asked = json.loads(request.body)
        wants(asked == {"scope": [STORAGE_SCOPE], "lifetime": "3600s"}, "scope and lifetime")
        expires = rfc3339(time.time() + self.token_seconds)
        return {"accessToken": self.new_token(), "expireTime": expires[:-5] + "Z"}

    def _metadata(self, request):
        if request.path == "/subject":  # another identity provider's service on this machine
            wants(request.headers.get("x-who") == "pgcairn", "the header of the credential source")
            return 200, [], json.dumps({"value": self.subject_token()}).encode()
        if request.headers.get("metadata-flavor") != "Google":
            return 403, [], b"missing Metadata-Flavor"
        headers = [("metadata-flavor", self.metadata_flavor)] if self.metadata_flavor else []
        url = urllib.parse.urlsplit(request.path)
        if url.path != "/computeMetadata/v1/instance/service-accounts/default/token":
            return 404, headers, b"not found"
        said = {"access_token": self.new_token(), "expires_in": self.token_seconds, "token_type": "Bearer"}
        return 200, headers + [("content-type", "application/json")], json.dumps(said).encode()

    # --- the API ------------------------------------------------------------------------------------------------------

    def _answer(self, request):
        path, _, query = request.path.partition("?")
        if path in ("/token", "/sts/v1/token"):
            wants(request.command == "POST" and request.headers["content-type"] == "application/x-www-form-urlencoded", "a form")
            form = dict(urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True))
            said = self._token(form) if path == "/token" else self._exchange(form)
            return 200, [("content-type", "application/json")], json.dumps(said).encode()
        if path.endswith(":generateAccessToken"):
            return 200, [("content-type", "application/json")], json.dumps(self._impersonate(request)).encode()
        self._check_token(request.headers.get("authorization"))
        if path == "/batch/storage/v1":
            return self._batch(request)
        return self._call(request.command, path, query, request.headers, request.body)

    def _call(self, method, path, query, headers, body):
        params = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        wants(len(dict(params)) == len(params), "no parameter twice")
        params = dict(params)
        place = re.fullmatch(r"(/upload)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?", path)
        wants(place, f"a path of the API, not {path}")
        upload, bucket, name = place[1], urllib.parse.unquote(place[2]), place[3] and urllib.parse.unquote(place[3])
        if bucket not in self.buckets:
            raise Refusal(404, "notFound", "The specified bucket does not exist.")
        payer, billed = params.pop("userProject", None), self.billed[bucket]
        if billed and not payer:
            raise Refusal(400, "required", "Bucket is a requester pays bucket but no user project provided.")
        wants(payer == billed, "userProject where, and only where, the requester pays")
        if upload:
            wants(method == "POST" and not name, "an upload by POST")
            return self._insert(bucket, params, headers, body)
        if not name:
            wants(method == "GET", "GET to list")
            return self._list(bucket, params)
        if method == "DELETE":
            wants(not params, "no parameters of a removal")
            return self._delete(bucket, name)
        wants(method == "GET", "a known method")
        return self._get(bucket, name, params, headers)

    def _insert(self, bucket, params, headers, body):
        wants(set(params) <= {"uploadType", "name", "ifGenerationMatch", "kmsKeyName", "fields"}, f"known parameters, not {params}")
        wants(params.get("uploadType") == "multipart", "metadata and content in one request")
        wants(params.get("ifGenerationMatch") == "0", "ifGenerationMatch=0: nothing is overwritten")
        kind = re.fullmatch(r'multipart/related; boundary="?([0-9A-Za-z_-]+)"?', headers.get("content-type", ""))
        wants(kind and int(headers["content-length"]) == len(body), "multipart/related with a length")
        mark = b"--" + kind[1].encode()
        wants(body.startswith(mark + b"\r\n") and body.rstrip(b"\r\n").endswith(b"\r\n" + mark + b"--"), "boundaries at both ends")
        first, rest = body[len(mark) + 2:].split(b"\r\n" + mark + b"\r\n", 1)
        first_headers, metadata = first.split(b"\r\n\r\n", 1)
        rest_headers, data = rest.split(b"\r\n\r\n", 1)
        data = data[:data.rindex(b"\r\n" + mark + b"--")]
        wants(first_headers.lower().startswith(b"content-type: application/json"), "JSON first")
        wants(rest_headers.lower().startswith(b"content-type: "), "a type of the content")
        metadata = json.loads(metadata)
        wants(set(metadata) <= {"crc32c", "storageClass"} and params.get("name"), f"a name and known metadata, not {metadata}")
        wants("crc32c" in metadata, "a checksum of what is uploaded")
        if metadata["crc32c"] != crc_of(data):
            raise Refusal(400, "invalid", f"Provided CRC32C \"{metadata['crc32c']}\" doesn't match calculated CRC32C \"{crc_of(data)}\".")
        storage_class = metadata.get("storageClass", "STANDARD")
        if storage_class not in ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"):
            raise Refusal(400, "invalid", "Invalid argument: storage class")
        with self.lock:
            objects = self.buckets[bucket]
            if params["name"] in objects:
                raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
            stored = Stored(params["name"], data, next(self.generations), storage_class, params.get("kmsKeyName"))
            objects[stored.name] = stored
        return self._json(self._chosen(stored.resource(bucket), params))

    def _list(self, bucket, params):
        wants(set(params) <= {"prefix", "delimiter", "pageToken", "maxResults", "fields"}, f"known parameters, not {params}")
        prefix, delimiter, token = params.get("prefix", ""), params.get("delimiter"), params.get("pageToken")
        after = base64.urlsafe_b64decode(token).decode() if token else ""
        items, prefixes, seen, last, more = [], [], 0, after, False
        with self.lock:
            objects = [self.buckets[bucket][name] for name in sorted(self.buckets[bucket]) if name.startswith(prefix)]
        for one in objects:
            rest = one.name[len(prefix):]
            folder = prefix + rest.split(delimiter)[0] + delimiter if delimiter and delimiter in rest else None
            place = folder or one.name
            if place <= after or (folder and folder in prefixes):
                continue
            if seen == min(self.page_size, int(params.get("maxResults", 1000))):
                more = True
                break
            prefixes.append(folder) if folder else items.append(one.resource(bucket))
            seen, last = seen + 1, place
        page = {"kind": "storage#objects"}
        page.update({"items": items} if items else {})
        page.update({"prefixes": prefixes} if prefixes else {})
        page.update({"nextPageToken": base64.urlsafe_b64encode(last.encode()).decode()} if more else {})
        return self._json(self._chosen(page, params))

    def _get(self, bucket, name, params, headers):
        wants(set(params) <= {"alt", "fields"}, f"known parameters, not {params}")
        stored = self.buckets[bucket].get(name)
        media = params.get("alt") == "media"
        if not stored:
            message = f"No such object: {bucket}/{name}"
            if media:  # without JSON, as Google's
                return 404, [("content-type", "text/html; charset=UTF-8")], message.encode()
            raise Refusal(404, "notFound", message)
        if not media:
            return self._json(self._chosen(stored.resource(bucket), params))
        data, status = stored.data, 200
        shown = [("content-type", "application/octet-stream"), ("x-goog-generation", str(stored.generation)),
                 ("x-goog-hash", "crc32c=" + crc_of(data)), ("x-goog-hash", "md5=" + encoded(hashlib.md5(data).digest()))]
        if "range" in headers:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", headers["range"])
            wants(asked and int(asked[1]) <= int(asked[2]), "a range with both ends")
            first, last = int(asked[1]), int(asked[2])
            if first >= len(data):
                return 416, [("content-range", f"bytes */{len(data)}")], b"The requested range cannot be satisfied."
            shown.append(("content-range", f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"))
            data, status = data[first:last + 1], 206
        return status, shown, data

    def _delete(self, bucket, name):
        with self.lock:
            stored = self.buckets[bucket].get(name)
            if not stored:
                raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
            if stored.held:
                raise Refusal(403, "objectUnderActiveHold", f"Object '{bucket}/{name}' is under active Temporary hold and cannot be "
                              "deleted, overwritten or archived until hold is removed.")
            if stored.retained_until > time.time():
                raise Refusal(403, "retentionPolicyNotMet", f"Object '{bucket}/{name}' is subject to bucket's retention policy and "
                              f"cannot be deleted, overwritten or archived until {rfc3339(stored.retained_until)}")
            del self.buckets[bucket][name]
        return 204, [], b""

    def _batch(self, request):
        kind = re.fullmatch(r'multipart/mixed; boundary="?([0-9A-Za-z_-]+)"?', request.headers.get("content-type", ""))
        wants(request.command == "POST" and kind, "multipart/mixed")
        pieces = request.body.split(b"--" + kind[1].encode())
        wants(pieces[0] == b"" and pieces[-1].strip() == b"--", "boundaries at both ends")
        wants(0 < len(pieces) - 2 <= MOST_IN_A_BATCH, f"at most {MOST_IN_A_BATCH} calls in a batch")
        answers, mark = [], "batch_" + secrets.token_hex(8)
        for piece in pieces[1:-1]:
            outer, inner = piece.decode().lstrip("\r\n").split("\r\n\r\n", 1)
            outer = {name.lower(): value for name, value in (line.split(": ", 1) for line in outer.split("\r\n"))}
            wants(outer["content-type"] == "application/http" and re.fullmatch(r"<.+>", outer["content-id"]), "a call with a name")
            line, _, headers = inner.split("\r\n\r\n")[0].partition("\r\n")
            method, target, _ = line.split(" ")
            wants("content-length: 0" in headers.lower() or method == "DELETE", "the length of a call's body")
            path, _, query = target.partition("?")
            try:
                status, shown, content = self._call(method, path, query, {}, b"")
            except Refusal as refusal:
                status, shown, content = refusal.status, refusal.headers, refusal.content
            if self.spoil:
                status, shown, content = self.spoil(urllib.parse.unquote(target), status, shown, content)
            lines = [f"HTTP/1.1 {status} {http.client.responses[status]}", "Content-Type: application/json; charset=UTF-8",
                     *(f"{n}: {v}" for n, v in shown), f"Content-Length: {len(content)}"]
            answers.append(f"--{mark}\r\nContent-Type: application/http\r\nContent-ID: <response-{outer['content-id'][1:-1]}>\r\n\r\n"
                           + "\r\n".join(lines) + "\r\n\r\n" + content.decode() + "\r\n")
        return 200, [("content-type", f"multipart/mixed; boundary={mark}")], ("".join(answers) + f"--{mark}--\r\n").encode()

    @staticmethod
    def _chosen(resource, params):
        """What `fields` asks for: names, and names with others in parentheses."""
        fields = params.get("fields")
        wants(fields, "fields")
        names = {}
        for name, inner in re.findall(r"(\w+)(?:\(([^)]*)\))?", fields):
            names[name] = inner.split(",") if inner else None
        chosen = {name: resource[name] for name in names if name in resource}
        for name, inner in names.items():
            if inner and name in chosen:
                chosen[name] = [{key: one[key] for key in inner if key in one} for one in chosen[name]]
        return chosen

    @staticmethod
    def _json(value):
        return 200, [("content-type", "application/json; charset=UTF-8")], json.dumps(value).encode()

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _serve(self, handler, certificate=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return server.server_port

    def _handler(fake, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def any(self):
                self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
                fake.requests.append((self.command, urllib.parse.unquote(self.path)))
                try:
                    status, headers, content = answer(self)
                except Refusal as refusal:
                    status, headers, content = refusal.status, refusal.headers, refusal.content
                if fake.spoil:
                    status, headers, content = fake.spoil(urllib.parse.unquote(self.path), status, headers, content)
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("x-guploader-uploadid", "upload-" + secrets.token_hex(4))
                if status != 204:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = any
        return Handler

    def count(self, method, containing=""):
        return sum(1 for one, path in self.requests if one == method and containing in path)
