"""moto in this process, with corrections of what it answers otherwise than AWS and the provider looks at."""

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule
from moto.sqs.models import Queue
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from app.local.emulator import EVERY_SERVICE
from app.local.gate import Application, Environ, guarded_moto
from app.local.moto_patches import patch_moto
from tests.e2e.platform import client
from tests.provider.cbor import PATH, answer_cbor
from tests.provider.moto_gaps import Correction, EcsServices, ScalableTargetTags

TAG = re.compile(rb"<Key>([^<]*)</Key><Value>([^<]*)</Value>")


class Corrections:
    """WSGI: the emulator, with its answers corrected."""

    def __init__(self) -> None:
        self._moto = guarded_moto(EVERY_SERVICE)
        self._corrections: Mapping[str, Correction] = {
            "AmazonEC2ContainerServiceV20141113": EcsServices(),
            "AnyScaleFrontendService": ScalableTargetTags(),
        }
        self.address = ""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        # As a proxy of HTTP it is asked for other hosts too: S3 Control's has the account in its name.
        environ["HTTP_HOST"] = self.address.removeprefix("http://")
        if match := PATH.search(environ["PATH_INFO"]):
            code, headers, content = answer_cbor(
                self.address, match["operation"], environ["HTTP_AUTHORIZATION"], _body(environ)
            )
            start_response(f"{code} ", list(headers.items()))
            return [content]
        if environ["REQUEST_METHOD"] == "PUT" and b"<CreateBucketConfiguration" in (body := _body(environ)):
            created = list(self._moto(environ, start_response))
            self._tag_bucket(environ["PATH_INFO"].strip("/"), body)
            return created
        target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        correction = self._corrections.get(target)
        if correction is None or operation not in correction.operations:
            return self._moto(environ, start_response)
        request = json.loads(_body(environ))
        status, answer = correction.answer(operation, request, lambda: self._ask(environ))
        content = json.dumps(answer).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "Content-Length": str(len(content))}
        start_response(status, list(headers.items()))
        return [content]

    def _ask(self, environ: Environ) -> tuple[str, dict[str, Any]]:
        chunks, status, _ = run_wsgi_app(self._moto, environ, buffered=True)
        return status, json.loads(b"".join(chunks) or "{}")

    def _tag_bucket(self, name: str, body: bytes) -> None:
        """Store the tags that a bucket was created with; moto ignores them."""
        tags = [{"Key": key.decode(), "Value": value.decode()} for key, value in TAG.findall(body)]
        if tags:
            client(self.address, "s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def _body(environ: Environ) -> bytes:
    content: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(content)
    return content


def _patch() -> None:
    # Any: methods of classes are replaced.
    rules: Any = SecurityGroupRule
    queues: Any = Queue
    patch_moto()
    # moto keeps descriptions of address ranges only.
    construct = rules.__init__

    def constructed(rule: SecurityGroupRule, *args: Any, **kwargs: Any) -> None:
        construct(rule, *args, **kwargs)
        sources = [source for source in (*args, *kwargs.values()) if isinstance(source, dict)]
        for source in sources:
            if "Description" in source:
                rule.ip_range["Description"] = source["Description"]

    rules.__init__ = constructed
    # In moto a queue loses its policy with every change of another attribute.
    set_attributes = queues._set_attributes

    def set_given(queue: Queue, attributes: dict[str, Any], *args: Any) -> None:
        set_attributes(queue, {"Policy": getattr(queue, "policy", None), **attributes}, *args)

    queues._set_attributes = set_given
    # SQS answers with the document without white space.
    attributes_of = queues.attributes.fget

    def attributes(queue: Queue) -> dict[str, Any]:
        found: dict[str, Any] = attributes_of(queue)
        if found.get("RedrivePolicy"):
            found["RedrivePolicy"] = json.dumps(json.loads(found["RedrivePolicy"]), separators=(",", ":"))
        return found

    queues.attributes = property(attributes)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Write no access log."""


@contextmanager
def corrected_moto() -> Iterator[str]:
    """Serve moto on a free port of the loopback; yield the address."""
    _patch()
    corrections = Corrections()
    application: Application = corrections
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Handler)
    corrections.address = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield corrections.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
