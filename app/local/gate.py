"""
What reaches moto: requests of programs on this machine, to the services that are offered.

moto answers every origin and every host name and offers all of AWS and an API to reset itself, so that any
web page in the developer's browser could read and change what is in it.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

EVERY = "*"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_INTERNAL = frozenset({"moto_api", "instance_metadata"})
"""Not services of AWS: offered only by name."""


def guarded_moto(services: frozenset[str]) -> Application:
    """Return the WSGI application: moto with these services behind the gate."""
    # Only the emulator's own process needs moto.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )

    # Any: moto types its services by a list of literals and the applications as Flask's.
    def application_of(backend: Any) -> Any:
        if backend in services or (EVERY in services and backend not in _INTERNAL):
            return create_backend_app(backend)
        return _refusal(f"this embedded AWS does not offer {backend}")

    moto = DomainDispatcherApplication(application_of)

    def guarded(environ: Environ, start_response: Any) -> Iterable[bytes]:
        reason = why_refused(environ)
        return (_refusal(reason) if reason else moto)(environ, start_response)

    return guarded


def why_refused(environ: Environ) -> str:
    """Return why a request does not come from a program on this machine; empty where it does."""
    host = str(environ.get("HTTP_HOST", ""))
    # A page whose own name was made to resolve to 127.0.0.1 sends that name.
    if _name(host) not in _LOOPBACK:
        return f"Host {host!r} is not a name of this machine"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{host}":
        return f"Origin {origin!r} may not ask"
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in {"none", "same-origin"}:
        return "pages of other sites may not ask"
    return ""


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _refusal(reason: str) -> Application:
    """Return an application that answers 403 in a form that SDKs read, whatever protocol the call uses."""
    error = f"<Error><Code>AccessDenied</Code><Message>{escape(reason)}</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>".encode()

    def refuse(_: Environ, start_response: Any) -> Iterable[bytes]:
        status = HTTPStatus.FORBIDDEN
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/xml")])
        return [body]

    return refuse
