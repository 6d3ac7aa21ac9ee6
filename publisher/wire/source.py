"""The CloudEvents `source` of what a service sends."""

from urllib.parse import quote

# What a path may have as it is: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
IN_PATHS = "/-._~!$&'()*+,;=:@"


def source_of(service: str) -> str:
    """`/shop` for the service `shop`. It is a URI-reference, so what may not stand in one is percent-encoded."""
    return f"/{quote(service, safe=IN_PATHS)}"
