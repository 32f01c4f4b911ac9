"""CloudWatch's new protocol, Smithy RPC v2 CBOR, over an emulator that does not speak it."""

import re
from http import HTTPStatus
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

from app.local.emulator import CREDENTIALS
from tests.forwarding import Answer

PATH = re.compile(r"/service/\w+/operation/(?P<operation>\w+)$")
# Any: the methods for one value are private.
SERIALIZER: Any = RpcV2CBORSerializer()
REGION = re.compile(r"Credential=[^/]+/\d+/(?P<region>[\w-]+)/")


def answer_cbor(cloud: str, name: str, authorization: str, body: bytes) -> Answer:
    """Answer a request through a client of boto3, which asks the emulator in an older protocol."""
    scope = REGION.search(authorization)
    assert scope is not None, authorization
    client: Any = boto3.client(
        "cloudwatch",
        endpoint_url=cloud,
        region_name=scope["region"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    operation = client.meta.service_model.operation_model(name)
    request = {"headers": {}, "status_code": HTTPStatus.OK, "body": body}
    arguments = RpcV2CBORParser().parse(request, operation.input_shape)
    arguments.pop("ResponseMetadata", None)
    try:
        result = getattr(client, xform_name(name))(**arguments)
    except ClientError as error:
        return _error(error)
    result.pop("ResponseMetadata")
    content = bytearray()
    if operation.output_shape is None:
        content += b"\xa0"
    else:
        SERIALIZER._serialize_data_item(content, result, operation.output_shape)
    return HTTPStatus.OK, _headers(content), bytes(content)


def _error(error: ClientError) -> Answer:
    details = error.response["Error"]
    content = bytearray(b"\xa2")
    for text in ("__type", details["Code"], "message", details["Message"]):
        SERIALIZER._serialize_type_string(content, text, None, None)
    return error.response["ResponseMetadata"]["HTTPStatusCode"], _headers(content), bytes(content)


def _headers(content: bytearray) -> dict[str, str]:
    return {
        "Content-Type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
        "Content-Length": str(len(content)),
    }
