"""What goes over the wire: every HTTP exchange of a test, and the rules that each must keep.

The clients are libraries that all end in `requests`, so one tap on its adapter
sees what they really send and receive.
"""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

TAXII = "application/taxii+json;version=2.1"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FIRST = "X-TAXII-Date-Added-First"
LAST = "X-TAXII-Date-Added-Last"

LISTING = re.compile(r"/collections/[^/]+/(manifest|objects(/[^/]+(/versions)?)?)/?$")

# More requests than any test needs: a client that does not stop is stopped here.
BUDGET = 500
SECONDS_PER_REQUEST = 30


class Wire:
    def __init__(self):
        self.sent = 0
        self.faults = []
        self._untaken = []
        self._adapters = set()

    def take(self):
        """The exchanges since the last call, oldest first."""
        exchanges, self._untaken = self._untaken, []
        return exchanges

    def tap(self, send):
        """`HTTPAdapter.send`, with somebody listening."""

        def tapped(adapter, request, **options):
            self.sent += 1
            if self.sent > BUDGET:
                pytest.fail(f"more than {BUDGET} requests: the client goes round in circles")
            options["timeout"] = options.get("timeout") or SECONDS_PER_REQUEST
            response = send(adapter, request, **options)
            self._adapters.add(adapter)
            self._untaken.append(response)
            self.faults += [f"{request.method} {request.url}: {it}" for it in faults(response)]
            return response

        return tapped

    def hang_up(self):
        """Closes the connections that the clients left open."""
        for adapter in self._adapters:
            adapter.close()


def faults(response):
    """Yields what no answer to any client may ever do."""
    status = response.status_code
    content_type = response.headers.get("Content-Type")
    if content_type != TAXII:
        yield f"{status} with Content-Type {content_type!r}"
    if status >= 500 or 300 <= status < 400 or status == 206:
        yield f"status {status}"
    elif status >= 400:
        yield from error_faults(response)
    elif response.request.method == "DELETE":
        if response.content:
            yield "a DELETE answered with a body"
    elif response.request.method == "POST":
        if status != 202:
            yield f"a POST answered with {status}"
    elif LISTING.search(urlsplit(response.request.url).path):
        yield from page_faults(response)


def error_faults(response):
    error = response.json()
    if not isinstance(error.get("title"), str):
        yield f"an error without a title: {error}"
    if error.get("http_status", str(response.status_code)) != str(response.status_code):
        yield f"http_status {error['http_status']!r} on a {response.status_code}"


def page_faults(response):
    page = response.json()
    items = page.get("objects") or page.get("versions") or []

    # `more` without `next` sends taxii2-client and OpenCTI round in circles;
    # `next` without `more` does the same to Elastic.
    if page.get("more"):
        if not (isinstance(page.get("next"), str) and page["next"]):
            yield f"more is true and next is {page.get('next')!r}"
        if not items:
            yield "more is true on an empty page"
    elif "next" in page:
        yield f"next is {page['next']!r} and more is {page.get('more')!r}"

    limit = parse_qs(urlsplit(response.request.url).query).get("limit")
    if limit and len(items) > int(limit[0]):
        yield f"{len(items)} items for limit={limit[0]}"

    first, last = response.headers.get(FIRST, ""), response.headers.get(LAST, "")
    if not (TIMESTAMP.fullmatch(first) and TIMESTAMP.fullmatch(last) and first <= last):
        yield f"date headers {first!r} and {last!r}"
    elif items and "date_added" in items[0]:
        page_first, page_last = items[0]["date_added"], items[-1]["date_added"]
        if (first, last) != (page_first, page_last):
            yield f"date headers {first!r} and {last!r} on a page of {page_first} to {page_last}"
